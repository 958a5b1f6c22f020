"""Bearer tokens. There can be several, so that one can be replaced without an interruption.

A line of the file is a token, or NAME:ROLE:TOKEN as in the file of `laud annotate`: then the service knows who asks.
"""

import hmac
import os
import time
from pathlib import Path

from laud_ray.errors import ConfigError
from laud_ray.people.tokens import ROLES, digest, is_sendable

ENVIRONMENT = "LAUD_TOKENS"
# Seconds for which a token that was removed from the file may still be valid.
_LOOK_EVERY = 1.0


class Tokens:
    """The valid tokens: those of the environment, and those of the file, which is reloaded when it changes."""

    def __init__(self, file: str | None, environment: str | None = None) -> None:
        """Read the tokens.

        Args:
            file: a file with one token per line, or None.
            environment: tokens separated by commas, or None.

        Raises:
            ConfigError: if the file cannot be read, or a token is invalid.
        """
        self._file = None if file is None else Path(file)
        fixed = [one.strip() for one in (environment or "").split(",")]
        _check(f"{ENVIRONMENT}: token", fixed)
        self._fixed = [digest(one) for one in fixed if one]
        self._stamp: tuple[int, int] | None = None
        self._filed: list[tuple[bytes, str | None]] = []
        self._looked = 0.0
        if self._file is not None:
            try:
                _check(f"tokens_file: {file}: line", _lines(self._file))
                self._read(self._file)
            except (OSError, UnicodeDecodeError) as error:
                cause = getattr(error, "strerror", None) or error
                raise ConfigError(f"tokens_file: {file!r} cannot be read: {cause}; expected a token a line") from None

    @classmethod
    def open(cls, file: str | None) -> "Tokens":
        return cls(file, os.environ.get(ENVIRONMENT))

    @property
    def any(self) -> bool:
        """Whether requests need a token. A file requires one even while it is empty."""
        return bool(self._fixed) or self._file is not None

    def allow(self, authorization: str | None) -> bool:
        """Whether a header `Bearer TOKEN` has a valid token. Compares in constant time."""
        return not self.any or bool(self._found(authorization))

    def person(self, authorization: str | None) -> str | None:
        """Return whose token a header `Bearer TOKEN` has; None if the token has no name, or is not valid."""
        return next((name for name in self._found(authorization) if name is not None), None)

    def _found(self, authorization: str | None) -> list[str | None]:
        """Return the names of the valid tokens that a header has: none, or one, which is None for a bare token."""
        self._look()
        scheme, _, given = (authorization or "").partition(" ")
        asked = digest(given.strip())
        known = [*((one, None) for one in self._fixed), *self._filed]
        found = [name for one, name in known if hmac.compare_digest(asked, one)]
        return found if scheme.lower() == "bearer" else []

    def _look(self) -> None:
        now = time.monotonic()
        if self._file is None or now - self._looked < _LOOK_EVERY:
            return
        self._looked = now
        try:
            self._read(self._file)
        except (OSError, UnicodeDecodeError):  # being replaced, or lost: the tokens that were read last stay valid
            return

    def _read(self, file: Path) -> None:
        stat = file.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        if stamp != self._stamp:
            self._filed = [(digest(_token(line)), _name(line)) for line in _lines(file) if line]
            self._stamp = stamp


def first_token(file: str | None) -> str | None:
    """Return a valid token, for the service's own requests; None if there is none."""
    fixed = [one.strip() for one in os.environ.get(ENVIRONMENT, "").split(",")]
    return next((one for one in [*fixed, *(map(_token, _lines(Path(file))) if file is not None else [])] if one), None)


def _lines(file: Path) -> list[str]:
    """Return what each line says; "" for a blank line or a comment."""
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    return ["" if line.startswith("#") else line for line in lines]


def _token(line: str) -> str:
    """Return the token of a line."""
    return line if _name(line) is None else line.split(":", 2)[2].strip()


def _name(line: str) -> str | None:
    """Return the name of a line such as ann:annotator:s3cret; None for a line that is a token alone."""
    parts = [part.strip() for part in line.split(":", 2)]
    return parts[0] if len(parts) == 3 and all(parts) and parts[1] in ROLES else None


def _check(place: str, lines: list[str]) -> None:
    """Raise ConfigError for a token that a header cannot carry. The message does not show the token."""
    for number, line in enumerate(lines, 1):
        token = _token(line)
        if not is_sendable(token):
            raise ConfigError(f"{place} {number}: has a space or a letter beyond ASCII; expected a bearer token")
