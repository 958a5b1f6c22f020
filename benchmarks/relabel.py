"""Measure the overhead of `laud relabel`: against a plain loop, by number of rows, on resume, and with repeated names.

    python benchmarks/relabel.py                    all measurements, minutes each; the machine should be idle
    python benchmarks/relabel.py cheap              2,000,000 names with a student, against a plain loop
    python benchmarks/relabel.py growth             200,000 names, then 2,000,000
    python benchmarks/relabel.py resume             the same command again, on a complete and on an incomplete output
    python benchmarks/relabel.py duplicates         30 % repeated names with an encoder, with and without deduplication
    python benchmarks/relabel.py --scale 0.1        all with a tenth of the rows

The command runs as for a user, in its own process with its own Ray. Start-up and labelling are separated by the times
of the files: start-up lasts from the start of the command to the first commit of a range (imports, Ray, the checks of
ids and repeated texts, the workers' imports, the first ranges), and labelling from there to the last commit.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from names import demo, write_catalog, write_model

from laud_ray.models import kinds
from laud_ray.types import Label, Task

CORES = len(os.sched_getaffinity(0))
BATCH = 50_000
TOP = 5


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of the command.

    Attributes:
        seconds: of the whole process.
        start_up: until the first commit of a range.
        labelling: from the first commit to the last.
        steady: rows/s of the second half of the ranges, when all workers have started.
        planned: from the plan to the last commit: Ray's start and that of the workers, repeated texts, labelling.
        verify: from the last commit to the mark of success.
        peak: the driver's resident memory, bytes.
    """

    rows: int
    seconds: float
    start_up: float
    labelling: float
    steady: float
    planned: float
    verify: float
    peak: int

    def __str__(self) -> str:
        return (
            f"{self.rows:,} rows in {self.seconds:.1f} s: start-up {self.start_up:.1f}, "
            f"labelling {self.labelling:.1f}, check {self.verify:.1f}; driver {self.peak / 1e6:.0f} MB"
        )


def relabel(model: Path, data: Path, out: Path, *options: str) -> Measured:
    """Run the command, and measure its phases from the times of the output files."""
    command = [sys.executable, "-m", "laud_ray", "relabel", str(model), str(data), "--out", str(out), "--json"]
    began, clock = time.time(), time.monotonic()
    process = subprocess.Popen(
        [*command, "--text", "text", "--id", "id", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, _resident(process.pid))
        time.sleep(0.02)
    seconds = time.monotonic() - clock
    said, failed = process.communicate()
    if process.returncode:
        sys.exit(failed.decode())
    rows = json.loads(said)["rows"]
    times, sizes = _commits(out)
    labelling, half = times[-1] - times[0], len(times) // 2
    steady = sum(sizes[half:]) / (times[-1] - times[half - 1])
    planned = times[-1] - (out / "_laud/plan.json").stat().st_mtime
    verify = (out / "_SUCCESS").stat().st_mtime - times[-1]
    return Measured(rows, seconds, times[0] - began, labelling, steady, planned, verify, peak)


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _commits(out: Path) -> tuple[list[float], list[int]]:
    """Return the commit times of the ranges, ascending, and their numbers of rows."""
    found = sorted(
        (one.stat().st_mtime, json.loads(one.read_bytes())["rows"]) for one in (out / "_laud/ranges").iterdir()
    )
    return [at for at, _ in found], [rows for _, rows in found]


def bare(model: str, data: str, out: str) -> None:
    """Run a plain loop in one process with one thread; print rows/s, without imports and the loading of the model."""
    torch.set_num_threads(1)
    pa.set_cpu_count(1)
    scorer = kinds.load(model)
    scorer.score(["a name"] * 1000)
    began, rows = time.monotonic(), 0
    writer: pq.ParquetWriter | None = None
    for batch in pq.ParquetFile(data).iter_batches(BATCH, columns=["id", "text"], use_threads=False):
        proba = scorer.score(batch.column("text").to_pylist())
        top = np.argpartition(-proba, TOP, axis=1)[:, :TOP]
        top = np.take_along_axis(top, np.argsort(-np.take_along_axis(proba, top, 1), axis=1), 1).astype(np.int32)
        table = _rows(batch.column("id"), proba, top, scorer.labels, rows, data)
        writer = writer or pq.ParquetWriter(out, table.schema, compression="zstd")
        writer.write_table(table)
        rows += len(batch)
    assert writer is not None
    writer.close()
    print(rows / (time.monotonic() - began))


def _rows(
    ids: pa.Array, proba: np.ndarray, top: np.ndarray, labels: Sequence[str], before: int, source: str
) -> pa.Table:
    n, names, best = len(ids), pa.array(labels), np.take_along_axis(proba, top, 1)
    offsets = pa.array(np.arange(0, n * TOP + 1, TOP, dtype=np.int32))
    return pa.table(
        {
            "id": ids,
            "label": pa.DictionaryArray.from_arrays(pa.array(top[:, 0]), names),
            "confidence": best[:, 0],
            "margin": best[:, 0] - best[:, 1],
            "top_labels": pa.ListArray.from_arrays(offsets, pa.DictionaryArray.from_arrays(top.ravel(), names)),
            "top_probabilities": pa.ListArray.from_arrays(offsets, pa.array(best.ravel())),
            "abstained": best[:, 0] < 0,
            "model": pa.array(["m"] * n).dictionary_encode(),
            "source": pa.array([source] * n).dictionary_encode(),
            "source_row": np.arange(before + 1, before + n + 1),
            "error": pa.nulls(n, pa.string()),
        }
    )


def bare_rates(model: Path, data: Path, place: Path, at_once: int) -> float:
    """Return the rows/s of a plain loop while `at_once` of them run."""
    running = [
        subprocess.Popen(
            [sys.executable, __file__, "--bare", str(model), str(data), str(place / f"bare-{i}.parquet")],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for i in range(at_once)
    ]
    return float(np.mean([float(one.communicate()[0]) for one in running]))


def cheap(place: Path, scale: float) -> None:
    model, rows = write_model(place / "student"), round(2_000_000 * scale)
    data = write_catalog(place / "names.parquet", rows, repeated=0)
    alone, crowded = bare_rates(model, data, place, 1), bare_rates(model, data, place, CORES)
    print(f"bare loop: {alone:,.0f} rows/s alone, {crowded:,.0f} rows/s each while {CORES} run at once")
    found = relabel(model, data, place / "out")
    print(f"laud relabel on {CORES} cores: {found}")
    for what, rate in (
        ("labelling, the second half of the ranges", found.steady / CORES),
        ("from the first commit to the end, check included", rows / (found.labelling + found.verify) / CORES),
        ("the whole command, start-up included", rows / found.seconds / CORES),
    ):
        print(
            f"  {what}: {rate:,.0f} rows/s per core, {rate / alone:.2f} of a loop alone, "
            f"{rate / crowded:.2f} of {CORES} loops at once"
        )


def growth(place: Path, scale: float) -> None:
    model = write_model(place / "student")
    found = []
    for rows in (round(200_000 * scale), round(2_000_000 * scale)):
        data = write_catalog(place / f"{rows}.parquet", rows, repeated=0.1)
        found.append(relabel(model, data, place / f"out-{rows}"))
        print(found[-1])
    small, large = found
    work = [1e6 * (one.seconds - one.start_up) / one.rows for one in found]
    print("microseconds a row, ten times the rows against few; a ratio of 1 is linear, the aim is 1.15 at most")
    print(f"  labelling alone: {small.steady / large.steady:.2f}")
    print(f"  from the first commit to the end: {work[0]:.1f} and {work[1]:.1f}, ratio {work[1] / work[0]:.2f}")
    whole = [1e6 * one.seconds / one.rows for one in found]
    print(f"  start-up included: {whole[0]:.1f} and {whole[1]:.1f}, ratio {whole[1] / whole[0]:.2f}")


def resume(place: Path, scale: float) -> None:
    rows = round(1_000_000 * scale)
    model, out = write_model(place / "student"), place / "out"
    data = write_catalog(place / "names.parquet", rows, repeated=0.1)
    fresh = relabel(model, data, out)
    whole = relabel(model, data, out)
    for end in ("_SUCCESS", "_manifest.json"):
        (out / end).unlink()
    cut_off = relabel(model, data, out)
    print(f"fresh: {fresh}")
    for name, again in (("whole", whole), ("all ranges committed, the end missing", cut_off)):
        print(
            f"again, {name}: {again.seconds:.1f} s, {again.seconds / fresh.seconds:.3f} of the pass (aim 0.05); "
            f"driver {again.peak / 1e6:.0f} MB, {again.peak / fresh.peak:.2f} of the fresh one's (aim 1.1)"
        )


def duplicates(place: Path, scale: float) -> None:
    rows, model = round(40_000 * scale), place / "encoder"
    task = Task("demo", "multiclass", tuple(Label(*one) for one in demo().LABELS.items()))
    kinds.EncoderLearner().fit(task, [], out=str(model), seed=0)
    data = write_catalog(place / "repeated.parquet", rows, repeated=0.3)
    once = relabel(model, data, place / "once")
    each = relabel(model, data, place / "each", "--no-deduplicate")
    print(f"repeated texts scored once: {once}")
    print(f"scored each time: {each}")
    print(f"rows/s from the plan to the last commit: {each.planned / once.planned:.2f} times (aim 1.35)")
    print(f"rows/s of the whole command: {each.seconds / once.seconds:.2f} times")


KINDS: dict[str, Callable[[Path, float], None]] = {
    "cheap": cheap,
    "growth": growth,
    "resume": resume,
    "duplicates": duplicates,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="WHAT")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the number of rows")
    parser.add_argument("--bare", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.bare:
        bare(*args.bare)
        return
    for name in args.what or KINDS:
        with TemporaryDirectory(prefix="relabel-") as scratch:
            print(f"-- {name}", flush=True)
            KINDS[name](Path(scratch), args.scale)


if __name__ == "__main__":
    main()
