"""The token of a Ray on this machine: whoever has it runs code as this user, so nobody else may read it."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

# Where Ray looks for a token before its own file, and what says whether it uses any.
_GIVEN, _MODE = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"), "RAY_AUTH_MODE"


def keep_private() -> None:
    """Make the token that Ray is going to make, since Ray lets everybody read its file; and close one that is open.

    To be called before Ray is started here. Where the home cannot be written, Ray says so itself.
    """
    if any(os.environ.get(name) for name in _GIVEN) or os.environ.get(_MODE, "token").lower() != "token":
        return
    with suppress(OSError, RuntimeError):  # RuntimeError: there is no home
        file = Path.home() / ".ray" / "auth_token"
        if not file.exists():
            _make(file)
        found = file.stat()
        if found.st_uid == os.getuid() and found.st_mode & 0o077:
            file.chmod(0o600)


def _make(file: Path) -> None:
    """Write a token, whole at once; one that another process writes meanwhile stays."""
    file.parent.mkdir(mode=0o700, exist_ok=True)
    staging = file.with_name(f".{file.name}-{secrets.token_hex(8)}")
    handle = os.open(staging, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.write(handle, secrets.token_hex(32).encode())
        with suppress(FileExistsError):
            os.link(staging, file)
    finally:
        os.close(handle)
        staging.unlink()
