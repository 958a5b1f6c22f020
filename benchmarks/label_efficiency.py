"""Measure how few labels each query strategy needs on real text: learning curves against random and other tools.

    python benchmarks/label_efficiency.py --data ../shared/data/fndds_food --data ../shared/data/hs_chapter --seeds 3
    python benchmarks/label_efficiency.py --data mine.parquet --learners encoder --strategies margin random --rivals

A run is the loop of `laud run` in one process (simulation.py), with a column as its oracle, and an evaluation sample
set aside. Its figures are measured on the test file. The baselines are `random` after the same seed walk,
`random_scratch` without a seed walk, and `all`, the learner trained on the whole pool. Results are appended to
OUT/results.jsonl. Runs that are in it are skipped, and several processes may share it. The tables and plots are made
from it at the end, or with --report.

--rivals runs small-text and SetFit with the same encoder, pools and budgets, in a separate environment that `make
rivals` installs.
"""

import argparse
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import results
from labelled_sets import LabelledSet, read_set
from learners_under_study import LEARNERS, StudiedLearner
from rivals import SMALL_TEXT, compare
from simulation import ALL, SCRATCH, Run, Settings, Start
from study_report import write_report

BASELINES = ["random", SCRATCH]
STRATEGIES = ["auto", "margin+kmeans", "margin", "entropy"]


def main() -> None:
    args = arguments()
    logging.disable(logging.WARNING)
    path = args.out / "results.jsonl"
    for data_path in [] if args.report else args.data:
        data = read_set(data_path, text=args.text, label=args.label)
        for learner in args.learners:
            study(data, learner, args, path)
        if args.rivals:
            compare(data, args, path)
    print(write_report(results.read(path), args.out))


def study(data: LabelledSet, name: str, args: argparse.Namespace, path: Path) -> None:
    """Run the missing runs of a set and a learner."""
    learner: StudiedLearner | None = None
    starts: dict[int, Start | None] = {}
    for key in wanted(data, name, args):
        if any(key.items() <= record.items() for record in results.read(path)):
            continue
        learner = learner or LEARNERS[name](data)
        settings = Settings(args.budget, args.batch, max_seed=args.seed_queries)
        began = time.monotonic()
        run = Run(data, learner, key["strategy"], settings, key["seed"], starts.get(key["seed"]))
        curve = run.curve()
        starts[key["seed"]] = run.start
        seconds = round(time.monotonic() - began, 1)
        record = {**key, "seconds": seconds, "curve": [list(asdict(point).values()) for point in curve]}
        results.append(path, record)
        last = {"n": curve[-1].n, "accuracy": round(curve[-1].accuracy, 4), "macro_f1": round(curve[-1].macro_f1, 4)}
        print(json.dumps({**key, **last, "seconds": seconds}), flush=True)


def wanted(data: LabelledSet, learner: str, args: argparse.Namespace) -> Iterator[results.Record]:
    """Return the keys of all runs. The baseline `all` needs one run, because it does not depend on the seed."""
    strategies = list(dict.fromkeys([*args.baselines, *args.strategies]))
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for strategy in strategies:
            yield key(data, learner, strategy, seed, args)
    if args.full if args.full is not None else learner == "linear":
        yield key(data, learner, ALL, 0, args)


def key(data: LabelledSet, learner: str, strategy: str, seed: int, args: argparse.Namespace) -> results.Record:
    return {
        "data": data.name,
        "learner": learner,
        "strategy": strategy,
        "seed": seed,
        "budget": args.budget,
        "batch": args.batch,
        "seed_queries": args.seed_queries,
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--data", action="append", type=Path, default=[], help="a folder or file; may be repeated")
    parser.add_argument("--text", default="text", help="the column of texts")
    parser.add_argument("--label", default="label", help="the column of labels")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--learners", nargs="+", choices=sorted(LEARNERS), default=["linear"])
    parser.add_argument("--strategies", nargs="+", default=STRATEGIES, help="besides the baselines")
    parser.add_argument("--baselines", nargs="*", default=BASELINES)
    parser.add_argument("--budget", type=int, default=500)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--seed-queries", type=int, default=300, help="the most queries of the seed walk")
    parser.add_argument(
        "--full",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="also train on the whole pool; by default only for the linear learner, as LoRA takes an hour on 2 cores",
    )
    parser.add_argument("--rivals", action="store_true", help="run small-text and SetFit too")
    parser.add_argument(
        "--small-text", nargs="*", default=SMALL_TEXT, help="strategies of small-text, by its own names"
    )
    parser.add_argument(
        "--setfit-steps", type=int, default=300, help="steps of 16 pairs, about 5 minutes for a fit; 0: no SetFit"
    )
    parser.add_argument("--report", action="store_true", help="only make the tables and plots again")
    parser.add_argument("--out", type=Path, default=Path("docs/study"))
    args = parser.parse_args()
    if not args.data and not args.report:
        parser.error("--data is missing: expected a folder with train.parquet and test.parquet, or a Parquet file")
    return args


if __name__ == "__main__":
    main()
