"""Compute the checksum of a database row. Values give the same checksum before writing and after reading."""

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Boolean, Float, Integer, Table

CHECKSUM = "checksum"
# Columns that the checksum does not cover, because they are set or changed after the row was written.
_CHANGES = frozenset({"position", "stop_reason", CHECKSUM})


def row_checksum(table: Table, values: Mapping[str, object]) -> str:
    """Return the checksum of a row. Null values are left out, so that later versions can add columns."""
    found = {
        column.name: _plain(column.type, values[column.name])
        for column in table.columns
        if column.name not in _CHANGES and values.get(column.name) is not None
    }
    data = json.dumps({name: value for name, value in found.items() if value is not None}, sort_keys=True)
    return hashlib.blake2b(f"{table.name} {data}".encode(), digest_size=16).hexdigest()


def _plain(kind: object, value: Any) -> object:
    """Return a value for JSON, the same before writing and after reading, and on SQLite and PostgreSQL."""
    if isinstance(value, datetime):
        return in_utc(value).astimezone(UTC).isoformat()
    if isinstance(kind, Float):
        return None if math.isnan(value) else float(value)  # SQLite stores NaN as null
    if isinstance(kind, Boolean | Integer):
        return int(value)
    return value.replace("\0", "\u2400") if isinstance(value, str) else value


def in_utc(found: datetime) -> datetime:
    """Return a stored time with its zone, UTC, which SQLite does not store."""
    return found if found.tzinfo else found.replace(tzinfo=UTC)
