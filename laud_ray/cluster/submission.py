"""What a submission is: its id, its command, and the files that must arrive with it.

The id is made of what decides the results: the script, its arguments, and the contents of the files that the arguments
name, such as a task.yaml, and of those that these name, such as its labels. Not among them: the package's code, so that
mended code continues the same job; the cluster's address; and what the script reserves, which decides where it runs.
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
    """What the script itself reserves; what it starts reserves its own.

    Attributes:
        labels: of the node that it runs on.
    """

    cpus: float = 0.0
    gpus: float = 0.0
    labels: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, cpus: float, gpus: float, labels: Sequence[str]) -> "Needs":
        """Read labels of the form NAME=VALUE.

        Raises:
            UserError: for one of another form.
        """
        for one in labels:
            if not all(one.partition("=")):
                raise UserError(f"--on: {one!r}; expected LABEL=VALUE, such as ray.io/node-group=cpu")
        return cls(cpus, gpus, dict(one.split("=", 1) for one in labels))


@dataclass(frozen=True, slots=True)
class Submission:
    """A job to be.

    Attributes:
        id: of its first attempt; the n-th is id-n.
        folder: what is sent along.
    """

    id: str
    entrypoint: str
    folder: Path
    needs: Needs

    def attempt(self, number: int) -> str:
        return self.id if number == 1 else f"{self.id}-{number}"


def submission(script: str, arguments: Sequence[str], working_dir: str, needs: Needs | None = None) -> Submission:
    """Describe a job.

    Args:
        script: a path from working_dir, or from here into it.

    Raises:
        UserError: if the script or a file it is given cannot be sent along.
    """
    folder = Path(working_dir)
    if not folder.is_dir():
        raise UserError(f"--working-dir: {working_dir!r} is no folder; expected the one to send along")
    folder = folder.resolve()
    path = folder / script if (folder / script).is_file() else Path(script).resolve()
    if not path.is_file() or not path.is_relative_to(folder):
        raise UserError(f"{script}: no such file in {folder}; expected a script in the working directory")
    name = path.relative_to(folder).as_posix()
    sent = {name: path, **dict(_named(folder, arguments))}
    for one, reason in left_behind(folder, sent):
        raise UserError(f"{one}: {reason} keeps it from being sent along; expected a file that is sent, or a URI")
    digest = hashlib.sha256()
    for part in (name, *arguments):
        digest.update(f"{len(part.encode())}:{part}".encode())
    given = sent | {one: Path(one) for one in arguments if os.path.isabs(one) and os.path.isfile(one)}
    for one in sorted(given):
        digest.update(f"{one}:{hashlib.sha256(given[one].read_bytes()).hexdigest()}".encode())
    identity = f"laud-{path.stem}-{digest.hexdigest()[:16]}".replace("_", "-")
    return Submission(identity, shlex.join(["python", name, *arguments]), folder, needs or Needs())


def _named(folder: Path, arguments: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """The files in the folder that arguments name, and that YAML files among these name; as they are named."""
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
        return  # the job itself says what is wrong with it
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack += value.values()
        elif isinstance(value, list):
            stack += value
        elif isinstance(value, str):
            yield from _inside(folder, value)


def _inside(folder: Path, value: str) -> Iterator[tuple[str, Path]]:
    """The file that a value names, if it names one that would be sent along."""
    if not value or "://" in value or "\n" in value or len(value) > 1024 or os.path.isabs(value):
        return
    path = Path(os.path.normpath(folder / value))
    if path.is_relative_to(folder) and path.is_file():
        yield path.relative_to(folder).as_posix(), path
