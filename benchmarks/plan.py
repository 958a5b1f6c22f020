"""Compare what `laud plan` estimates with what the run then takes, step by step.

    python benchmarks/plan.py                      every case, planned on a quiet machine and on a busy one, then run
    python benchmarks/plan.py linear tiny          only these cases
    python benchmarks/plan.py --json figures.json  writes the figures too

A case is a small configuration on the demo catalog (`make data/demo.parquet`). `laud plan CONFIG --json` runs in a
process of its own, once alone and once beside a process that computes on every core; then the run runs alone.

If other work shares the machine, the run takes longer by the clock than it would alone, and no plan can know by how
much. So each step has two figures: the seconds by the clock, which are too many then, and the processor seconds of its
busiest thread, or those of all its threads over the number of cores if that is more: a machine that does nothing else
takes at least this long. (OMP_WAIT_POLICY is passive, so that threads that wait for others do not count as busy.)
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
CORES = len(os.sched_getaffinity(0))
SPIN = "import numpy as np\na = np.ones((512, 512), np.float32)\nwhile True: a @ a"
SMOLLM2 = "data/smollm2"
# By this environment variable the processes of a run are known, Ray's included.
MARK = "LAUD_PLAN_BENCHMARK"


def demo(**changed: Any) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load((ROOT / "examples/demo/demo.yaml").read_text())
    return {**settings, **changed}


def tiny() -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load((ROOT / "examples/vllm-cpu.yaml").read_text())
    return settings


def smollm2() -> dict[str, Any]:
    """The demo's labels by a real instruct model: fine-tuned on 60 annotations, and scoring 300 documents."""
    model = {"kind": "causal", "model": SMOLLM2, "epochs": 1, "max_text_tokens": 48, "dtype": "bfloat16"}
    few = {"init": {"per_class": 1, "max_queries": 40}, "query": {"batch": 20}, "budget": {"annotations": 40}}
    return demo(learner=model, evaluation={"size": 20}, **few)


CASES: Mapping[str, Any] = {
    "linear": lambda: demo(learner={"kind": "linear"}),
    "encoder": demo,
    "tiny": tiny,
    "smollm2": smollm2,
}
# Documents of the corpus; None: all.
DOCUMENTS = {"smollm2": 300}


def run(case: str, place: Path) -> dict[str, Any]:
    """Plan a case twice, run it, and return the seconds of each step."""
    settings = CASES[case]()
    settings["storage"] = str(place / "run")
    if case in DOCUMENTS:
        settings["corpus"] = {**settings["corpus"], "path": str(_fewer(settings["corpus"]["path"], case, place))}
    config = place / "task.yaml"
    config.write_text(yaml.safe_dump(settings))
    planned, took = {}, {}
    for state in ("idle", "busy"):
        with busy() if state == "busy" else nothing():
            began = time.monotonic()
            planned[state] = json.loads(_laud("plan", str(config), "--json"))
            took[state] = time.monotonic() - began
    steps, wall = watch(str(config), place)
    return {"case": case, "planned": planned, "plan_seconds": took, "steps": steps, "wall": wall}


def child(config: str, events: str) -> None:
    """Run a configuration, and write when each step begins and ends, with the processor seconds of all threads."""
    from laud_ray import loop
    from laud_ray.events import Event
    from laud_ray.store.run import configured

    seen: dict[str, float] = {}

    def sample() -> None:
        while True:
            seen.update(threads())
            time.sleep(0.5)

    # A process that ends before its step does, such as an engine, has then been seen.
    threading.Thread(target=sample, daemon=True).start()
    with Path(events).open("w") as file:

        def write(kind: str, step: str) -> None:
            seen.update(threads())
            file.write(json.dumps({"kind": kind, "step": step, "time": time.monotonic(), "threads": dict(seen)}) + "\n")
            file.flush()

        def observe(event: Event) -> None:
            if event.kind in ("begin", "end"):
                write(event.kind, event.step)

        write("begin", "start")
        loop.run(configured(config), observe)


def threads() -> dict[str, float]:
    """Return the processor seconds so far of each thread of this run's processes, dead ones excluded."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={os.environ[MARK]}".encode() not in (process / "environ").read_bytes():
                continue
            for task in (process / "task").iterdir():
                found[f"{process.name}/{task.name}"] = int((task / "schedstat").read_text().split()[0]) / 1e9
        except (OSError, ValueError, IndexError):
            continue  # it has ended meanwhile
    return found


def watch(config: str, place: Path) -> tuple[dict[str, dict[str, float]], float]:
    """Run a configuration; return each step's seconds by the clock and at least, and those of the whole command."""
    events = place / "events.jsonl"
    environment = {**os.environ, MARK: str(os.getpid()), "OMP_WAIT_POLICY": "passive"}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, __file__, "--child", config, str(events)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    wall = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"{config}: {done.stderr[-2000:]}")
    steps: dict[str, dict[str, float]] = {}
    last: dict[str, Any] = {}
    for line in events.read_text().splitlines():
        event = json.loads(line)
        if event["kind"] == "end":
            spent = [seconds - last["threads"].get(name, 0.0) for name, seconds in event["threads"].items()]
            step = steps.setdefault(event["step"], {"clock": 0.0, "least": 0.0, "times": 0})
            step["clock"] += event["time"] - last["time"]
            step["least"] += max(max(spent), sum(spent) / CORES)
            step["times"] += 1
        last = event
    return steps, wall


def _fewer(path: str, case: str, place: Path) -> Path:
    import pyarrow.parquet as pq

    out = place / "few.parquet"
    pq.write_table(pq.read_table(path).slice(0, DOCUMENTS[case]), out)
    return out


def _laud(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "laud_ray", *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )
    if done.returncode:
        raise SystemExit(f"laud {' '.join(arguments)}: {done.stderr[-2000:]}")
    return done.stdout


@contextmanager
def busy() -> Iterator[None]:
    """Keep every core busy with another process."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN], env=environment) for _ in range(CORES)]
    try:
        yield
    finally:
        for one in spinning:
            one.kill()
            one.wait()


@contextmanager
def nothing() -> Iterator[None]:
    yield


NAMES = {"zero-shot": "zero-shot pass", "train": "training", "score": "score passes", "annotate": "annotate"}


def planned(plan: Mapping[str, Any]) -> dict[str, float]:
    """Return the planned seconds under the same names; the hours of language models that answer are `annotate`."""
    found: dict[str, float] = {}
    for step in plan["steps"]:
        name = step["name"].partition(" (")[0] if step["name"].startswith("score") else step["name"]
        name = name if name in ("zero-shot pass", "training", "score passes") else "annotate"
        found[name] = found.get(name, 0.0) + 3600 * (step["hours"] or 0.0)
    return found


def show(result: Mapping[str, Any]) -> None:
    took = result["plan_seconds"]
    print(f"\n{result['case']}: planned in {took['idle']:.1f} s, beside other work in {took['busy']:.1f} s")
    print("  planned / by the clock, planned / at least on a free machine")
    print(f"  {'step':16} {'clock':>9} {'at least':>9} {'planned':>9} {'ratios':>11} {'busy':>9} {'ratios':>11}")
    idle, other = (planned(result["planned"][state]) for state in ("idle", "busy"))
    for step, name in NAMES.items():
        if (seen := result["steps"].get(step)) is not None:
            _line(name, seen["clock"], seen["least"], idle.get(name, 0.0), other.get(name, 0.0))
    whole = [3600 * result["planned"][state]["hours"] for state in ("idle", "busy")]
    _line("whole command", result["wall"], sum(one["least"] for one in result["steps"].values()), *whole)


def _line(name: str, clock: float, least: float, *planned: float) -> None:
    cells = "".join(f" {one:7.1f} s {one / clock:5.2f} {one / max(least, 1e-3):5.2f}" for one in planned)
    print(f"  {name:16} {clock:7.1f} s {least:7.1f} s{cells}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument("--child", nargs=2, metavar=("CONFIG", "EVENTS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(*arguments.child)
        return
    results = []
    for case in arguments.cases or CASES:
        with TemporaryDirectory() as place:
            results.append(run(case, Path(place)))
        show(results[-1])
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
