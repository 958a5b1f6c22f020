"""Kill the processes of a relabel at random, restart it, and check that no row is lost, duplicated or different.

    python benchmarks/chaos.py                              200 kills over passes of 300,000 names: 20 to 30 minutes
    python benchmarks/chaos.py --rows 20000 --kills 10      a quick check

Half of the kills (SIGKILL) hit a Ray worker process, 30 % the driver, and 20 % the raylet. The command is restarted
whenever it ends without success. If a pass is complete before all kills were made, another one is started. Each output
is compared with that of an uninterrupted pass. The exit code is 1 if a row is lost, duplicated or different.
"""

import argparse
import ctypes
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pyarrow as pa
import pyarrow.dataset as ds
from names import write_catalog, write_model

SHARES = {"worker": 0.5, "driver": 0.3, "raylet": 0.2}
REPEATED = 0.1
RIPE = 0.6  # share of the kills that are timed from the moment when a worker starts a range
SUBREAPER = 36  # prctl's PR_SET_CHILD_SUBREAPER
STUCK = 180.0  # seconds without a process to kill and without an end, after which the benchmark gives up

State = tuple[tuple[str, int, int], ...]


@dataclass(slots=True)
class Tally:
    """Counts over all passes."""

    kills: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    passes: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)
    committed: list[int] = field(default_factory=list)
    in_flight: list[int] = field(default_factory=list)
    redone: int = 0
    touched: list[str] = field(default_factory=list)
    lost: int = 0
    doubled: int = 0
    different: int = 0


@dataclass(slots=True)
class Output:
    """The output of a relabel that is being interrupted, and the ranges that were seen committed."""

    command: list[str]
    place: Path
    rows: int = 0
    seen: dict[str, State] = field(default_factory=dict)

    def look(self) -> list[str]:
        """Record what is committed now; return the ranges that were written again since the last call."""
        again = []
        for record in sorted((self.place / "_laud/ranges").glob("part-*.json")):
            files = [self.place / one["name"] for one in json.loads(record.read_bytes())["files"]]
            state = tuple((file.name, *_state(file)) for file in (record, *files))
            if self.seen.setdefault(record.stem, state) != state:
                again.append(record.stem)
                self.seen[record.stem] = state
        return again

    def most_rows(self) -> int:
        """Return the rows of the largest range; files of repeated texts are as large."""
        plan = self.place / "_laud/plan.json"
        if not self.rows and plan.exists():
            self.rows = max(one["rows"] for one in json.loads(plan.read_bytes())["ranges"])
        return self.rows


def _state(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_ino, found.st_mtime_ns


def below(pid: int | None = None) -> Iterator[tuple[psutil.Process, str]]:
    """Return the titles of all descendants of a process, by default this one, which also adopts orphans."""
    try:
        found = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return
    for process in found:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            title = process.cmdline()
        except psutil.Error:
            continue
        if title:
            yield process, title[0]


def targets(kind: str, driver: int) -> list[psutil.Process]:
    """Return the live processes of a kind, without those of an earlier start that have not ended yet."""
    if kind == "driver":
        return [psutil.Process(driver)] if psutil.pid_exists(driver) else []
    return [
        one
        for one, title in below(driver)
        if (title.startswith("ray::") if kind == "worker" else title.endswith("/raylet"))
    ]


def at_work() -> list[int]:
    """Return the worker processes that have a range, or a file of repeated texts, in work; their titles say so."""
    return [one.pid for one, title in below() if title.startswith("ray::MapBatches")]


def reap(driver: int) -> None:
    """Reap dead orphans, which this process has adopted."""
    for process in psutil.Process().children():
        try:
            if process.pid != driver and process.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(process.pid, os.WNOHANG)
        except (psutil.Error, ChildProcessError):
            continue


@contextmanager
def started(command: list[str], scratch: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "RAY_TMPDIR": str(scratch / "r")}
    environment.pop("RAY_ADDRESS", None)
    with (scratch / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    yield process
    reap(process.pid)


def broken(
    output: Output, tally: Tally, wanted: Counter[str], longest: float, until: float, rng: random.Random
) -> None:
    """Run one relabel to its end, with kills in between as long as any are `wanted`, and before `until`."""
    while True:
        with started(output.command, output.place.parent) as driver:
            tally.starts += 1
            while driver.poll() is None:
                if wanted.total() and time.monotonic() < until:
                    strike(output, driver, tally, wanted, longest, rng)
                else:
                    driver.wait()
                reap(driver.pid)
        tally.touched += output.look()
        tally.ends["killed" if driver.returncode == -signal.SIGKILL else f"exit {driver.returncode}"] += 1
        if driver.returncode == 0:
            return
        if driver.returncode > 0:
            tally.said[(output.place.parent / "log").read_text(errors="replace").splitlines()[-1][:160]] += 1


def strike(
    output: Output,
    driver: subprocess.Popen[bytes],
    tally: Tally,
    wanted: Counter[str],
    longest: float,
    rng: random.Random,
) -> None:
    """Wait for a random time, then kill one process of a random kind; do nothing if the driver ends before.

    Most of the times begin when a range is worked on: else most of the deaths would be in the command's start.
    """
    kind = rng.choices(list(wanted), weights=list(wanted.values()))[0]
    ripe, wait, given_up = rng.random() < RIPE, rng.uniform(0, longest), time.monotonic() + STUCK
    while ripe and not at_work() and driver.poll() is None and time.monotonic() < given_up:
        time.sleep(0.05)
    over = time.monotonic() + wait
    while not (found := targets(kind, driver.pid)) or time.monotonic() < over:
        if driver.poll() is not None:
            return
        if time.monotonic() > given_up:
            tally.ends[f"stuck without a {kind}"] += 1
            driver.kill()
        time.sleep(0.05)
    tally.touched += output.look()
    before, victim = at_work(), rng.choice(found)
    pid = victim.pid
    if driver.poll() is not None:
        return
    try:
        victim.kill()  # psutil does not kill another process that reuses the pid
    except psutil.NoSuchProcess:
        return
    wanted[kind] -= 1
    tally.kills[kind] += 1
    tally.committed.append(len(output.seen))
    hit = [one for one in before if kind != "worker" or one == pid]
    tally.in_flight.append(len(hit))
    tally.redone += len(hit) * output.most_rows()
    print(f"\r{tally.kills.total()} kills, {tally.starts} starts, {len(output.seen)} ranges   ", end="", flush=True)


def rows(place: Path) -> pa.Table:
    files = sorted(str(file) for file in place.glob("part-*.parquet"))
    table = ds.dataset(files).to_table()
    plain = {
        n: table[n].cast(pa.string()) if pa.types.is_dictionary(table[n].type) else table[n] for n in table.schema.names
    }
    plain["top_labels"] = table["top_labels"].cast(pa.list_(pa.string()))
    return pa.table(plain).sort_by("id").combine_chunks()


def compare(output: Path, whole: pa.Table, tally: Tally) -> None:
    """Count the rows of an output that are lost, duplicated, or different from the uninterrupted pass."""
    found = rows(output)
    distinct = found["id"].unique()
    tally.doubled += len(found) - len(distinct)
    tally.lost += len(set(whole["id"].to_pylist()) - set(distinct.to_pylist()))
    if not found.equals(whole):
        theirs = {row["id"]: row for row in whole.to_pylist()}
        tally.different += sum(theirs.get(row["id"]) != row for row in found.to_pylist())


def clear() -> None:
    """End the remaining processes of the commands that this process started."""
    for process, _ in below():
        process.kill()
    reap(0)


def show(tally: Tally, seconds: float, unbroken: float, workers: int) -> None:
    kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(tally.kills.items()))
    rows_of = {
        "kills": f"{tally.kills.total()} ({kinds})",
        "starts, ends of the command": f"{tally.starts}: " + ", ".join(f"{n} {how}" for how, n in tally.ends.items()),
        "outputs made whole": f"{tally.passes}",
        "rows lost / doubled / different from an unbroken pass": f"{tally.lost} / {tally.doubled} / {tally.different}",
        "committed ranges written again": f"{len(tally.touched)} {' '.join(tally.touched[:5])}",
        "ranges in flight at a kill, most": f"{max(tally.in_flight, default=0)} (cores: {workers})",
        "rows that the kills cost, at most": f"{tally.redone:,}",
        "seconds, an unbroken pass": f"{seconds:.0f}, {unbroken:.0f}",
    }
    print()
    for key, value in rows_of.items():
        print(f"{key:56}{value}")
    for line, times in tally.said.most_common():
        print(f"ended {times} times with: {line}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--range-rows", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=120, help="no kill is begun after that time")
    parser.add_argument("--longest", type=float, default=5.0, help="the longest time between two kills, in seconds")
    parser.add_argument("--hidden", type=int, default=16_384, help="hidden units of the model; more make it slower")
    args = parser.parse_args()
    if ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0):
        sys.exit("cannot become the parent of orphans: the processes to kill would not be told from others'")
    # Otherwise the started processes would stay when this process is terminated.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    wanted = Counter({kind: round(share * args.kills) for kind, share in SHARES.items()})
    rng, tally = random.Random(args.seed), Tally()
    with TemporaryDirectory(prefix="chaos-") as scratch:
        place = Path(scratch)
        model = write_model(place / "model", hidden=args.hidden)
        data = write_catalog(place / "names.parquet", args.rows, repeated=REPEATED)
        laud = [sys.executable, "-m", "laud_ray", "relabel", str(model), str(data), "--text", "text", "--id", "id"]
        laud += ["--range-rows", str(args.range_rows), "--json"]
        try:
            began = time.monotonic()
            with started([*laud, "--out", str(place / "whole")], place) as driver:
                if driver.wait():
                    sys.exit((place / "log").read_text())
            unbroken, began = time.monotonic() - began, time.monotonic()
            whole = rows(place / "whole")
            until = began + 60 * args.minutes
            while wanted.total() and time.monotonic() < until:
                output = place / f"broken-{tally.passes:02d}"
                broken(Output([*laud, "--out", str(output)], output), tally, wanted, args.longest, until, rng)
                tally.passes += 1
                compare(output, whole, tally)
        finally:
            clear()
        show(tally, time.monotonic() - began, unbroken, len(os.sched_getaffinity(0)))
    sys.exit(1 if tally.lost or tally.doubled or tally.different else 0)


if __name__ == "__main__":
    main()
