"""Compare the whole loop on real text with random queries and the same learner: test accuracy and macro-F1.

    python benchmarks/learning.py ../shared/data/fndds_food ../shared/data/hs_chapter --seeds 3

Each run is a `laud run` with a replay oracle: the seed, then batches of 100 queries until 500 annotations are spent
(evaluation not counted). The current model is then evaluated on the set's test file, which is not used in the run.
"random" has the same seed and spends the rest in one batch, since its choice does not depend on a model.
"""

import argparse
import json
import logging
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from laud_ray import config, loop
from laud_ray.evaluation.labelled_file import evaluate_labelled
from laud_ray.models import kinds


def settings(data: Path, storage: str, args: argparse.Namespace, strategy: str, seed: int) -> config.RunConfig:
    files = [pq.read_table(data / f"{part}.parquet", columns=["label"]) for part in ("train", "test")]
    labels = sorted({label for file in files for label in file.column("label").to_pylist()})
    batch = 100 if strategy != "random" else args.budget
    chosen = {
        "task": {"name": data.name, "labels": [{"name": label} for label in labels]},
        "corpus": {"path": str(data / "train.parquet"), "text": "text"},
        "storage": storage,
        "seed": seed,
        "learner": {"kind": args.learner, **json.loads(args.options)},
        "oracle": {"kind": "replay", "label": "label"},
        "init": {"max_queries": args.seed_queries},
        "query": {"strategy": strategy, "batch": batch},
        "budget": {"annotations": args.budget},
    }
    return config.parse(json.dumps(chosen))


def measure(data: Path, args: argparse.Namespace, strategy: str, seed: int) -> dict[str, object]:
    storage = tempfile.mkdtemp(prefix="laud-bench-")
    try:
        began = time.monotonic()
        run = settings(data, storage, args, strategy, seed)
        results: list[object] = []
        outcome = loop.run(run, lambda event: results.append(event.result) if event.result else None)
        seconds = time.monotonic() - began
        figures = {}
        for model in ("zero-shot", str(outcome.model)):
            scorer = kinds.load(f"{storage}/models/{model}")
            path, most = str(data / "test.parquet"), run.corpus.max_chars
            task = run.task.to_task()
            found = evaluate_labelled(scorer, task, path, text="text", label="label", seed=seed, max_chars=most).figures
            figures[model] = (found.accuracy.value, found.macro_f1.value, found.calibration_error)
    finally:
        shutil.rmtree(storage)
    accuracy, f1, error = figures[str(outcome.model)]
    return {
        "data": data.name,
        "learner": args.learner,
        "strategy": strategy,
        "seed": seed,
        "zero_shot": [round(100 * x, 1) for x in figures["zero-shot"]],
        "accuracy": round(100 * accuracy, 1),
        "macro_f1": round(100 * f1, 1),
        "calibration_error": round(100 * error, 1),
        "rounds": len(results) - 1,
        "seconds": round(seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--strategies", nargs="+", default=["margin", "random"])
    parser.add_argument("--learner", default="encoder")
    parser.add_argument("--options", default="{}", help="more keys of the learner, as JSON")
    parser.add_argument("--budget", type=int, default=500)
    parser.add_argument("--seed-queries", type=int, default=300)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    for data in args.data:
        for strategy in args.strategies:
            rows = []
            for seed in range(args.first_seed, args.first_seed + args.seeds):
                rows.append(measure(data, args, strategy, seed))
                print(json.dumps(rows[-1]), flush=True)
            means = {key: round(statistics.mean(row[key] for row in rows), 1) for key in ("accuracy", "macro_f1")}
            print(f"{data.name} {args.learner} {strategy}: mean of {len(rows)} seeds {means}", flush=True)


if __name__ == "__main__":
    main()
