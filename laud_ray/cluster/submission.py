"""Describe a job to submit: its id, its command, and the files that are uploaded with it.

The id is a hash of everything that decides the results: the script, its arguments, the contents of files that the
arguments name (a task.yaml), and of files that those name (its label file). Three things are left out: the package's
code, so that fixed code resumes the same job; the cluster's address; and the resources of the script.
"""

import hashlib
import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from laud_ray.cluster.upload import left_behind
from laud_ray.errors import UserError


@dataclass(frozen=True, slots=True)
class Needs:
    """Resources that the script itself reserves. Its tasks and actors reserve their own.

    Attributes:
        labels: node labels that the script's node must have, e.g. {"ray.io/node-group": "cpu"}.
    """

    cpus: float = 0.0
    gpus: float = 0.0
    labels: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, cpus: float, gpus: float, labels: Sequence[str]) -> "Needs":
        """Parse labels of the form NAME=VALUE.

        Raises:
            UserError: for a label of another form.
        """
        for one in labels:
            if not all(one.partition("=")):
                raise UserError(f"--on: {one!r} is not valid; expected LABEL=VALUE, such as ray.io/node-group=cpu")
        return cls(cpus, gpus, dict(one.split("=", 1) for one in labels))


@dataclass(frozen=True, slots=True)
class Submission:
    """A job that can be submitted.

    Attributes:
        id: submission id of the first attempt; attempt n > 1 has the id `id-n`.
        entrypoint: shell command that Ray runs.
        folder: working directory, which is uploaded.
    """

    id: str
    entrypoint: str
    folder: Path
    needs: Needs

    def attempt(self, number: int) -> str:
        """Return the submission id of attempt `number`, counted from 1."""
        return self.id if number == 1 else f"{self.id}-{number}"


def submission(script: str, arguments: Sequence[str], working_dir: str, needs: Needs | None = None) -> Submission:
    """Describe a job.

    Args:
        script: path of the script, relative to working_dir or to the current directory; it must lie in working_dir.
        working_dir: folder that is uploaded.

    Raises:
        UserError: if the script is not in working_dir, or a file that it needs would not be uploaded.
    """
    folder = Path(working_dir)
    if not folder.is_dir():
        raise UserError(f"--working-dir: {working_dir!r} is not a folder; expected the folder to upload")
    folder = folder.resolve()
    path = folder / script if (folder / script).is_file() else Path(script).resolve()
    if not path.is_file() or not path.is_relative_to(folder):
        raise UserError(f"{script}: no such file in {folder}; expected a script in the working directory")
    name = path.relative_to(folder).as_posix()
    sent = {name: path, **dict(_named(folder, arguments))}
    for one, reason in left_behind(folder, sent):
        raise UserError(f"{one}: is not uploaded, because of {reason}; expected a file that is uploaded, or a URI")
    digest = hashlib.sha256()
    for part in (name, *arguments):
        digest.update(f"{len(part.encode())}:{part}".encode())
    given = sent | {one: Path(one) for one in arguments if os.path.isabs(one) and os.path.isfile(one)}
    for one in sorted(given):
        digest.update(f"{one}:{hashlib.sha256(given[one].read_bytes()).hexdigest()}".encode())
    identity = f"laud-{path.stem}-{digest.hexdigest()[:16]}".replace("_", "-")
    return Submission(identity, shlex.join(["python", name, *arguments]), folder, needs or Needs())


def _named(folder: Path, arguments: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Yield the files in the folder that the arguments name, and those that YAML files among them name."""
    for argument in arguments:
        value = argument.partition("=")[2] if argument.startswith("--") else argument
        for name, path in _inside(folder, value):
            yield name, path
            if path.suffix in (".yaml", ".yml"):
                yield from _mentioned(folder, path)


def _mentioned(folder: Path, file: Path) -> Iterator[tuple[str, Path]]:
    try:
        stack = [yaml.safe_load(file.read_text())]
    except (yaml.YAMLError, UnicodeDecodeError):
        return  # the job itself reports the error
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack += value.values()
        elif isinstance(value, list):
            stack += value
        elif isinstance(value, str):
            yield from _inside(folder, value)


def _inside(folder: Path, value: str) -> Iterator[tuple[str, Path]]:
    """Yield the file that a value names, if it names a file inside the folder."""
    if not value or "://" in value or "\n" in value or len(value) > 1024 or os.path.isabs(value):
        return
    path = Path(os.path.normpath(folder / value))
    if path.is_relative_to(folder) and path.is_file():
        yield path.relative_to(folder).as_posix(), path
