"""Engines that die, and passes and relabels over them without Ray: names are worked on in this process.

`python -m tests.engines` lets an engine die in every way at every call of a pass and of a relabel, and prints how
many rows are other than a healthy engine's.
"""

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from laud_ray.cluster.retry_limits import DEATHS, BrokenEngines, Done, Lost
from laud_ray.cluster.workers import Workers
from laud_ray.data.corpus import RANGE_SCHEMA, Corpus, Range
from laud_ray.errors import EngineError, PassError
from laud_ray.models import faults
from laud_ray.passes import scoring
from laud_ray.passes.run import run_pass
from laud_ray.relabel import Columns, Options, relabel
from laud_ray.relabel.ranges.work import label_range
from laud_ray.relabel.source import Source
from laud_ray.storage.folder import Folder
from laud_ray.types import Floats, Scorer
from tests.relabeling import LABELS, Hashing, cut, job, rows, write

RANGES, ROWS, CHUNK = 3, 20, 8
BAD = {5, 6, 20, 39, 59}  # documents that no engine can score; 20 is the first of its range, 39 and 59 the last
Fault = Callable[[Floats], Floats]
Rows = list[dict[str, object]]


def raising(error: Exception) -> Fault:
    def fault(proba: Floats) -> Floats:
        raise error

    return fault


FAULTS: dict[str, Fault] = {
    "CUDA error": raising(RuntimeError("CUDA error: device-side assert triggered")),
    "closed process": raising(BrokenPipeError(32, "Broken pipe")),
    "out of memory": raising(MemoryError("out of memory")),
    "as if of a text": raising(ValueError("cannot read this")),
    "NaN": lambda proba: proba * np.nan,
    "fewer rows": lambda proba: proba[:-1],
}


class Machine:
    """Opens engines, and counts their calls. One of them dies at call `death`, in the way of `fault`.

    Attributes:
        for_good: whether an engine that died stays dead; else its next call is answered.
        born_dead: whether all engines are dead when they are opened.
        wasted: calls that were not answered.
    """

    def __init__(self, fault: Fault, death: int | None, *, for_good: bool = True, born_dead: bool = False) -> None:
        self.fault, self.death, self.for_good, self.born_dead = fault, death, for_good, born_dead
        self.calls = self.wasted = 0

    def open(self, _: str) -> Scorer:
        return _Engine(self)


class _Engine(Hashing):
    """Hashes texts, and fails on those with `poison` in them."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(LABELS)
        self.machine, self.dead = machine, machine.born_dead

    def score(self, texts: Sequence[str]) -> Floats:
        machine = self.machine
        self.dead = self.dead or machine.calls == machine.death
        machine.calls += 1
        if not self.dead:
            return super().score(texts)
        self.dead = machine.for_good
        machine.wasted += 1
        return machine.fault(Hashing(LABELS).score(["a text"] * len(texts)))


def texts() -> list[str | None]:
    """The documents: some that cannot be scored, one without a text, one that stands twice."""
    found: list[str | None] = [f"poison {i}" if i in BAD else f"name {i}" for i in range(RANGES * ROWS)]
    found[33], found[44] = None, found[2]
    return found


def pass_over(place: Path, load: Callable[[str], Scorer], documents: Sequence[str | None] | None = None) -> Rows:
    """Score documents; return their rows."""
    given = texts() if documents is None else documents
    folder, parts = Folder(str(place / "corpus")), range(0, len(given), ROWS)
    ranges = tuple(Range(f"part-{start // ROWS:05d}.parquet", len(given[start : start + ROWS])) for start in parts)
    for start, part in zip(parts, ranges, strict=True):
        mine = given[start : start + ROWS]
        errors = ["null text" if text is None else None for text in mine]
        ids = [f"d{start + row}" for row in range(len(mine))]
        folder.write_table(part.name, pa.table([ids, mine, errors, [None] * len(mine)], schema=RANGE_SCHEMA))
    out = Folder(str(place / "out"))
    run_pass(Corpus(folder, ranges, {}, "x"), Folder(str(place / "model")), out, name="m", load=load)
    return [row for part in ranges for row in out.read_table(part.name).to_pylist()]


def relabel_all(place: Path, load: Callable[[str], Scorer], documents: Sequence[str | None] | None = None) -> Rows:
    """The whole of a relabel."""
    data = _catalog(place, documents)
    model = Folder(str(place / "model"))
    source = Source("run", "m", model, "x", LABELS, Workers(), 2000, None, None, lambda _: None, load)
    relabel(source, str(data), str(place / "out"), Options(Columns("text", "id"), ROWS), None, lambda event: None)
    return rows(place / "out").to_pylist()


def relabel_ranges(place: Path, load: Callable[[str], Scorer]) -> Rows:
    """The ranges of a relabel, without what goes before and after them."""
    found = cut(_catalog(place, None), place / "work", size=ROWS)
    todo = replace(job(found, place / "out"), load=load)
    for one in map_here([part.name for part in found.ranges], label_range, todo, Workers()):
        assert isinstance(one, Done)
    return rows(place / "out").to_pylist()


def _catalog(place: Path, documents: Sequence[str | None] | None) -> Path:
    given = texts() if documents is None else documents
    if not (place / "in.parquet").exists():
        write(place / "in.parquet", {"id": [f"d{i}" for i in range(len(given))], "text": list(given)})
    return place / "in.parquet"


def map_here(names: Sequence[str], work: Callable[[str, Any], Any], job: Any, workers: Workers) -> Iterator[Any]:
    """In the place of laud_ray's: a worker that ends is followed by one that opens its model anew."""
    queue, broken, deaths = deque(names), BrokenEngines(), Counter[str]()
    _new_worker()
    while queue:
        name = queue.popleft()
        try:
            value = work(name, job)
        except EngineError as error:
            _new_worker()
            if broken.add(name, str(error), workers=1):
                raise PassError(f"{name}: {error}") from error
            deaths[name] += 1
            if deaths[name] < DEATHS:
                queue.append(name)
            else:
                yield Lost(name, deaths[name], str(error))
            continue
        broken.done()
        yield Done(name, value)


def _new_worker() -> None:
    """Forget the models that are open, as the end of a process does."""
    scoring._loaded.cache_clear()
    scoring._scored.clear()


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    work_here(monkeypatch)


def work_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have passes and relabels work in this process, in small chunks."""
    monkeypatch.setattr("laud_ray.cluster.ranges.map_ranges", map_here)
    monkeypatch.setattr("laud_ray.cluster.connect.connect", lambda: None)
    monkeypatch.setattr(faults, "CHUNK", CHUNK)
    monkeypatch.setattr(os, "fsync", lambda file: None)  # thousands of small files, of which none need last


def main() -> None:
    work_here(pytest.MonkeyPatch())
    for name, work in (("pass", pass_over), ("relabel", relabel_all)):
        began, outputs, compared, different, most = time.monotonic(), 0, 0, 0, 0
        with TemporaryDirectory(prefix="engines-") as scratch:
            for fault in FAULTS.values():
                healthy = Machine(fault, None)
                expected = work(Path(scratch) / f"healthy-{outputs}", healthy.open)
                for for_good in (True, False):
                    for death in range(healthy.calls):
                        machine = Machine(fault, death, for_good=for_good)
                        found = work(Path(scratch) / f"{outputs}", machine.open)
                        outputs, compared, most = outputs + 1, compared + len(found), max(most, machine.wasted)
                        different += sum(one != other for one, other in zip(found, expected, strict=True))
        print(
            f"{name}: {outputs} with a death at each of {healthy.calls} calls, in {len(FAULTS)} ways, for good and for "
            f"one call: {different} of {compared:,} rows differ from a healthy engine's; "
            f"at most {most} calls to a dead engine; {time.monotonic() - began:.0f} s"
        )


if __name__ == "__main__":
    main()
