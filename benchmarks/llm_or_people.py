"""Compare oracles end to end: a language model, people, and a cascade of both.

    python benchmarks/llm_answers.py --data ../shared/data/usda_sr28 --model data/smollm2
    python benchmarks/llm_or_people.py --data ../shared/data/usda_sr28 --answers data/answers-usda_sr28-100-4.parquet
    python benchmarks/llm_or_people.py --data ../shared/data/hs_chapter                   # simulated models only

All runs of a set start with the same annotated documents: the examples that the model's prompts show, which are right
and cost two answers of people each. Then the loop (simulation.Run) asks for --batch documents at a time up to --budget
answers, and for the rest of the pool in two halves. After each batch the model is measured on the test file. Oracles: a
real language model, whose answers `llm_answers.py` kept; two simulated ones, right in 70 % and 90 %
(studied_oracles.simulate); simulated people, right in 85 % and 95 %; and people where a language model is less
confident than a threshold. An abstention costs its answer and gives no label.

A random part of the documents is kept apart, and no run asks about it. For the model after --budget answers, samples
are drawn from it, answered by each oracle as an evaluation sample would be, and the product's estimates
(laud_ray.stats) are compared with the accuracy by the true labels.

Prices: people --hourly at --per-answer seconds; a language model by its tokens, --price NEW CACHED OUTPUT in dollars
per million for the real and the weaker simulated model, --strong-price for the stronger one. Finished runs, which do
not depend on prices, are kept in llm-or-people-SET-LEARNER.jsonl in --records, so the same command resumes, and several
processes can share the work: --part 0 2 and --part 1 2.
"""

import argparse
import itertools
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import llm_or_people_report as report
import numpy as np
import results
from labelled_sets import LabelledSet, read_set
from learners_under_study import LEARNERS, StudiedLearner, View
from llm_answers import KeptAnswers, drawn, kept
from simulation import ABSTAINED, Point, Run, Settings, Start
from studied_oracles import (
    Design,
    Llm,
    TokenPrices,
    answers_of,
    difficulty,
    people_answers,
    simulate,
)

from laud_ray import stats
from laud_ray.models.encoder.encoding import BUNDLED, Encoder
from laud_ray.models.encoder.linear import LinearLearner
from laud_ray.stats import PoweredSample, Sample
from laud_ray.stats.metrics import cohen_kappa
from laud_ray.types import Estimate, Floats, Indices

PEOPLE = (0.85, 0.95)
TRUSTED_PEOPLE = PEOPLE[-1]
ALONE = (0.0, 0.7)
CASCADE = (0.5, 0.7, 0.9)
SIMULATED = (0.7, 0.9)
OUTPUT_TOKENS = 5
DRAWS = 100
# The prompts of SmolLM2 for usda_sr28 with 4 examples; used for simulated models where no real answers are given.
TOKENS, SHARED = 407.0, 252


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """A set, and all oracles' answers about its documents.

    Attributes:
        data: the set; its pool holds the annotated documents first, then those that oracles are asked about.
        known, apart: rows of the pool: the annotated documents, and those that are kept for evaluation samples.
        prior: (k, d) vectors of the labels' names.
    """

    data: LabelledSet
    known: Indices
    apart: Indices
    prior: Floats
    llms: dict[str, Llm]


def bench(data: LabelledSet, learner: StudiedLearner, found: KeptAnswers | None, args: argparse.Namespace) -> Bench:
    """Collect the answers of all language models."""
    n, first = len(data.texts), args.known
    prior = LinearLearner().prior(Encoder(BUNDLED, 64).freeze(), data.task)
    hard = difficulty(learner, data.gold)
    tokens, shared = (TOKENS, SHARED) if found is None else (found.tokens, found.shared)
    prices = [TokenPrices(*args.price), TokenPrices(*args.strong_price)]
    weak, strong = (one.answer(tokens - shared, shared, OUTPUT_TOKENS) for one in prices)
    llms = {}
    if found is not None:
        none = np.full(first, ABSTAINED, np.int64)
        said, confidence = np.concatenate([none, found.said]), np.concatenate([np.zeros(first), found.confidence])
        llms[args.name] = Llm(args.name, said, confidence, weak, real=True)
    for right, dollars in zip(SIMULATED, (weak, strong), strict=True):
        name = f"simulated {right:.0%}"
        llms[name] = simulate(name, right, data.gold, hard, prior, dollars)
    return Bench(data, np.arange(first), np.arange(n - args.apart, n), prior, llms)


def part(data: LabelledSet, found: KeptAnswers | None, args: argparse.Namespace) -> LabelledSet:
    """Reduce a set's pool to the annotated documents and those that oracles are asked about, in this order."""
    known, rows = drawn(data, args.known, args.rows) if found is None else (found.known, found.rows)
    use = np.concatenate([known, rows])
    texts = [data.texts[i] for i in use]
    return LabelledSet(data.name, data.task, texts, data.gold[use], data.test_texts, data.test_gold)


def designs(names: Sequence[str]) -> list[Design]:
    found = [Design(people=right) for right in PEOPLE]
    for name in names:
        found += [Design(name, threshold) for threshold in ALONE]
        found += [Design(name, threshold, TRUSTED_PEOPLE) for threshold in CASCADE]
    return found


class OracleRun:
    """One run of the loop with a design, and its figures."""

    def __init__(self, bench: Bench, learner: StudiedLearner, design: Design, args: argparse.Namespace, seed: int):
        self._bench, self._learner, self._args, self._seed = bench, learner, args, seed
        gold = bench.data.gold
        people = None if design.people is None else people_answers(gold, design.people, bench.prior, seed)
        llm = None if design.llm is None else bench.llms[design.llm]
        said, self._by_people = answers_of(design, llm, people)
        self._said = said.copy()
        self._said[bench.known] = gold[bench.known]
        self._points: list[dict[str, float]] = []
        self._evaluated: dict[str, dict[str, float]] = {}

    def record(self, start: View) -> dict[str, object]:
        """Run until the pool is empty.

        Args:
            start: the model that learned the annotated documents.
        """
        bench, args = self._bench, self._args
        whole = len(bench.data.texts) - len(bench.apart)
        settings = Settings(budget=whole, batch=args.batch, evaluation=0)
        self._run = Run(
            bench.data,
            self._learner,
            args.strategy,
            settings,
            self._seed,
            Start(bench.known.tolist(), start),
            self._said.__getitem__,
        )
        self._run.evaluation = bench.apart
        self._run.curve(self._measure)
        return {"points": self._points, "evaluated": self._evaluated}

    def _measure(self, point: Point) -> None:
        rows = np.asarray(self._run.asked[len(self._bench.known) :], np.int64)
        said, gold = self._said[rows], self._bench.data.gold[rows]
        labels = said != ABSTAINED
        self._points.append(
            {
                "asked": len(rows),
                "labels": int(labels.sum()),
                "by_people": int(self._by_people[rows].sum()),
                "right": int((said == gold)[labels].sum()),
                "accuracy": point.accuracy,
                "macro_f1": point.macro_f1,
            }
        )
        if len(rows) == self._args.budget:
            rest = self._run.settings.budget - point.n
            self._run.settings = replace(self._run.settings, batch=max(1, -(-rest // 2)))
            self._evaluated = evaluations(self._bench, self._run.view, self._args, self._seed)


def evaluations(bench: Bench, view: View, args: argparse.Namespace, seed: int) -> dict[str, dict[str, float]]:
    """Estimate a model's accuracy on the documents kept apart, by samples that each oracle answers.

    Returns:
        Under the name of each way: the truth, the mean estimate, the mean width of the interval, and the share of
        intervals that hold the truth, over DRAWS samples.
    """
    data, apart = bench.data, bench.apart
    people = people_answers(data.gold, TRUSTED_PEOPLE, bench.prior, seed + 1000)
    proba = view.proba[apart]
    predicted, confidence = proba.argmax(1), proba.max(1)
    truth = float(np.mean(predicted == data.gold[apart]))
    rng = np.random.default_rng([seed, 9])
    draws = [rng.permutation(len(apart))[: args.sample] for _ in range(DRAWS)]
    found = {}

    def note(name: str, estimates: Sequence[Estimate]) -> None:
        found[name] = {
            "truth": truth,
            "value": float(np.mean([one.value for one in estimates])),
            "width": float(np.mean([one.high - one.low for one in estimates])),
            "covered": float(np.mean([one.low <= truth <= one.high for one in estimates])),
        }

    def plain(answers: Indices, rows: Indices) -> Estimate:
        use = rows[answers[apart[rows]] != ABSTAINED]
        sizes = {0: len(apart)}
        sample = Sample(answers[apart[use]], predicted[use], confidence[use], np.zeros(len(use), np.int64), sizes)
        return stats.estimate_accuracy(sample)

    def powered(cheap: Indices, rows: Indices) -> Estimate:
        trusted = data.gold[apart[rows]].copy()
        trusted[args.trusted :] = -1
        strata, sizes = np.zeros(len(rows), np.int64), {0: len(apart)}
        sample = PoweredSample(cheap[apart[rows]], trusted, predicted[rows], confidence[rows], strata, sizes)
        return stats.powered_figures(sample, data.task.names, seed=0, replicates=1).accuracy

    note("trusted alone", [plain(data.gold, rows[: args.trusted]) for rows in draws])
    note(f"people {TRUSTED_PEOPLE:.0%}", [plain(people, rows) for rows in draws])
    for name, llm in bench.llms.items():
        for threshold in (0.0, 0.7):
            said = llm.above(threshold)
            if (said[apart] != ABSTAINED).mean() > 0.05:
                note(f"{name} at {threshold:g}", [plain(said, rows) for rows in draws])
        note(f"{name} and trusted", [powered(llm.said, rows) for rows in draws])
    return found


def agreement(bench: Bench) -> list[dict[str, object]]:
    """Compare the oracles on the documents that no run starts with: right answers by confidence, and kappa."""
    rows = np.arange(len(bench.known), len(bench.data.texts))
    gold, k = bench.data.gold[rows], len(bench.data.task.labels)
    people = {f"people {right:.0%}": people_answers(bench.data.gold, right, bench.prior, 0)[rows] for right in PEOPLE}
    found: list[dict[str, object]] = []
    for name, said in [*people.items(), *((name, llm.said[rows]) for name, llm in bench.llms.items())]:
        told = said != ABSTAINED
        line: dict[str, object] = {
            "oracle": name,
            "n": len(rows),
            "answered": float(told.mean()),
            "right": float((said == gold)[told].mean()),
            "truth": cohen_kappa(said[told], gold[told], k),
            **{other: cohen_kappa(said[told], theirs[told], k) for other, theirs in people.items()},
        }
        if name in bench.llms:
            llm = bench.llms[name]
            line["real"], line["dollars"] = llm.real, llm.dollars
            for threshold in (0.5, 0.7, 0.9, 0.97):
                above = llm.above(threshold)[rows]
                kept = above != ABSTAINED
                line[f"{threshold:g}"] = [
                    float(kept.mean()),
                    float((above == gold)[kept].mean()) if kept.any() else None,
                ]
        found.append(line)
    return found


def main() -> None:
    args = arguments()
    logging.disable(logging.WARNING)
    found = None if args.answers is None else kept(args.answers)
    if found is not None:
        args.known = len(found.known)
    data = part(read_set(args.data), found, args)
    learner: StudiedLearner = LEARNERS[args.learner](data)
    made = bench(data, learner, found, args)
    path = args.records / f"llm-or-people-{data.name}-{args.learner}.jsonl"
    names = ("learner", "strategy", "batch", "budget", "apart", "sample", "trusted", "known")
    settings = {name: getattr(args, name) for name in names} | {"pool": len(data.texts)}
    done, began = results.read(path), time.monotonic()
    start: View | None = None
    part_of, parts = args.part
    for seed, design in list(itertools.product(args.seeds, designs(list(made.llms))))[part_of::parts]:
        key = {"data": data.name, **settings, **asdict(design), "seed": seed}
        if any(key.items() <= record.items() for record in done):
            continue
        if time.monotonic() - began > args.seconds:
            raise SystemExit(f"{args.seconds:g} seconds are over; the same command resumes")
        start = start or learner.fit(made.known, data.gold[made.known], seed=0)
        record = OracleRun(made, learner, design, args, seed).record(start)
        results.append(path, {**key, "name": design.name, **record})
        print(f"{seed} {design.name}: {time.monotonic() - began:.0f} s", flush=True)
    records = [record for record in results.read(path) if settings.items() <= record.items()]
    records = [record for record in records if record["llm"] is None or record["llm"] in made.llms]
    person = args.hourly / 3600 * args.per_answer
    report.price(records, {name: llm.dollars for name, llm in made.llms.items()}, person, args.known)
    stem = args.out / f"llm-or-people-{data.name}-{args.learner}-{args.strategy}"
    text = report.tables(records, agreement(made), args)
    stem.with_suffix(".md").write_text(text)
    report.plot(records, list(made.llms), stem.with_suffix(".png"))
    print(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--answers", type=Path, help="kept answers of a real model; without them, only simulated ones")
    parser.add_argument("--name", default="SmolLM2-135M", help="the name of the real model in tables")
    parser.add_argument("--learner", choices=sorted(LEARNERS), default="linear")
    parser.add_argument("--strategy", default="margin")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--budget", type=int, default=300, help="answers at which oracles are compared")
    parser.add_argument("--known", type=int, default=100, help="annotated documents, where no real answers are given")
    parser.add_argument(
        "--rows", type=int, default=1200, help="documents to ask about, where no real answers are given"
    )
    parser.add_argument("--apart", type=int, default=500, help="of these, documents that are kept for evaluation")
    parser.add_argument("--sample", type=int, default=300, help="documents in an evaluation sample")
    parser.add_argument(
        "--trusted", type=int, default=100, help="of these, documents that a trusted oracle answers too"
    )
    parser.add_argument("--hourly", type=float, default=35.0, help="dollars for an hour of a person")
    parser.add_argument("--per-answer", type=float, default=8.0, help="seconds that a person takes for an answer")
    parser.add_argument("--price", type=float, nargs=3, default=[0.05, 0.005, 0.4], metavar=("NEW", "CACHED", "OUTPUT"))
    parser.add_argument(
        "--strong-price", type=float, nargs=3, default=[1.25, 0.125, 10.0], metavar=("NEW", "CACHED", "OUTPUT")
    )
    parser.add_argument(
        "--part", type=int, nargs=2, default=[0, 1], metavar=("I", "OF"), help="every OF-th run, from I"
    )
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after this time")
    parser.add_argument("--records", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("docs/study"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
