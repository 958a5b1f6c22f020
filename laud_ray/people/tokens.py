"""Who may answer: named tokens with roles, one a line in a file such as `ann:annotator:s3cret`.

The person of an answer is always the one whose token came with it, never a name that a client states.
"""

import hashlib
import hmac
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from laud_ray.errors import ConfigError
from laud_ray.labels import fold
from laud_ray.printable import quoted

Role: TypeAlias = Literal["annotator", "adjudicator", "owner"]
ROLES: tuple[Role, ...] = ("annotator", "adjudicator", "owner")
LONGEST_NAME = 100
# For how long a token that was taken out of the file can still count, in seconds.
LOOK_EVERY = 1.0
_FORM = "expected NAME:ROLE:TOKEN, such as ann:annotator:s3cret"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Person:
    """Who answers. An adjudicator also decides where people differ; an owner may do everything."""

    name: str
    role: Role

    @property
    def adjudicates(self) -> bool:
        return self.role != "annotator"


class PersonTokens:
    """The people of a token file, which is read again when it changes. Tokens are kept as digests only."""

    def __init__(self, file: str) -> None:
        """Read the file.

        Raises:
            ConfigError: if it cannot be read, holds nobody, or has a line that is not valid.
        """
        self._file = Path(os.path.abspath(file))
        self._shown = file
        self._looked = time.monotonic()
        self._stamp = self._stamped()
        self._people = self._read()

    def person(self, authorization: str | None) -> Person | None:
        """Return whose token a header `Bearer TOKEN` has; it takes as long whoever it is, or if it is nobody."""
        self._look()
        scheme, _, given = (authorization or "").partition(" ")
        asked = digest(given.strip())
        found = [person for known, person in self._people if hmac.compare_digest(asked, known)]
        return found[0] if found and scheme.lower() == "bearer" else None

    def _look(self) -> None:
        """Read the file again if it has changed; one that is not valid any more leaves those who are known."""
        if time.monotonic() - self._looked < LOOK_EVERY:
            return
        self._looked = time.monotonic()
        try:
            stamp = self._stamped()
            if stamp == self._stamp:
                return
            self._people, self._stamp = self._read(), stamp
        except ConfigError as error:
            if self._stamp is not None:
                _log.warning("%s; the tokens that were read before still count", error)
            self._stamp = None

    def _stamped(self) -> tuple[int, int, int] | None:
        try:
            found = self._file.stat()
        except OSError as error:
            raise self._unreadable(error) from None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> list[tuple[bytes, Person]]:
        try:
            lines = self._file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise self._unreadable(error) from None
        people: list[tuple[bytes, Person]] = []
        for number, line in enumerate(lines, 1):
            if line.strip() and not line.lstrip().startswith("#"):
                people.append(self._one(line.strip(), f"--tokens {self._shown} line {number}", people))
        if not people:
            raise ConfigError(f"--tokens {self._shown}: holds no token; {_FORM}")
        return people

    def _one(self, line: str, place: str, before: list[tuple[bytes, Person]]) -> tuple[bytes, Person]:
        """Read a line. No message shows its third part, which is a secret."""
        parts = [part.strip() for part in line.split(":", 2)]
        if len(parts) < 3:
            raise ConfigError(f"{place}: has {len(parts)} of 3 parts; {_FORM}")
        name, role, token = parts
        if not name or not name.isprintable() or len(name) > LONGEST_NAME:
            expected = f"a name of 1 to {LONGEST_NAME} visible characters"
            raise ConfigError(f"{place}: the name {quoted(name)} is not valid; expected {expected}")
        if role not in ROLES:
            raise ConfigError(f"{place}: the role {quoted(role)} is not valid; expected one of {', '.join(ROLES)}")
        if not token or not is_sendable(token):
            raise ConfigError(f"{place}: the token of {quoted(name)} is not valid; expected ASCII without spaces")
        if any(fold(person.name) == fold(name) for _, person in before):
            raise ConfigError(f"{place}: {quoted(name)} is a duplicate name; expected one line for each person")
        if any(hmac.compare_digest(known, digest(token)) for known, _ in before):
            raise ConfigError(f"{place}: {quoted(name)} has the token of another line; expected one of their own")
        return digest(token), Person(name, role)

    def _unreadable(self, error: OSError | UnicodeDecodeError) -> ConfigError:
        cause = getattr(error, "strerror", None) or "is not UTF-8"
        return ConfigError(f"--tokens {self._shown}: cannot be read: {cause}; {_FORM} a line")


def digest(token: str) -> bytes:
    """Return what is kept of a token, and compared."""
    # Of one length, so that comparing tells nothing of a token's length either.
    return hashlib.sha256(token.encode()).digest()


def is_sendable(token: str) -> bool:
    """Whether a header can carry a token: it has printable ASCII characters only, and no space."""
    return all("!" <= letter <= "~" for letter in token)
