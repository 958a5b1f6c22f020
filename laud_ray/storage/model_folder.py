"""Read and write the description of a model, model.json, which holds the checksums of all its other files."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from laud_ray.errors import DamageError, ModelError
from laud_ray.storage.checksums import dump_json, parse_json, text, texts
from laud_ray.storage.folder import Folder

DESCRIPTION = "model.json"
STUDENT = "student"  # the kind that needs the fewest imports
# Kinds whose scorer owns an engine that takes a minute to start.
ENGINES = ("causal", "in_context")


def seal(folder: Path, description: Mapping[str, Any]) -> None:
    """Write model.json with the checksums of all files in the folder; they must not change afterwards."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != DESCRIPTION)
    sums = {str(p.relative_to(folder)): _checksum(p) for p in files}
    (folder / DESCRIPTION).write_bytes(dump_json({**description, "files": sums}))


def add_file(folder: Path, name: str, data: bytes) -> None:
    """Add a file to a sealed folder that is not published yet, with its checksum."""
    (folder / name).write_bytes(data)
    place = folder / DESCRIPTION
    description = parse_json(place.read_bytes(), str(place), _described)
    sums = description["files"] | {name: _checksum(folder / name)}
    place.write_bytes(dump_json({**description, "files": sums}))


def describe(model: str) -> tuple[Path, dict[str, Any]]:
    """Return a model's folder and description, after checking all its files.

    Raises:
        ModelError: if a file is missing or its checksum differs.
    """
    folder = local_folder(model)
    try:
        description = parse_json((folder / DESCRIPTION).read_bytes(), str(folder / DESCRIPTION), _described)
        for name, expected in description["files"].items():
            if _checksum(folder / name) != expected:
                raise ModelError(f"{folder / name}: was changed: its checksum differs from that in {DESCRIPTION}")
    except DamageError as error:
        raise ModelError(str(error)) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder}: is not a complete model: {error!r}") from None
    return folder, description


def kind_of(model: str) -> str:
    """Return the kind of a model, such as "encoder". Its files are not checked.

    Raises:
        ModelError: if the folder or its description is missing or damaged.
    """
    try:
        file = local_folder(model) / DESCRIPTION
        return str(parse_json(file.read_bytes(), str(file), _described)["kind"])
    except DamageError as error:
        raise ModelError(str(error)) from None
    except OSError as error:
        raise ModelError(f"{model}/{DESCRIPTION}: cannot be read: {error.strerror}") from None


def _described(found: dict[str, Any]) -> dict[str, Any]:
    """Check the keys that every description has."""
    text(found["kind"]), texts(found["labels"]), texts(list(found["files"].values()))
    return found


def version_of(model: Folder) -> str | None:
    """Return a hash that identifies a model's contents; None if there is no model.

    Its description, which is hashed, holds the checksums of all its files.
    """
    try:
        return hashlib.sha256(model.read(DESCRIPTION)).hexdigest()[:12]
    except FileNotFoundError:
        return None


def failure_of(model: Folder) -> str | None:
    """Return why a model has not learned, as its training recorded it under `failure`; None if it has.

    Raises:
        ModelError: if its description is missing or damaged.
    """
    where = f"{model.uri}/{DESCRIPTION}"
    try:
        failure = parse_json(model.read(DESCRIPTION), where, _described).get("failure")
    except DamageError as error:
        raise ModelError(str(error)) from None
    except FileNotFoundError:
        raise ModelError(f"{model.uri}: is not a model; expected a folder with {DESCRIPTION}") from None
    return None if failure is None else text(failure)


def _checksum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def local_folder(path: str) -> Path:
    """Return the folder of a model.

    Raises:
        ModelError: if it is not a folder.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ModelError(f"{path}: is not a model; expected a folder with {DESCRIPTION}")
    return folder
