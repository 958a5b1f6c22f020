"""Append names to a corpus of invented names: seconds by step and peak memory, against the first normalisation.

    python benchmarks/append.py
    python benchmarks/append.py --sizes 1000000 --new 10000

For each size, with ids and without them: a corpus is normalised; then two appends add new names, of which each file
repeats as many that the corpus has. The first append also indexes the corpus. Each of these runs in a process of its
own; `memory` is its peak above that of a process that has only imported laud_ray.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from memory import peak

from laud_ray.config import CorpusConfig
from laud_ray.data.corpus import open_corpus
from laud_ray.data.generations import append as appending
from laud_ray.data.sharding.normalise import normalise
from laud_ray.storage.folder import Folder

SIZES, NEW = (100_000, 1_000_000), 10_000
STEPS = {"build_index": "index", "shard": "read", "order": "look up, sort, write"}


def write_names(path: Path, start: int, end: int) -> None:
    """Write invented names with ids, by number."""
    names = [
        f"{('oat', 'rye', 'soy', 'fig')[i % 4]} biscuit with {i * 7919 % 1000003:x} pieces {i}"
        for i in range(start, end)
    ]
    pq.write_table(pa.table({"id": [f"SKU-{i:09d}" for i in range(start, end)], "text": names}), path)


def one(action: str, source: str, out: str, ids: str) -> dict[str, Any]:
    """Normalise or append, in this process; return the seconds by step and the memory."""
    before, seconds = peak(), dict.fromkeys(STEPS.values(), 0.0)
    config = CorpusConfig.model_validate({"path": source, "text": "text", "id": ids or None})
    for name, step in STEPS.items():
        setattr(appending, name, _timed(getattr(appending, name), step, seconds))
    began, new = time.perf_counter(), None
    if action == "normalise":
        normalise(config, Folder(out))
    else:
        corpus = open_corpus(Folder(out))
        assert corpus is not None
        new = appending.append(config, Folder(out), corpus).new
    whole = time.perf_counter() - began
    return {"seconds": whole, "steps": seconds, "memory": peak() - before, "new": new}


def _timed(work: Callable[..., Any], step: str, seconds: dict[str, float]) -> Callable[..., Any]:
    def call(*args: Any, **keys: Any) -> Any:
        began = time.perf_counter()
        try:
            return work(*args, **keys)
        finally:
            seconds[step] += time.perf_counter() - began

    return call


def measured(*arguments: str) -> dict[str, Any]:
    """Do one action in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "one", *arguments], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def table(sizes: list[int], new: int) -> None:
    """Print a row for each action."""
    print("   corpus  ids  action          new   seconds  of first   index    read  sort   memory MB")
    for size in sizes:
        for ids in ("", "id"):
            with tempfile.TemporaryDirectory() as place:
                files = [Path(place) / name for name in ("first.parquet", "a.parquet", "b.parquet")]
                write_names(files[0], 0, size)
                write_names(files[1], size - new, size + new)
                write_names(files[2], size, size + 2 * new)
                first = 0.0
                for action, file in zip(("normalise", "append", "append again"), files, strict=True):
                    found = measured(action.split()[0], str(file), f"{place}/out", ids)
                    first = first or found["seconds"]
                    steps = "  ".join(f"{found['steps'][step]:6.2f}" for step in STEPS.values())
                    row = f"{size:9,}  {'yes' if ids else 'no':3}  {action:12}  {found['new'] or 0:6,}"
                    times = f"{found['seconds']:8.2f}  {found['seconds'] / first:8.3f}"
                    print(f"{row}  {times}  {steps}  {found['memory']:8.0f}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(one(*sys.argv[2:])))
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
        parser.add_argument("--new", type=int, default=NEW)
        asked = parser.parse_args()
        table(asked.sizes, asked.new)
