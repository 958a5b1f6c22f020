"""Results of a study as JSON lines. Lines are only appended, by any number of processes, so that a study can resume."""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def append(path: Path, record: Mapping[str, Any]) -> None:
    """Append a line; `read` ignores it if it was written only in part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        torn = b""
        if size:
            file.seek(size - 1)
            torn = b"" if file.read(1) == b"\n" else b"\n"  # a process died while it was writing the line
        file.write(torn + json.dumps(dict(record)).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> list[Record]:
    """Return the complete lines of a file; none if the file does not exist."""
    if not path.exists():
        return []
    found: list[Record] = []
    for line in path.read_bytes().split(b"\n"):
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
