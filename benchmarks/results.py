"""Results of a study as lines of JSON: only ever added, by any number of processes, so that a stopped study goes on."""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def append(path: Path, record: Mapping[str, Any]) -> None:
    """Add a line, whole or not at all as far as `read` is concerned."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        torn = b""
        if size:
            file.seek(size - 1)
            torn = b"" if file.read(1) == b"\n" else b"\n"  # a process died in the middle of its line
        file.write(torn + json.dumps(dict(record)).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> list[Record]:
    """The whole lines of a file; none if there is no file."""
    if not path.exists():
        return []
    found: list[Record] = []
    for line in path.read_bytes().split(b"\n"):
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
