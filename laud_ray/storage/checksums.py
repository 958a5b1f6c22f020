"""Files that laud_ray writes hold a checksum of themselves, so that a damaged one is never read as other data.

Of a Parquet file the checksum stands between its last page and its footer, where every other reader passes over it: a
page's own checksum says nothing of its header or of the footer. Of a JSON file it is one key more. Files that were
written before there were checksums are read without.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from laud_ray.errors import DamageError

T = TypeVar("T")
KEY = "checksum"
# What comes before the checksum in a Parquet file: these bytes stand in no other one.
_MARK = bytes.fromhex("6c617564 e55d52ad c20d8ba2 bd64f81e")
_SIZE = 16
# Of a Parquet file's end: the length of the footer, and "PAR1".
_TAIL = 8
EXPECTED = "expected the file as laud_ray wrote it: restore it from a backup"


def seal_parquet(data: bytes) -> bytes:
    """Put a checksum into a Parquet file; it stays one that everybody can read."""
    at = len(data) - _TAIL - int.from_bytes(data[-_TAIL:-4], "little")
    return b"".join((data[:at], _MARK, _digest(data), data[at:]))


def check_parquet(data: bytes, place: str) -> None:
    """Check a Parquet file against the checksum in it; `place` is what an error calls it.

    Raises:
        DamageError: if it is not what was written.
    """
    at = data.rfind(_MARK)
    end = at + len(_MARK) + _SIZE
    if at >= 0 and _digest(data[:at], data[end:]) != data[end - _SIZE : end]:
        raise DamageError(f"{place}: is damaged: its checksum differs; {EXPECTED}")


def dump_json(value: Mapping[str, object]) -> bytes:
    """Write a JSON object with its checksum, in the place of an earlier one."""
    plain = {key: one for key, one in value.items() if key != KEY}
    return json.dumps({**plain, KEY: _sum(plain)}, indent=1).encode()


def parse_json(data: bytes, place: str, build: Callable[[Any], T]) -> T:
    """Read a JSON file that `dump_json` wrote; `build` makes of it what is wanted, and may fail on what it finds.

    Args:
        place: what an error calls the file.

    Raises:
        DamageError: if it is not JSON, not what was written, or lacks what `build` needs.
    """
    try:
        found = json.loads(data)
        told = found.pop(KEY, None) if isinstance(found, dict) else None
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error).partition("\n")[0]
        raise DamageError(f"{place}: is not valid JSON ({why}); {EXPECTED}") from None
    if (told is not None and told != _sum(found)) or (told is None and _is_renamed(found)):
        raise DamageError(f"{place}: was changed or is damaged: its checksum differs; {EXPECTED}")
    try:
        return build(found)
    except KeyError as error:
        raise DamageError(f"{place}: lacks the key {error}; {EXPECTED}") from None
    except (TypeError, ValueError, AttributeError, IndexError, AssertionError) as error:
        why = str(error).partition("\n")[0]
        raise DamageError(f"{place}: holds something else than it should ({why}); {EXPECTED}") from None


def _is_renamed(found: object) -> bool:
    """Whether the checksum is there under another name, which is what was damaged."""
    named = found.items() if isinstance(found, dict) else ()
    long = [key for key, one in named if isinstance(one, str) and len(one) == 2 * _SIZE]
    return isinstance(found, dict) and any(
        found[key] == _sum({name: one for name, one in found.items() if name != key}) for key in long
    )


def texts(value: object) -> tuple[str, ...]:
    """Read a list of texts.

    Raises:
        TypeError: if it is something else.
    """
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TypeError("expected a list of texts")
    return tuple(value)


def count(value: object) -> int:
    """Read a number of things.

    Raises:
        TypeError: if it is something else.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{str(value)[:40]!r} is not valid; expected a count")
    return value


def text(value: object) -> str:
    """Read a text.

    Raises:
        TypeError: if it is something else.
    """
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is not valid; expected a text")
    return value


def _sum(value: Mapping[str, object]) -> str:
    # As it comes back from JSON: tuples are lists then.
    plain = json.dumps(json.loads(json.dumps(value)), sort_keys=True)
    return _digest(plain.encode()).hex()


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=_SIZE)
    for part in parts:
        digest.update(part)
    return digest.digest()
