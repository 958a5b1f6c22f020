"""Measure the service under light load, at saturation, overloaded, while models are swapped, and with a replica killed.

python benchmarks/serve.py [light saturated fair overload overload_one_by_one swaps kill]
    [--run runs/demo] [--texts data/demo-test.parquet]

A separate process generates the load (open_loop.py). One core computes; HTTP, proxy and load share the other cores.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil
import pyarrow.parquet as pq

HERE = Path(__file__).parent
START = "import json,sys; from serve.arguments import Arguments; from serve.launch import serve_here; " + (
    "serve_here(Arguments(**json.loads(sys.argv[1])), '127.0.0.1', int(sys.argv[2]), print)"
)
# Enough to saturate the service: a few batches of single-text requests are always waiting.
CALLERS = 128
# Requests per second of the light load.
LIGHT = 8
SCENARIOS = ("light", "saturated", "fair", "overload", "overload_one_by_one", "swaps", "kill")


@dataclass(frozen=True, slots=True)
class Answers:
    """The results of a load: (n,) send times in seconds, (n,) latencies in ms, (n,) statuses, and the responses."""

    at: np.ndarray
    ms: np.ndarray
    status: np.ndarray
    rows: list[dict]

    def quantile(self, q: float, status: int = 200) -> float:
        return float(np.quantile(self.ms[self.status == status], q))

    @property
    def statuses(self) -> dict[int, int]:
        return dict(Counter(self.status.tolist()))


class Bench:
    def __init__(self, run: Path, texts: Sequence[str], scratch: Path) -> None:
        self.texts, self.scratch = list(texts), scratch
        self.run = scratch / "run"
        shutil.copytree(run, self.run)
        self.port = 8700

    @contextmanager
    def service(self, **arguments: object) -> Iterator[str]:
        """Start the service as `laud serve` does, and stop it at the end."""
        self.port += 1
        settings = json.dumps({"run": str(self.run), "allow_anonymous": True, **arguments})
        process = subprocess.Popen(
            [sys.executable, "-c", START, settings, str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        url = f"http://127.0.0.1:{self.port}"
        try:
            wait_until(lambda: ready(url), 90)
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)

    def load(self, url: str, **asked: object) -> subprocess.Popen:
        file = self.scratch / f"load-{time.time_ns()}.json"
        file.write_text(json.dumps({"url": f"{url}/v1/classify", "texts": self.texts, **asked}))
        return subprocess.Popen([sys.executable, HERE / "open_loop.py", file], stdout=subprocess.PIPE, text=True)

    def answers(self, url: str, **asked: object) -> Answers:
        return collect(self.load(url, **asked))

    def bare(self, what: str) -> float:
        """Return the bare model's ms for a single text, or its texts per second in batches, on one core."""
        file = self.scratch / "texts.json"
        file.write_text(json.dumps(self.texts))
        script = [sys.executable, __file__, "--bare", what, str(self.model()), str(file)]
        return float(subprocess.run(script, capture_output=True, text=True, check=True).stdout.split()[-1])

    def model(self, name: str | None = None) -> Path:
        if name is None:
            listed = subprocess.run(
                [Path(sys.executable).parent / "laud", "models", self.run, "--json"], capture_output=True, check=True
            )
            name = next(one["name"] for one in json.loads(listed.stdout)["models"] if one["current"])
        return self.run / "models" / name


def bare(what: str, folder: str, file: str) -> None:
    """Measure the bare model in this process, on one core."""
    import torch

    from laud_ray.models import kinds

    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    texts = json.loads(Path(file).read_text())
    scorer = kinds.load(folder)
    scorer.score(texts[:200])
    if what == "single":
        # With the pauses of the light load: a process that idles in between is slower than a loop without pauses.
        times = []
        for text in texts[:200]:
            time.sleep(1 / LIGHT)
            began = time.perf_counter()
            scorer.score([text])
            times.append(time.perf_counter() - began)
        print(1000 * np.median(times))
        return
    began, n = time.perf_counter(), 0
    while time.perf_counter() - began < 10:
        scorer.score(texts)
        n += len(texts)
    print(n / (time.perf_counter() - began))


def light(bench: Bench) -> None:
    alone = bench.bare("single")
    with bench.service() as url:
        bench.answers(url, rate=LIGHT, seconds=5)
        found = bench.answers(url, rate=LIGHT, seconds=40)
    p50, p99 = found.quantile(0.5), found.quantile(0.99)
    print(f"light: bare model {alone:.1f} ms; service p50 {p50:.1f} ms ({p50 - alone:+.1f}; aim +5), ", end="")
    print(f"p99 {p99:.1f} ms ({p99 / p50:.2f}x p50; aim 3x); {found.statuses}", flush=True)


def saturated(bench: Bench) -> None:
    alone = bench.bare("batched")
    rates = {}
    for name, batching in (("batches", True), ("one by one", False)):
        with bench.service(batching=batching) as url:
            bench.answers(url, callers=CALLERS, seconds=3)
            found = bench.answers(url, callers=CALLERS, seconds=20)
        rates[name] = int((found.status == 200).sum()) / float((found.at + found.ms / 1000).max())
        print(f"saturated, {name}: {rates[name]:.0f} texts/s, p99 {found.quantile(0.99):.0f} ms; {found.statuses}")
    print(
        f"saturated: {rates['batches'] / alone:.2f} of the bare batched model's {alone:.0f} texts/s (aim 0.8), ", end=""
    )
    print(f"{rates['batches'] / rates['one by one']:.2f}x without batches (aim 3)", flush=True)


def overload(bench: Bench, each: int = 4) -> None:
    """Send three times as many texts as the service can score. With one text per request, HTTP may be the limit."""
    limits = {"deadline_s": 2.0, "queue_texts": 300, "max_texts": 300}
    with bench.service(limits=limits) as url:
        found = bench.answers(url, callers=CALLERS // each, seconds=10, each=each)
        capacity = int((found.status == 200).sum()) / float((found.at + found.ms / 1000).max())
        replica = replicas()[0]
        before = replica.memory_info().rss
        found = bench.answers(url, rate=3 * capacity, seconds=30, each=each)
        after = replica.memory_info().rss
        began = time.perf_counter()
        calm = 0
        while calm < 5:  # until five responses in a row are fast again
            asked = time.perf_counter()
            well = httpx.post(f"{url}/v1/classify", json={"texts": bench.texts[0]}).status_code == 200
            calm = calm + 1 if well and time.perf_counter() - asked < 0.1 else 0
        recovered = time.perf_counter() - began
    print(f"overload, {each} a request: {3 * capacity:.0f}/s on {capacity:.0f}/s for 30 s: {found.statuses}; ", end="")
    print(f"answered p50 {found.quantile(0.5):.0f} ms, p99 {found.quantile(0.99):.0f} ms (deadline 2000); ", end="")
    print(f"memory {before / 2**20:.0f} -> {after / 2**20:.0f} MiB; quick again after {recovered:.1f} s", flush=True)


def overload_one_by_one(bench: Bench) -> None:
    overload(bench, each=1)


def swaps(bench: Bench) -> None:
    from laud_ray.models import kinds
    from laud_ray.store import model_records
    from laud_ray.store.run import look_at

    with look_at(str(bench.run)) as folder:
        made = [m.name for m in model_records.models(folder.store.engine)]
    accepted = [name for name in made if (bench.run / "models" / name).is_dir()][-3:]
    expected = {name: expectation(kinds.load(str(bench.model(name))), bench.texts) for name in accepted}
    with bench.service(poll_s=0.5) as url:
        bench.answers(url, rate=20, seconds=5)
        calm = bench.answers(url, rate=20, seconds=40, each=4)
        process = bench.load(url, rate=20, seconds=40, each=4)
        for i in range(10):
            time.sleep(3.5)
            with look_at(str(bench.run)) as folder:
                model_records.promote(folder.store.engine, accepted[i % len(accepted)])
        found = collect(process)
    failed = int((found.status != 200).sum())
    mixed = sum(is_mixed(row, expected) for row in found.rows if row["status"] == 200)
    seen = Counter(row["model"] for row in found.rows)
    print(f"swaps: 10 during {len(found.ms)} requests of 4 texts: {failed} failed, {mixed} mixed; ", end="")
    print(f"answered by {dict(seen)}")
    ratio = found.quantile(0.99) / calm.quantile(0.99)
    print(
        f"swaps: p99 {found.quantile(0.99):.0f} ms against {calm.quantile(0.99):.0f} without: {ratio:.2f}x (aim 2x); ",
        end="",
    )
    print(f"p50 {found.quantile(0.5):.0f} against {calm.quantile(0.5):.0f}", flush=True)


def fair(bench: Bench) -> None:
    with bench.service(limits={"deadline_s": 60.0}) as url:
        bench.answers(url, rate=LIGHT, seconds=5)
        lists = bench.load(url, callers=2, each=1000, seconds=20)
        found = bench.answers(url, rate=LIGHT, seconds=20)
        long = collect(lists)
    print(f"fair: beside lists of 1,000 texts that take {long.quantile(0.5):.0f} ms, single texts: ", end="")
    print(f"p50 {found.quantile(0.5):.0f} ms, p99 {found.quantile(0.99):.0f} ms; {found.statuses}", flush=True)


def kill(bench: Bench) -> None:
    with bench.service(replicas=2, cpus=0.5) as url:
        bench.answers(url, rate=20, seconds=5)
        process = bench.load(url, rate=60, seconds=20)
        time.sleep(6)
        victim = replicas()[0]
        victim.kill()
        found = collect(process)
    bad = {status: n for status, n in found.statuses.items() if status != 200}
    print(f"kill: 1 of 2 replicas under 60 requests/s: {found.statuses}; not answered: {bad or 'none'}; ", end="")
    print(f"hung: {found.statuses.get(-1, 0)}; slowest {found.ms.max():.0f} ms", flush=True)


def expectation(scorer: object, texts: Sequence[str]) -> dict[tuple[str, str], float]:
    """Return a model's confidences: (text, label) -> confidence."""
    proba = scorer.score(list(texts))
    best = proba.argmax(1)
    return {
        "".join(text.split()): (scorer.labels[i], float(p))
        for text, i, p in zip(texts, best, proba.max(1), strict=True)
    }


def is_mixed(row: dict, expected: dict) -> bool:
    """Whether a response has a confidence that its model does not give to any text."""
    known = {(label, round(p, 3)) for label, p in expected[row["model"]].values()}
    near = known | {(label, round(p + d, 3)) for label, p in known for d in (-0.001, 0.001)}
    return any((label, round(p, 3)) not in near for label, p in row["results"])


def replicas() -> list[psutil.Process]:
    """The replicas of the service that this process started."""
    family = psutil.Process().children(recursive=True)
    found = [p for p in family if p.is_running() and "ServeReplica" in " ".join(p.cmdline())]
    return sorted(found, key=lambda p: p.create_time())


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def wait_until(holds: object, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise TimeoutError(f"the service was not ready within {seconds:g} s")
        time.sleep(0.2)


def collect(process: subprocess.Popen) -> Answers:
    rows = [json.loads(line) for line in process.communicate()[0].splitlines()]
    return Answers(*(np.asarray([row[key] for row in rows]) for key in ("at", "ms", "status")), rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--run", type=Path, default=Path("runs/demo"))
    parser.add_argument("--texts", type=Path, default=Path("data/demo-test.parquet"))
    parser.add_argument("--bare", nargs=3, metavar=("WHAT", "MODEL", "TEXTS"), help="only measure a bare model")
    asked = parser.parse_args()
    if asked.bare:
        bare(*asked.bare)
        sys.exit()
    with tempfile.TemporaryDirectory(prefix="laud-bench-") as scratch:
        names = pq.read_table(asked.texts).column("text").to_pylist()[:2000]
        bench = Bench(asked.run, names, Path(scratch))
        for scenario in asked.scenarios or SCENARIOS:
            globals()[scenario](bench)
