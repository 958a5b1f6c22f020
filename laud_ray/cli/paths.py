"""Check folders before a command writes into them: they must be writable, and must not be deleted with a Ray job."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from laud_ray.errors import ConfigError

# Ray sets it in the driver of every job.
IN_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"


def check_lasting(path: str, key: str) -> None:
    """Refuse a relative path in a Ray job: it would be inside the job's working directory, which Ray deletes.

    Args:
        key: the key of the configuration or the option that has the path, for the message.

    Raises:
        ConfigError: in a Ray job, for a relative path.
    """
    if IN_A_JOB in os.environ and "://" not in path and not os.path.isabs(path):
        raise ConfigError(
            f"{key}: {path!r} is not valid in a Ray job, whose folder is deleted at its end; expected a URI, "
            "or an absolute path that every node shares"
        )


def check_writable(path: str, key: str) -> None:
    """Check, before anything is read or loaded, that a local folder can be written. The check leaves no files behind.

    Args:
        key: the key of the configuration or the option that has the path, for the message.

    Raises:
        ConfigError: if the folder cannot be created or written.
    """
    if "://" in path:
        return
    try:
        with _made(Path(path).absolute()) as folder, tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        cause = (isinstance(error, OSError) and error.strerror) or str(error)
        raise ConfigError(f"{key}: {path!r} cannot be written: {cause}; expected a writable folder") from None


@contextmanager
def _made(folder: Path) -> Iterator[Path]:
    """Create a folder temporarily: new folders are removed afterwards, unless another process writes into them."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    finally:
        with suppress(OSError):
            for one in missing:
                one.rmdir()
