"""Store a checksum in each file that laud_ray writes, so that a damaged file is never read as valid data.

In a Parquet file the checksum is between the last page and the footer, where other readers ignore it. (Parquet's own
page checksums do not cover page headers or the footer.) In a JSON file it is an additional key. Files of earlier
versions, which have no checksum, are read without a check.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from laud_ray.errors import DamageError
from laud_ray.printable import first_line

T = TypeVar("T")
KEY = "checksum"
# Marks the start of the checksum in a Parquet file: a random sequence that occurs in no file by chance.
_MARK = bytes.fromhex("6c617564 e55d52ad c20d8ba2 bd64f81e")
_SIZE = 16  # bytes of a checksum
_TAIL = 8  # bytes at the end of a Parquet file: the length of the footer, and "PAR1"
EXPECTED = "expected the file as laud_ray wrote it: restore it from a backup"


def seal_parquet(data: bytes) -> bytes:
    """Return a Parquet file with its checksum inserted. Any Parquet reader can still read it."""
    at = len(data) - _TAIL - int.from_bytes(data[-_TAIL:-4], "little")
    return b"".join((data[:at], _MARK, _digest(data), data[at:]))


def check_parquet(data: bytes, place: str) -> None:
    """Check a Parquet file against the checksum in it; a file without one passes.

    Args:
        data: the bytes of the file.
        place: the file's name for the error message.

    Raises:
        DamageError: if the checksum differs.
    """
    at = data.rfind(_MARK)
    end = at + len(_MARK) + _SIZE
    if at >= 0 and _digest(data[:at], data[end:]) != data[end - _SIZE : end]:
        raise DamageError(f"{place}: is damaged: its checksum differs; {EXPECTED}")


def dump_json(value: Mapping[str, object]) -> bytes:
    """Return a JSON object with its checksum, which replaces an earlier one."""
    plain = {key: one for key, one in value.items() if key != KEY}
    return json.dumps({**plain, KEY: _sum(plain)}, indent=1).encode()


def parse_json(data: bytes, place: str, build: Callable[[Any], T]) -> T:
    """Read a JSON file that `dump_json` wrote.

    Args:
        data: the bytes of the file.
        place: the file's name for the error message.
        build: turns the parsed value into the result. Its KeyError, TypeError, ValueError, AttributeError, IndexError
            or AssertionError is reported as damage.

    Raises:
        DamageError: if the file is not JSON, its checksum differs, or `build` fails on it.
    """
    try:
        found = json.loads(data)
        stored = found.pop(KEY, None) if isinstance(found, dict) else None
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else first_line(error)
        raise DamageError(f"{place}: is not valid JSON ({why}); {EXPECTED}") from None
    if (stored is not None and stored != _sum(found)) or (stored is None and _is_renamed(found)):
        raise DamageError(f"{place}: was changed or is damaged: its checksum differs; {EXPECTED}")
    try:
        return build(found)
    except KeyError as error:
        raise DamageError(f"{place}: lacks the key {error}; {EXPECTED}") from None
    except (TypeError, ValueError, AttributeError, IndexError, AssertionError) as error:
        why = first_line(error)
        raise DamageError(f"{place}: has invalid contents ({why}); {EXPECTED}") from None


def _is_renamed(found: object) -> bool:
    """Whether the checksum is stored under another key, because the damage is in the key itself."""
    named = found.items() if isinstance(found, dict) else ()
    long = [key for key, one in named if isinstance(one, str) and len(one) == 2 * _SIZE]
    return isinstance(found, dict) and any(
        found[key] == _sum({name: one for name, one in found.items() if name != key}) for key in long
    )


def texts(value: object) -> tuple[str, ...]:
    """Return a parsed JSON value as a tuple of strings.

    Raises:
        TypeError: if it is not a list of strings.
    """
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TypeError("expected a list of texts")
    return tuple(value)


def count(value: object) -> int:
    """Return a parsed JSON value as a count.

    Raises:
        TypeError: if it is not an integer of at least 0.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{str(value)[:40]!r} is not valid; expected a count")
    return value


def text(value: object) -> str:
    """Return a parsed JSON value as a string.

    Raises:
        TypeError: if it is not a string.
    """
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is not valid; expected a text")
    return value


def _sum(value: Mapping[str, object]) -> str:
    # A round trip through JSON turns tuples into lists, as they are after reading.
    plain = json.dumps(json.loads(json.dumps(value)), sort_keys=True)
    return _digest(plain.encode()).hex()


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=_SIZE)
    for part in parts:
        digest.update(part)
    return digest.digest()
