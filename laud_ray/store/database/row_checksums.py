"""The checksum of a database's row: of its values as they are written, and the same when they were read."""

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Boolean, Float, Integer, Table

CHECKSUM = "checksum"
# What of a row changes after it was written, each by itself: the checksum does not cover it.
_CHANGES = frozenset({"position", "stop_reason", CHECKSUM})


def row_checksum(table: Table, values: Mapping[str, object]) -> str:
    """The checksum of a row. What is null is left out, so that a later version may add columns."""
    found = {
        column.name: _plain(column.type, values[column.name])
        for column in table.columns
        if column.name not in _CHANGES and values.get(column.name) is not None
    }
    data = json.dumps({name: value for name, value in found.items() if value is not None}, sort_keys=True)
    return hashlib.blake2b(f"{table.name} {data}".encode(), digest_size=16).hexdigest()


def _plain(kind: object, value: Any) -> object:
    """A value as JSON, the same before it is written and after it was read, from whichever database."""
    if isinstance(value, datetime):
        return in_utc(value).astimezone(UTC).isoformat()
    if isinstance(kind, Float):
        return None if math.isnan(value) else float(value)  # SQLite keeps no NaN
    if isinstance(kind, Boolean | Integer):
        return int(value)
    return value.replace("\0", "\u2400") if isinstance(value, str) else value


def in_utc(found: datetime) -> datetime:
    """A time as it was stored: SQLite forgets the zone."""
    return found if found.tzinfo else found.replace(tzinfo=UTC)
