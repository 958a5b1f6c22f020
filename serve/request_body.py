"""Parse the body of a request: bytes -> JSON -> a request, or a one-line error.

JSON is UTF-8 (RFC 8259); a byte order mark is skipped. Errors have the form of those of a configuration:
`top_k: 0 is not valid; expected a whole number of at least 1`.
"""

import json
import re
from typing import Any, TypeVar

from pydantic import ValidationError

from laud_ray.config.mistakes import known_names
from laud_ray.printable import printable, quoted
from laud_ray.storage.file_kind import kind_of
from serve.schemas import FaultError, Wire

JSON_BODY = "expected JSON in UTF-8, not compressed"
_SHOWN = 60
_LIST = re.compile(r"list\[")

Request = TypeVar("Request", bound=Wire)


def parse(kind: type[Request], body: bytes) -> Request:
    """Parse a request. The time is that of parsing the JSON, however many errors it has.

    Raises:
        FaultError: 415 if the body is not text in UTF-8; 422 with the place, the value and what was expected.
    """
    value = _decoded(_text(body), kind)
    if not isinstance(value, dict):
        raise _invalid(f"body: {shown(value)} is not valid; expected {kind.EXAMPLE}")
    unknown = next((key for key in value if key not in kind.model_fields), None)
    if unknown is not None:
        names = known_names(unknown[:_SHOWN], list(kind.model_fields))
        raise _invalid(f"{_key(unknown)}: is an unknown key; expected one of {names}")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise _invalid(_first(kind, error)) from None


def _text(body: bytes) -> str:
    """Decode a body."""
    binary = kind_of(body)
    if binary is not None:
        raise _not_text(f"body: is {binary}; {JSON_BODY}")
    encoding = json.detect_encoding(body)
    if not encoding.startswith("utf-8"):
        raise _not_text(f"body: is in {encoding[:6].upper()}; {JSON_BODY}")
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        raise _not_text(f"body: has the byte 0x{body[error.start]:02X} at {error.start}; {JSON_BODY}") from None


def _decoded(text: str, kind: type[Wire]) -> object:
    """Parse JSON with Python's parser, which accepts half of a surrogate pair, so that only this text is in error."""
    if not text.strip():
        raise _invalid(f"body: is empty; expected {kind.EXAMPLE}")
    try:
        return json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        reason = "is nested too deeply"
    except json.JSONDecodeError as error:
        rest = text[error.pos : error.pos + 20]
        found = f"is not valid JSON at character {error.pos}: {quoted(rest)}"
        reason = found if rest.strip() else f"ends at character {error.pos}, before its JSON does"
    except ValueError:  # Python converts no number of more than 4,300 digits
        reason = "holds a number of too many digits"
    raise _invalid(f"body: {reason}; expected {kind.EXAMPLE}")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Build an object from its pairs, and refuse duplicate keys."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _invalid(f"{_key(twice)}: is a duplicate key; expected each key once")
    return found


def _first(kind: type[Wire], error: ValidationError) -> str:
    """Return the most helpful error; for a union that of the likelier branch."""
    found = error.errors(include_url=False, include_context=False)
    # `texts` is a string or a list: an error within the list is more helpful than that it is not a string.
    one: Any = max(found, key=lambda e: (len(e["loc"]), e["type"] == "list_type"))
    parts = [part for part in one["loc"] if isinstance(part, int) or not (part == "str" or _LIST.search(part))]
    if not parts:
        return f"body: {one['msg'].removeprefix('Value error, ')}"
    place = str(parts[0]) + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts[1:])
    if one["type"] == "extra_forbidden":
        return f"{printable(place[:_SHOWN])}: is an unknown key; expected none"
    if one["type"] == "value_error":
        return f"{place}: {one['msg'].removeprefix('Value error, ')}"
    expected = kind.EXPECTED.get(".".join(part for part in parts if isinstance(part, str)), "a text")
    if len(parts) == 2 and isinstance(parts[1], int):
        expected = kind.EXPECTED.get(f"{parts[0]}[]", "a text")
    said = "is missing" if one["type"] == "missing" else f"{shown(one['input'])} is not valid"
    return f"{place}: {said}; expected {expected}"


def _key(name: str) -> str:
    """Return a key of the request, truncated and printable, for the beginning of a message."""
    return printable(name[:_SHOWN]) + ("..." if len(name) > _SHOWN else "")


def shown(value: object, depth: int = 0) -> str:
    """Return the beginning of a value as JSON, without reading all of a large value."""
    if isinstance(value, str):
        text = json.dumps(value[:_SHOWN])
    elif isinstance(value, dict):
        text = "{...}" if value else "{}"
    elif isinstance(value, list):
        inner = ["..."] if depth == 2 else [shown(one, depth + 1) for one in value[:3]]
        text = f"[{', '.join(inner[: len(value)])}{', ...' if len(value) > 3 else ''}]"
    elif isinstance(value, int) and not isinstance(value, bool):
        text = str(value) if abs(value) < 10**_SHOWN else f"an integer of {value.bit_length():,} bits"
    else:
        text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _invalid(message: str) -> FaultError:
    return FaultError(422, "invalid", message)


def _not_text(message: str) -> FaultError:
    return FaultError(415, "not_json", message)
