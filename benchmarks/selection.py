"""Measure the cost of choosing 500 of 10,000,000 documents, and a diverse batch from a shortlist of 50,000.

python benchmarks/selection.py [--rows 10000000] [--candidates 50000] [--batch 500]

The scores are written by the product's own functions, untimed. Then each method runs in its own process. The result is
the best of three times, and the peak of memory above that of the imports. DuckDB runs ORDER BY margin LIMIT over the
same Parquet files; NumPy loads the columns id and margin.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from laud_ray import query
from laud_ray.data.corpus import Corpus, Range
from laud_ray.passes.scoring import score_table
from laud_ray.passes.shortlists import SHORTLIST, Shortlist, read_shortlist, shortlist_range, to_candidates
from laud_ray.passes.summary import summarise
from laud_ray.steps.selection.picking import select, shortlist_depth
from laud_ray.storage.folder import Folder
from laud_ray.taxonomy.groups import groups_of

RANGE = 50_000  # the largest range of a corpus
CLASSES = 20
VOCABULARY = """organic frozen roasted chocolate almond milk yogurt cheddar wireless charger cotton shirt steel bottle
garden hose leather wallet ceramic mug running shoes winter jacket phone case desk lamp green tea instant coffee orange
juice whole wheat bread peanut butter tomato sauce vanilla ice cream chicken breast smoked salmon brown rice beans"""
WORDS = VOCABULARY.split()


def names(n: int, rng: np.random.Generator) -> list[str]:
    """Return texts like product names: three to eight words and a size."""
    words = np.asarray(WORDS)[rng.integers(len(WORDS), size=(n, 8))]
    lengths, sizes = rng.integers(3, 9, size=n), rng.integers(1, 10**6, size=n)
    return [f"{' '.join(row[:k])} {size}g" for row, k, size in zip(words, lengths, sizes, strict=True)]


def make(place: Path, rows: int, batch: int) -> None:
    """Write scores and shortlists as a pass does, range by range."""
    wanted = Shortlist(query.build("margin", counts=[0] * CLASSES), shortlist_depth(batch), frozenset(), (0, 1), rows)
    labels = [f"class {i}" for i in range(CLASSES)]
    out, ranges = Folder(str(place / "scores")), []
    for number, start in enumerate(range(0, rows, RANGE)):
        n = min(RANGE, rows - start)
        rng = np.random.default_rng([7, number])
        proba = rng.standard_exponential((n, CLASSES), np.float32) ** 3
        proba /= proba.sum(1, keepdims=True)
        ids, none = [f"d{i:09d}" for i in range(start, start + n)], pa.nulls(n, pa.string())
        table = pa.table({"id": ids, "text": names(n, rng), "error": none, "duplicate_of": none})
        every, usable = np.arange(n), np.ones(n, bool)
        scores = score_table(ids, summarise(proba), every, usable, none, labels, "round-0001")
        name = f"part-{number:05d}.parquet"
        found = summarise(proba, strategy=wanted.strategy)
        (out / SHORTLIST).write_table(name, shortlist_range(wanted, name, table, scores, found, every, usable, labels))
        out.write_table(name, scores)
        ranges.append([name, n])
    (place / "ranges.json").write_text(json.dumps(ranges))


def corpus(place: Path) -> Corpus:
    ranges = tuple(Range(*one) for one in json.loads((place / "ranges.json").read_text()))
    return Corpus(Folder(str(place / "corpus")), ranges, {"unique": sum(one.rows for one in ranges)}, "made up")


def product(place: Path, batch: int) -> set[str]:
    """Select as a round does: merge the shortlists, pick, and skip near-duplicates."""
    listed = read_shortlist(corpus(place), Folder(str(place / "scores")), shortlist_depth(batch))
    margin = query.build("margin", counts=[0] * CLASSES)
    chosen = select(margin, "margin", listed, to_candidates(listed, 1), [], batch, rng=np.random.default_rng(0))
    return {one.document.id for one in chosen}


def scan(place: Path, batch: int) -> set[str]:
    """Select without shortlists: stream the margins, keep the best, then read the ids from their ranges."""
    best = np.empty((0, 3))
    scores = Folder(str(place / "scores"))
    parts = corpus(place).ranges
    for number, part in enumerate(parts):
        margin = scores.read_table(part.name, ["margin"]).column("margin").to_numpy()
        rows = np.argpartition(margin, min(batch, len(margin) - 1))[:batch]
        found = np.stack([margin[rows], np.full(len(rows), number), rows], 1)
        best = np.concatenate([best, found])
        best = best[np.argsort(best[:, 0], kind="stable")[:batch]]
    ids: set[str] = set()
    for number in np.unique(best[:, 1]).astype(int):
        rows = best[best[:, 1] == number, 2].astype(np.int64)
        ids |= set(scores.read_table(parts[number].name, ["id"]).column("id").take(pa.array(rows)).to_pylist())
    return ids


def top_k(place: Path, batch: int) -> set[str]:
    """Select with DuckDB from the same files."""
    found = duckdb.sql(f"SELECT id FROM '{place}/scores/*.parquet' ORDER BY margin LIMIT {batch}").fetchall()
    return {one for (one,) in found}


def load(place: Path, batch: int) -> set[str]:
    """Load ids and margins into NumPy, and sort."""
    files = [str(place / "scores" / part.name) for part in corpus(place).ranges]
    table = ds.dataset(files).to_table(columns=["id", "margin"])
    ids, margin = table.column("id").to_numpy(), table.column("margin").to_numpy()
    del table
    rows = np.argpartition(margin, batch)[:batch]
    return set(ids[rows].tolist())


WAYS: dict[str, Callable[[Path, int], set[str]]] = {"product": product, "scan": scan, "duckdb": top_k, "numpy": load}


def one_way(name: str, place: Path, batch: int) -> None:
    """Run one method in this process; print seconds, peak MB and the selection."""
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak
    before, seconds = high_water(), []
    for _ in range(3):
        began = time.perf_counter()
        chosen = WAYS[name](place, batch)
        seconds.append(time.perf_counter() - began)
    print(json.dumps({"seconds": min(seconds), "mb": high_water() - before, "chosen": sorted(chosen)}))


def high_water() -> float:
    """Return the peak memory of this process in MB; getrusage would include that of the parent process."""
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index("VmHWM:") + 1]) * 1024 / 1e6


def measured(name: str, place: Path, batch: int) -> dict[str, object]:
    command = [sys.executable, __file__, "--way", name, "--place", str(place), "--batch", str(batch)]
    found: dict[str, object] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def diversity(place: Path, candidates: int, batch: int) -> dict[str, dict[str, float]]:
    """Measure the seconds to embed a shortlist on this machine's workers, and to choose a batch from it."""
    from laud_ray.cluster.connect import connect
    from laud_ray.models import kinds
    from laud_ray.passes.candidates import survey
    from laud_ray.types import Document, Label, Task

    rng = np.random.default_rng(0)
    task = Task("t", "multiclass", tuple(Label(word) for word in WORDS[:CLASSES]))
    kinds.EncoderLearner().fit(task, [], out=str(place / "model"), seed=0)
    texts = names(candidates, rng)
    listed = pa.table(
        {
            "id": [f"d{i}" for i in range(candidates)],
            "text": texts,
            "criterion": np.zeros(candidates, np.int32),
            "utility": -rng.random(candidates).astype(np.float32),
            "tie": rng.random(candidates),
            "top_labels": [list(task.names[:2])] * candidates,
            "top_probabilities": [[0.5, 0.4]] * candidates,
        }
    )
    asked = [Document(f"a{i}", text) for i, text in enumerate(names(500, rng))]
    labels = rng.integers(CLASSES, size=len(asked))
    connect()
    found, groups = {}, groups_of(task)
    for name, strategy in {
        "margin + kmeans": query.build("margin", counts=[0] * CLASSES, diversity="kmeans"),
        "badge": query.build("badge", counts=[0] * CLASSES),
    }.items():
        began = time.perf_counter()
        pool = to_candidates(listed, 1)
        space = survey(pool, asked, labels, groups, [Folder(str(place / "model"))], votes=False)
        embedded = time.perf_counter()
        texts_asked = [one.text for one in asked]
        chosen = select(strategy, name, listed, replace(pool, space=space), texts_asked, batch, rng=rng)
        assert len(chosen) == batch
        found[name] = {"embed": embedded - began, "pick": time.perf_counter() - embedded}
    return found


def line(figure: str, value: str, aim: str, met: bool | None) -> None:
    print(
        f"| {figure:<58} | {value:>28} | {aim:>8} | {'' if met is None else 'met' if met else 'missed':<6} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--candidates", type=int, default=50_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        one_way(args.way, args.place, args.batch)
        return
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        make(place, args.rows, args.batch)
        ways = {name: measured(name, place, args.batch) for name in WAYS}
        for name in ("scan", "numpy"):
            assert ways[name]["chosen"] == ways["duckdb"]["chosen"], f"{name} chose others than DuckDB"
        shared = len(set(ways["product"]["chosen"]) & set(ways["duckdb"]["chosen"])) / args.batch  # type: ignore[call-overload]
        print(
            f"{args.batch} of {args.rows:,} by margin; the product's are {shared:.0%} DuckDB's, less near-duplicates\n"
        )
        line("figure", "found", "aim", None)
        line("---", "---", "---", None)
        for name, what in (("product", "from shortlists"), ("scan", "without shortlists, scanning the margins")):
            for unit, rival, aim in (("seconds", "duckdb", 1.5), ("mb", "numpy", 0.3)):
                mine, theirs = float(ways[name][unit]), float(ways[rival][unit])  # type: ignore[arg-type]
                shown = f"{mine:.2f} / {theirs:.2f} = {mine / theirs:.2f}"
                line(f"{what}: {unit}, to {rival}'s", shown, f"<= {aim}", mine <= aim * theirs)
        for name, spent in diversity(place, args.candidates, args.batch).items():
            total = sum(spent.values())
            shown = f"{spent['embed']:.1f} + {spent['pick']:.1f} = {total:.1f}"
            line(f"{name} on {args.candidates:,}: seconds, embedding + choosing", shown, "< 60", total < 60)


if __name__ == "__main__":
    main()
