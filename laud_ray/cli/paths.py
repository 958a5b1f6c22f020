"""Folders that a command writes into: whether they can be written, and outlast the job that writes them."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from laud_ray.errors import ConfigError

# Ray sets it in the driver of every job.
IN_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"


def check_lasting(path: str, key: str) -> None:
    """Refuse a relative path in a Ray job: it would lie in the job's copy of the working directory, which Ray deletes.

    Args:
        key: what the path is, for the message: a key of the configuration or an option.

    Raises:
        ConfigError: in a Ray job, for a relative path.
    """
    if IN_A_JOB in os.environ and "://" not in path and not os.path.isabs(path):
        raise ConfigError(
            f"{key}: {path!r} is relative, and a job's own folder is deleted after it; expected a URI, "
            "or an absolute path that every node shares"
        )


def check_writable(path: str, key: str) -> None:
    """Find out, before anything is read or loaded, whether a local folder can be written; nothing is left behind.

    Args:
        key: what the path is, for the message: a key of the configuration or an option.

    Raises:
        ConfigError: if it cannot be made or written.
    """
    if "://" in path:
        return
    try:
        with _made(Path(path).absolute()) as folder, tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        cause = (isinstance(error, OSError) and error.strerror) or str(error)
        raise ConfigError(f"{key}: {path!r} cannot be written: {cause}; expected a folder, or one to be made") from None


@contextmanager
def _made(folder: Path) -> Iterator[Path]:
    """Make a folder for a while: those that were not there are gone afterwards, unless somebody writes into them."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    finally:
        with suppress(OSError):
            for one in missing:
                one.rmdir()
