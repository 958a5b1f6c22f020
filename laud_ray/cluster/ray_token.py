"""Protect the authentication token of a local Ray: anyone who reads it can run code as this user."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

# Variables that Ray reads before its token file, and the variable that switches authentication on.
_GIVEN, _MODE = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"), "RAY_AUTH_MODE"


def keep_private() -> None:
    """Create Ray's token file with mode 0600, or correct the mode of an existing one.

    Call this before Ray is started on this machine, because Ray creates the file readable by everybody. If the home
    directory cannot be written, nothing happens here, and Ray reports it.
    """
    if any(os.environ.get(name) for name in _GIVEN) or os.environ.get(_MODE, "token").lower() != "token":
        return
    with suppress(OSError, RuntimeError):  # RuntimeError: the user has no home directory
        file = Path.home() / ".ray" / "auth_token"
        if not file.exists():
            _make(file)
        found = file.stat()
        if found.st_uid == os.getuid() and found.st_mode & 0o077:
            file.chmod(0o600)


def _make(file: Path) -> None:
    """Write a token atomically; keep a token that another process has written in the meantime."""
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
