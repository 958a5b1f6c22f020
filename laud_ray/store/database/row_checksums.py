"""Compute the checksum of a database row. Values give the same checksum before writing and after reading."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Boolean, Float, Integer, Table

CHECKSUM = "checksum"
# Columns that the checksum does not cover, because they are set or changed after the row was written.
_CHANGES = frozenset({"position", "stop_reason", CHECKSUM})


# json.dumps makes an encoder in each call.
_encode = json.JSONEncoder(sort_keys=True).encode


def row_checksum(table: Table, values: Mapping[str, object]) -> str:
    """Return the checksum of a row. Null values are left out, so that later versions can add columns."""
    found = {}
    for name, plain in _columns(table):
        value = values.get(name)
        if value is not None and (shown := plain(value)) is not None:
            found[name] = shown
    return hashlib.blake2b(f"{table.name} {_encode(found)}".encode(), digest_size=16).hexdigest()


@cache
def _columns(table: Table) -> tuple[tuple[str, Callable[[Any], object]], ...]:
    """Return the columns that the checksum covers, with a function that makes their values plain."""
    return tuple((column.name, _of_kind(column.type)) for column in table.columns if column.name not in _CHANGES)


def _of_kind(kind: object) -> Callable[[Any], object]:
    if isinstance(kind, Float):
        return _plain_number
    return int if isinstance(kind, Boolean | Integer) else _plain


def _plain_number(value: Any) -> object:
    return None if math.isnan(value) else float(value)  # SQLite stores NaN as null


def _plain(value: Any) -> object:
    """Return a value for JSON, the same before writing and after reading, and on SQLite and PostgreSQL."""
    if isinstance(value, str):
        return value.replace("\0", "\u2400")
    return in_utc(value).astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def in_utc(found: datetime) -> datetime:
    """Return a stored time with its zone, UTC, which SQLite does not store."""
    return found if found.tzinfo else found.replace(tzinfo=UTC)
