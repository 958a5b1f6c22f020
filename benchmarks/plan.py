"""Compare what `laud plan` estimates with what the run then takes, step by step.

    python benchmarks/plan.py                      every case, planned on a quiet machine and on a busy one, then run
    python benchmarks/plan.py linear tiny          only these cases
    python benchmarks/plan.py --json figures.json  writes the figures too

A case is a small configuration on the demo catalog (`make data/demo.parquet`). `laud plan CONFIG --json` runs in a
process of its own, once alone and once beside a process that computes on every core; then `laud run` runs alone. The
ratio is planned / actual: the seconds of the run's own steps, from its timings, and the whole command's by the clock.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from laud_ray.store.run import look_at

ROOT = Path(__file__).parents[1]
CORES = len(os.sched_getaffinity(0))
SPIN = "import numpy as np\na = np.ones((512, 512), np.float32)\nwhile True: a @ a"
SMOLLM2 = "data/smollm2"


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
    began = time.monotonic()
    _laud("run", str(config))
    wall = time.monotonic() - began
    with look_at(str(place / "run")) as folder:
        timings = folder.store.timings()
    return {"case": case, "planned": planned, "plan_seconds": took, "timings": timings, "wall": wall}


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


def actual(timings: Mapping[int, Mapping[str, float]]) -> dict[str, float]:
    """Return the seconds of what the plan has a line for."""
    whole = {
        step: sum(rounds.get(step, 0.0) for rounds in timings.values())
        for step in {step for rounds in timings.values() for step in rounds}
    }
    return {"zero-shot pass": whole["zero-shot"], "training": whole["train"], "score passes": whole["score"]} | {
        "annotate": whole["annotate"]
    }


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
    print(f"  {'step':16} {'actual':>9} {'planned':>9} {'ratio':>6} {'busy':>9} {'ratio':>6}")
    happened = actual(result["timings"])
    idle, other = (planned(result["planned"][state]) for state in ("idle", "busy"))
    for name, seconds in happened.items():
        one, two = idle.get(name, 0.0), other.get(name, 0.0)
        print(f"  {name:16} {seconds:7.1f} s {one:7.1f} s {one / seconds:6.2f} {two:7.1f} s {two / seconds:6.2f}")
    whole = [3600 * result["planned"][state]["hours"] for state in ("idle", "busy")]
    wall = result["wall"]
    print(
        f"  {'whole command':16} {wall:7.1f} s {whole[0]:7.1f} s {whole[0] / wall:6.2f} {whole[1]:7.1f} s "
        f"{whole[1] / wall:6.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    arguments = parser.parse_args()
    results = []
    for case in arguments.cases or CASES:
        with TemporaryDirectory() as place:
            results.append(run(case, Path(place)))
        show(results[-1])
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
