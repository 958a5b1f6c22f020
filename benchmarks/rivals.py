"""Compare small-text and SetFit with laud_ray: the same encoder, pool, evaluation sample, budgets and machine.

They run in a separate environment, .venv-rivals, because their pinned versions differ; `make rivals` installs it.
small-text uses the frozen vectors of the bundled encoder with logistic regression, like the linear learner; SetFit
trains the same encoder on random documents.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import results
from labelled_sets import LabelledSet
from learners_under_study import FrozenLinear
from simulation import Run, Settings

from laud_ray.models.encoder.encoding import BUNDLED, model_path

PYTHON = Path(__file__).parents[1] / ".venv-rivals" / "bin" / "python"
SMALL_TEXT = ("BreakingTies", "LeastConfidence", "PredictionEntropy", "ContrastiveActiveLearning", "EmbeddingKMeans")


def compare(data: LabelledSet, args: argparse.Namespace, path: Path) -> None:
    """Run the missing runs of the rivals on a set; if they are not installed, print how to install them."""
    if not PYTHON.exists():
        print(f"rivals: {PYTHON} is missing; `make rivals` installs small-text and SetFit there")
        return
    learner = FrozenLinear(data)
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for tool, strategy in [*(("small_text", one) for one in args.small_text), ("setfit", "SetFit")]:
            if tool == "setfit" and not args.setfit_steps:
                continue
            key = {
                "data": data.name,
                "learner": "linear" if tool == "small_text" else "encoder",
                "strategy": f"{tool}:{strategy}" if tool == "small_text" else f"setfit:{args.setfit_steps} steps",
                "seed": seed,
                "budget": args.budget,
                "batch": args.batch,
            }
            if any(key.items() <= record.items() for record in results.read(path)):
                continue
            job = {
                "tool": tool,
                "strategy": strategy,
                "seed": seed,
                "budget": args.budget,
                "batch": args.batch,
                "steps": args.setfit_steps,
                "model": model_path(BUNDLED),
            }
            began = time.monotonic()
            curve = _run(job, data, learner)
            if curve is None:
                continue
            results.append(path, {**key, "seconds": round(time.monotonic() - began, 1), "curve": curve})
            print(json.dumps({**key, "n": curve[-1][0], "macro_f1": round(curve[-1][2], 4)}), flush=True)


def _run(job: results.Record, data: LabelledSet, learner: FrozenLinear) -> list[list[float]] | None:
    """Run a rival on a folder with its inputs; if it fails, print the reason and return None."""
    held = Run(data, learner, "random", Settings(job["budget"], job["batch"]), job["seed"]).evaluation
    with tempfile.TemporaryDirectory(prefix="laud-rival-") as scratch:
        folder = Path(scratch)
        (folder / "job.json").write_text(json.dumps(job))
        (folder / "texts.json").write_text(json.dumps({"pool": data.texts, "test": data.test_texts}))
        np.savez(
            folder / "vectors.npz",
            pool=learner.vectors,
            test=learner.test_vectors,
            pool_gold=data.gold,
            test_gold=data.test_gold,
            classes=np.arange(len(data.task.labels)),
            held=held,
        )
        script = Path(__file__).parent / "rival_run.py"
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run([PYTHON, script, scratch], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        print(f"rivals: {job['tool']} {job['strategy']} failed: {done.stderr.strip().splitlines()[-1]}", flush=True)
        return None
    curve: list[list[float]] = json.loads(done.stdout.strip().splitlines()[-1])["curve"]
    return curve
