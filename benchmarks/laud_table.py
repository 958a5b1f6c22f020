"""The tables of LAUD (arXiv 2511.14738) in shape: precision and recall on rare categories, each against the rest.

    python benchmarks/laud_table.py --data ../shared/data/fndds_food

Categories: of the labels with a prevalence of 0.3 to 5 % in the training file, sorted by it, --categories at even
steps; their names break ties. Each is a binary task: an evaluation sample stratified by the zero-shot score is set
aside, the seed walk looks for K/2 positives and K/2 negatives, and rounds of queries follow until --budget
annotations are spent, the walk's included. Columns: zero-shot; the nearest examples of the seed (few-shot without
training); LAUD after the seed; LAUD after the rounds. Figures come from the test file, which chooses nothing: the
threshold is the least at which the Wilson bound, one standard error down, of the precision on the known labels
reaches --target, else the one where that bound is highest. Known are the evaluation sample, and the annotations by
out-of-fold probability; these are harder than the corpus, so the bound errs on the careful side. With a noisy oracle
the sample's answers stay right (the most trusted oracle gives them) and the annotations' do not.
"""

import argparse
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import results
from labelled_sets import LabelledSet, read_set
from learners_under_study import LEARNERS, FrozenLinear, StudiedLearner
from simulation import Run, Settings
from study_report import markdown

from laud_ray.calibration import softmax
from laud_ray.types import Bools, Floats, Indices, Label, Task

PREVALENCE = (0.003, 0.05)
STRATA = (0.9, 0.99)  # quantiles of the zero-shot score, between which the evaluation sample is drawn alike
NEAREST = 5
SHARPNESS = 20.0
FOLDS = 5
COLUMNS = ("zero-shot", "nearest", "seed", "rounds")


@dataclass(frozen=True, slots=True)
class Cell:
    """What a classifier does to the test file at its threshold; precision is None where it names nothing."""

    precision: float | None
    recall: float
    named: int
    threshold: float


def categories(data: LabelledSet, wanted: int) -> list[int]:
    """Return the classes that the rule in the head of this file chooses."""
    share = np.bincount(data.gold, minlength=len(data.task.labels)) / len(data.gold)
    rare = [int(c) for c in np.lexsort((np.arange(len(share)), share)) if PREVALENCE[0] <= share[c] <= PREVALENCE[1]]
    places = np.unique(np.linspace(0, len(rare) - 1, min(wanted, len(rare))).round().astype(int))
    return [rare[i] for i in places]


def against_rest(data: LabelledSet, category: int) -> LabelledSet:
    """The same documents, class 0 the category and class 1 all others."""
    labels = data.task.labels
    rest = tuple(label for c, label in enumerate(labels) if c != category)
    task = Task(labels[category].name, "binary", (labels[category], Label("other", rest=rest)))
    gold, test = ((part != category).astype(np.int64) for part in (data.gold, data.test_gold))
    return LabelledSet(data.name, task, data.texts, gold, data.test_texts, test)


def stratified(score: Floats, size: int, rng: np.random.Generator) -> Indices:
    """Draw rows evenly from the strata that the product cuts at the quantiles of the zero-shot score."""
    stratum = np.searchsorted(np.quantile(score, STRATA), score, side="right")
    order = rng.permutation(len(score))
    parts = [order[stratum[order] == h][: size // (len(STRATA) + 1)] for h in range(len(STRATA) + 1)]
    return np.concatenate(parts)


def lower_bound(hits: Floats, n: Floats) -> Floats:
    """Wilson's score bound one standard error below the shares hits / n."""
    share = hits / n
    bound: Floats = (share + 0.5 / n - np.sqrt(share * (1 - share) / n + 0.25 / n**2)) / (1 + 1 / n)
    return bound


def threshold(score: Floats, positive: Bools, target: float) -> float:
    """Return the least score at which the precision's bound reaches the target, else where it is highest."""
    order = np.argsort(-score, kind="stable")
    bound = lower_bound(np.cumsum(positive[order]).astype(float), np.arange(1, len(order) + 1).astype(float))
    ends = np.append(np.diff(score[order]) != 0, True)  # equal scores are named together
    bound = np.where(ends, bound, -1.0)
    reached = np.flatnonzero(bound >= target)
    return float(score[order[reached[-1] if len(reached) else int(bound.argmax())]])


def cell(known: Floats, positive: Bools, test: Floats, truth: Bools, target: float) -> Cell:
    """Choose a threshold by what is known, and look at the test with it."""
    at = threshold(known, positive, target)
    named = test >= at
    hits = int((named & truth).sum())
    return Cell(hits / int(named.sum()) if named.any() else None, hits / max(int(truth.sum()), 1), int(named.sum()), at)


def nearest(vectors: Floats, known: Floats, positive: Bools, *, themselves: bool = False) -> Floats:
    """The share of positives among the nearest examples, weighted by how near they are: (n, d), (a, d) to (n,).

    Args:
        themselves: the vectors are the examples', none of which may look at itself.
    """
    cosine = vectors @ known.T
    if themselves:
        np.fill_diagonal(cosine, -1)
    order = np.argsort(-cosine, axis=1, kind="stable")[:, :NEAREST]
    weight = softmax(SHARPNESS * np.take_along_axis(cosine, order, axis=1))
    share: Floats = (weight * positive[order]).sum(1)
    return share


def out_of_fold(learner: StudiedLearner, rows: Indices, targets: Indices, seed: int) -> Floats:
    """What models that did not see a row say of it: (a,) probabilities of the category."""
    folds = np.random.default_rng([seed, 4]).permutation(len(rows)) % FOLDS
    score = np.empty(len(rows), np.float32)
    for fold in range(FOLDS):
        out = folds == fold
        score[out] = learner.fit(rows[~out], targets[~out], seed=seed).proba[rows[out], 0]
    return score


class CategoryRun:
    """The columns of one category, oracle and seed."""

    def __init__(self, data: LabelledSet, learner: StudiedLearner, args: argparse.Namespace, noise: float, seed: int):
        self._data, self._learner, self._args, self._seed = data, learner, args, seed
        settings = Settings(args.budget, args.batch, args.k // 2, args.max_seed, args.evaluation, noise)
        self._run = Run(data, learner, args.strategy, settings, seed)
        score = learner.zero_shot.proba[:, 0]
        self._sample = stratified(score, args.evaluation, np.random.default_rng([seed, 1]))
        self._run.evaluation = self._sample

    def cells(self) -> dict[str, Cell]:
        found: dict[str, Cell] = {}
        self._run.curve(lambda point: found.update(self._after_seed()) if not found else None)
        found["rounds"] = self._trained()
        return found

    @property
    def asked(self) -> int:
        return len(self._run.asked)

    def _after_seed(self) -> dict[str, Cell]:
        rows = np.asarray(self._run.asked, np.int64)
        positive = self._run.targets(rows) == 0
        zero, view = self._learner.zero_shot, self._learner.zero_shot
        known = np.concatenate([self._sample, rows])
        told = np.concatenate([self._data.gold[self._sample] == 0, positive])
        test, examples = self._learner.test_vectors, view.vectors[rows]
        near = np.concatenate(
            [
                nearest(view.vectors[self._sample], examples, positive),
                nearest(examples, examples, positive, themselves=True),
            ]
        )
        return {
            "zero-shot": self._cell(zero.proba[known, 0], told, zero.test[:, 0]),
            "nearest": self._cell(near, told, nearest(test, examples, positive)),
            "seed": self._trained(),
        }

    def _trained(self) -> Cell:
        rows = np.asarray(self._run.asked, np.int64)
        targets, view = self._run.targets(rows), self._run.view
        score, told = view.proba[self._sample, 0], self._data.gold[self._sample] == 0
        if isinstance(self._learner, FrozenLinear):
            score = np.concatenate([score, out_of_fold(self._learner, rows, targets, self._seed)])
            told = np.concatenate([told, targets == 0])
        return self._cell(score, told, view.test[:, 0])

    def _cell(self, known: Floats, told: Bools, test: Floats) -> Cell:
        return cell(known, told, test, self._data.test_gold == 0, self._args.target)


def report(records: list[results.Record], target: float) -> str:
    """A table for each noise: means over seeds, and how many categories reach the target."""
    parts = []
    for noise in sorted({record["noise"] for record in records}):
        rows: list[dict[str, str]] = []
        reached = dict.fromkeys(COLUMNS, 0)
        here = [record for record in records if record["noise"] == noise]
        for name in dict.fromkeys(record["category"] for record in here):
            runs = [record for record in here if record["category"] == name]
            row = {"category": name, "share": f"{100 * runs[0]['share']:.1f} %", "test": str(runs[0]["positives"])}
            row["asked"] = f"{np.mean([run['seed_asked'] for run in runs]):.0f} + {runs[0]['evaluation']}"
            for column in COLUMNS:
                cells = [run["cells"][column] for run in runs]
                precision = [one["precision"] for one in cells if one["precision"] is not None]
                recall = 100 * np.mean([one["recall"] for one in cells])
                row[column] = f"{100 * np.mean(precision):.0f} / {recall:.0f}" if precision else f"- / {recall:.0f}"
                reached[column] += bool(precision) and bool(np.mean(precision) >= target)
            rows.append(row)
        rows.append(
            {"category": f"precision of at least {target:.0%}", "share": "", "test": "", "asked": ""}
            | {column: f"{reached[column]} of {len(rows)}" for column in COLUMNS}
        )
        parts.append(f"#### {noise:.0%} of answers wrong: precision / recall, %\n\n{markdown(rows)}")
    return "\n".join(parts)


def main() -> None:
    args = arguments()
    logging.disable(logging.WARNING)
    data = read_set(args.data)
    path = args.out / f"laud-{data.name}.jsonl"
    settings = {name: getattr(args, name) for name in ("learner", "strategy", "budget", "batch", "k", "max_seed")}
    settings |= {name: getattr(args, name) for name in ("evaluation", "target", "class_balance")}
    chosen = categories(data, args.categories)
    for category in chosen:
        binary = against_rest(data, category)
        options = {"class_balance": args.class_balance} if args.learner == "linear" else {}
        learner: StudiedLearner | None = None
        for noise in args.noise:
            for seed in range(args.seeds):
                key = {"data": data.name, "category": binary.task.names[0], "noise": noise, "seed": seed, **settings}
                if any(key.items() <= record.items() for record in results.read(path)):
                    continue
                learner = learner or LEARNERS[args.learner](binary, **options)
                run = CategoryRun(binary, learner, args, noise, seed)
                cells = {name: asdict(one) for name, one in run.cells().items()}
                facts = {
                    "share": float((binary.gold == 0).mean()),
                    "positives": int((binary.test_gold == 0).sum()),
                    "seed_asked": run.asked,
                }
                results.append(path, {**key, **facts, "cells": cells})
    records = [record for record in results.read(path) if settings.items() <= record.items()]
    text = report(records, args.target)
    (args.out / f"laud-{data.name}-{args.learner}.md").write_text(text)
    (args.out / f"laud-{data.name}-{args.learner}.json").write_text(json.dumps(records, indent=1))
    print(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--learner", choices=sorted(LEARNERS), default="linear")
    parser.add_argument("--class-balance", type=float, default=0.0, help="of the linear learner")
    parser.add_argument("--strategy", default="margin")
    parser.add_argument("--categories", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.05, 0.1, 0.2])
    parser.add_argument("--k", type=int, default=16, help="confirmed examples that end the seed walk, half of a kind")
    parser.add_argument("--max-seed", type=int, default=100, help="the walk's cap")
    parser.add_argument("--budget", type=int, default=300)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--evaluation", type=int, default=99)
    parser.add_argument("--target", type=float, default=0.95, help="the wanted precision")
    parser.add_argument("--out", type=Path, default=Path("docs/study"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
