"""Measure the loss by a noisy oracle, and how much of it is recovered by leaving out, re-checking or smoothing.

    python benchmarks/noise.py --data ../shared/data/banking77 --seeds 5

The rounds of a run are simulated in one process without Ray: the product's seed walk, margin queries, audit, replay
oracle and linear learner, with embeddings that are computed once. Every arm spends the same budget, including second
answers. Errors name every other class with equal probability or, with --confusable, the zero-shot model's likeliest
other class. The latter is the hard case, because only another answer distinguishes such an error from a hard document.
Prints a JSON line for each arm and seed, then the table: macro-F1 and accuracy on the set's test file, the gain over
"noisy" with the standard error of the paired difference, and the share of the macro-F1 lost to noise that an arm
recovers. The clean arms show the cost of a method when no answer is wrong.
"""

import argparse
import json
import logging
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import f1_score

from laud_ray import config
from laud_ray.config import RunConfig
from laud_ray.data.corpus import Corpus
from laud_ray.data.sharding.normalise import normalise
from laud_ray.models.encoder.encoding import Encoder
from laud_ray.models.encoder.linear import LinearLearner
from laud_ray.models.targets import Targets
from laud_ray.oracles import ReplayOracle
from laud_ray.oracles.asking import annotate
from laud_ray.passes.shortlists import to_candidates
from laud_ray.query import build
from laud_ray.stats.calibration import softmax
from laud_ray.steps.annotation import second_opinions as audit
from laud_ray.steps.selection.picking import select, shortlist_depth
from laud_ray.steps.selection.seed_walk import next_wave, ranking_depth
from laud_ray.storage.folder import Folder
from laud_ray.store import rechecks
from laud_ray.store.store import Answered, Query, Store
from laud_ray.taxonomy.groups import single
from laud_ray.types import Annotation, Document, Floats, Indices, Oracle, Task


@dataclass(frozen=True, slots=True)
class Arm:
    """A method to handle noise.

    Attributes:
        noise: the share of wrong answers of the run's oracle.
        leave_out: whether the last model is trained without answers that are probably wrong.
        share: the share of each batch that may be spent on second answers.
        second: the share of wrong second answers; None: as for the run's oracle.
        smoothing: label smoothing in training.
    """

    noise: float
    leave_out: bool = False
    share: float = 0.0
    second: float | None = None
    smoothing: float = 0.0


def arms(noise: float) -> dict[str, Arm]:
    clean, noisy = Arm(0.0), Arm(noise)
    return {
        "clean": clean,
        "clean, leave out": replace(clean, leave_out=True),
        "clean, leave out, audit 20 %": replace(clean, leave_out=True, share=0.2),
        "noisy": noisy,
        "leave out": replace(noisy, leave_out=True),
        "leave out, audit 10 %": replace(noisy, leave_out=True, share=0.1),
        "leave out, audit 20 %": replace(noisy, leave_out=True, share=0.2),
        "audit 20 %": replace(noisy, share=0.2),
        "leave out, audit 10 %, exact second oracle": replace(noisy, leave_out=True, share=0.1, second=0.0),
        "leave out, audit 20 %, exact second oracle": replace(noisy, leave_out=True, share=0.2, second=0.0),
        "smoothing 0.1": replace(noisy, smoothing=0.1),
    }


@dataclass(frozen=True, slots=True)
class ConfusableOracle:
    """Errs for the same documents as another oracle, but names the likeliest other class.

    Attributes:
        likeliest: two class names for each document, the likelier first.
    """

    errs: ReplayOracle
    likeliest: Mapping[str, Sequence[str]]

    def annotate(self, documents: Sequence[Document]) -> Sequence[Annotation]:
        exact = replace(self.errs, noise=0.0).annotate(documents)
        return [
            said if said.label == true.label else replace(said, label=self._other(true))
            for said, true in zip(self.errs.annotate(documents), exact, strict=True)
        ]

    def _other(self, true: Annotation) -> str:
        return next(name for name in self.likeliest[true.document_id] if name != true.label)


@dataclass(frozen=True, slots=True)
class Bench:
    """A data set, normalised and embedded once: n documents, k classes, d dimensions.

    Attributes:
        likeliest: the two likeliest classes of each document by zero-shot; None if errors name any other class.
    """

    run: RunConfig
    task: Task
    corpus: Corpus
    documents: Sequence[Document]
    vectors: Floats
    prior: Floats
    test: Floats
    gold: Indices
    likeliest: Mapping[str, Sequence[str]] | None

    @property
    def places(self) -> dict[str, int]:
        return {document.id: i for i, document in enumerate(self.documents)}


def prepare(data: Path, scratch: str, args: argparse.Namespace) -> Bench:
    labels = sorted(
        {v for part in ("train", "test") for v in pq.read_table(data / f"{part}.parquet")["label"].to_pylist()}
    )
    settings = {
        "task": {"name": data.name, "labels": [{"name": label} for label in labels]},
        "corpus": {"path": str(data / "train.parquet"), "text": "text"},
        "storage": scratch,
        "oracle": {"kind": "replay", "label": "label"},
        "init": {"max_queries": args.seed_queries},
        "query": {"batch": args.batch},
        "budget": {"annotations": args.budget},
    }
    run = config.parse(json.dumps(settings))
    corpus = normalise(run.corpus, Folder(f"{scratch}/corpus"), sealed="label")
    rows = [row for part in corpus.ranges for row in corpus.folder.read_table(part.name).to_pylist()]
    documents = [Document(r["id"], r["text"]) for r in rows if r["error"] is None and r["duplicate_of"] is None]
    test = pq.read_table(data / "test.parquet", columns=["text", "label"])
    encoder, task = Encoder("bundled", 64).freeze(), run.task.to_task()
    vectors, prior = encoder.embed([document.text for document in documents]), LinearLearner().prior(encoder, task)
    top = np.argsort(-(vectors @ prior.T), axis=1)[:, :2]
    likeliest = {d.id: [task.names[c] for c in row] for d, row in zip(documents, top, strict=True)}
    return Bench(
        run,
        task,
        corpus,
        documents,
        vectors,
        prior,
        encoder.embed(test["text"].to_pylist()),
        np.asarray([labels.index(label) for label in test["label"].to_pylist()]),
        likeliest if args.confusable else None,
    )


class Run:
    """One arm with one seed, in its own store."""

    def __init__(self, bench: Bench, arm: Arm, seed: int, store: Store) -> None:
        again = {"share": arm.share, "leave_out": arm.leave_out, "trusted": arm.second == 0.0}
        if arm.second is not None:
            again["oracle"] = {"kind": "replay", "label": "label", "noise": arm.second}
        self.config = config.parse(json.dumps({**json.loads(bench.run.model_dump_json()), "audit": again}))
        self.bench, self.arm, self.seed, self.store = bench, arm, seed, store
        self.learner = LinearLearner(smoothing=arm.smoothing)
        self.places, self.names = bench.places, bench.task.names

    def oracle(self, attempt: int) -> Oracle:
        noise = self.arm.noise if attempt == 1 or self.arm.second is None else self.arm.second
        oracle = ReplayOracle(self.bench.corpus, self.bench.task, noise, 0.0, self.seed, attempt)
        return oracle if self.bench.likeliest is None else ConfusableOracle(oracle, self.bench.likeliest)

    def asked(self) -> list[Answered]:
        asked = [*self.store.queries("seed"), *self.store.queries("query")]
        found = audit.settled(self.config, rechecks.opinions(self.store.engine))
        return audit.with_settled(asked, found.labels)

    def embedded(self, asked: Sequence[Answered]) -> tuple[Floats, Indices]:
        rows = [self.places[a.query.document.id] for a in asked]
        return self.bench.vectors[rows], np.asarray([self.names.index(str(a.label)) for a in asked], np.int64)

    def proba(self, asked: Sequence[Answered]) -> Floats:
        x, labels = self.embedded(asked)
        return self.learner.cross_validate(x, Targets.of_classes(labels), self.bench.prior, seed=self.seed)

    def judged(self) -> audit.Judged:
        return audit.judge(self.asked(), rechecks.opinions(self.store.engine), single(tuple(self.names)), self.proba)

    def taught(self, left: int) -> list[Answered]:
        """Return the examples that the arm trains on, with this number of answers left to buy."""
        if self.arm.leave_out and left <= 0:
            return audit.probably_right(self.judged())
        return [a for a in self.asked() if a.label is not None]

    def go(self) -> dict[str, object]:
        self.walk()
        round = 1
        while True:
            counts = self.store.counts()
            left = self.config.budget.annotations - counts["seed"] - counts["query"] - counts["audit"]
            trained = self.taught(left)
            x, labels = self.embedded(trained)
            head = self.learner.solve(x, labels, self.bench.prior, seed=self.seed)
            if left <= 0:
                predicted = head.proba(self.bench.test).argmax(axis=1)
                exact = ReplayOracle(self.bench.corpus, self.bench.task)
                true = {a.document_id: a.label for a in exact.annotate([a.query.document for a in trained])}
                return {
                    "macro_f1": round_(f1_score(self.bench.gold, predicted, average="macro", zero_division=0)),
                    "accuracy": round_(float((predicted == self.bench.gold).mean())),
                    "documents": len(trained),
                    "wrong": sum(a.label != true[a.query.document.id] for a in trained),
                    "asked_again": counts["audit"],
                }
            again = self.audit(round, self.config.budget.annotations - left)
            self.query(round, min(self.config.query.batch, left) - again, head.proba(self.bench.vectors))
            round += 1

    def walk(self) -> None:
        proba, init = softmax(self.bench.vectors @ self.bench.prior.T), self.config.init
        depth = ranking_depth(len(self.names), init.max_queries)
        order = np.argsort(-proba, axis=0, kind="stable")[:depth]
        rankings = [[Query(self.bench.documents[i], "ranking") for i in column] for column in order.T]
        while wave := next_wave(
            rankings, self.store.queries("seed"), self.names, per_class=init.per_class, cap=init.max_queries
        ):
            self.store.add_queries("seed", 1, wave)
            annotate(self.store, self.oracle(1), "seed", 1, lambda done, total: None)

    def audit(self, round: int, spent: int) -> int:
        n, engine = audit.quota(self.config, round, spent), self.store.engine
        if n:
            new = audit.questions(self.judged(), rechecks.attempts(engine), n, most=self.config.most_answers)
            rechecks.record(engine, round, new)
            audit.ask_again(engine, self.oracle, round, lambda done, total: None)
        return rechecks.asked_in(engine, round)

    def query(self, round: int, n: int, proba: Floats) -> None:
        margin = build("margin", counts=[0] * len(self.names))
        asked = [*self.store.queries("seed"), *self.store.queries("query")]
        utility = margin.utility(proba)[:, 0]
        utility[[self.places[a.query.document.id] for a in asked]] = -np.inf
        best = np.argsort(-utility, kind="stable")[: shortlist_depth(self.config.query.batch)]
        top = np.argsort(-proba[best], axis=1)[:, :2]
        shortlist = pa.table(
            {
                "id": [self.bench.documents[i].id for i in best],
                "text": [self.bench.documents[i].text for i in best],
                "criterion": pa.array([0] * len(best), pa.int32()),
                "utility": pa.array(utility[best], pa.float32()),
                "top_labels": [[self.names[c] for c in row] for row in top],
                "top_probabilities": np.take_along_axis(proba[best], top, 1).tolist(),
            }
        )
        rng = np.random.default_rng([self.seed, round])
        texts = [a.query.document.text for a in asked]
        pool = to_candidates(shortlist, 1)
        self.store.add_queries("query", round, select(margin, "margin", shortlist, pool, texts, n, rng=rng))
        annotate(self.store, self.oracle(1), "query", round, lambda done, total: None)


def round_(share: float) -> float:
    return round(100 * share, 2)


def table(rows: dict[str, list[dict[str, float]]]) -> list[str]:
    means = {name: statistics.mean(row["macro_f1"] for row in found) for name, found in rows.items()}
    lines = ["| arm | macro-F1 | accuracy | trained on | of it wrong | asked again | gain | recovered |"]
    lines.append("|---" * 8 + "|")
    lost = means.get("clean", 0.0) - means.get("noisy", 0.0)
    for name, found in rows.items():
        mean = {key: statistics.mean(row[key] for row in found) for key in found[0]}
        gain, back = "", ""
        base = "clean" if name.startswith("clean") else "noisy"
        if base in rows and name != base:
            gains = [one["macro_f1"] - other["macro_f1"] for one, other in zip(found, rows[base], strict=True)]
            error = statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else float("nan")
            gain = f"{statistics.mean(gains):+.1f} ± {error:.1f}"
            back = f"{100 * statistics.mean(gains) / lost:.0f} %" if base == "noisy" and lost > 0 else ""
        lines.append(
            f"| {name} | {mean['macro_f1']:.1f} | {mean['accuracy']:.1f} | {mean['documents']:.0f} | "
            f"{mean['wrong']:.0f} | {mean['asked_again']:.0f} | {gain} | {back} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--noise", type=float, default=0.15)
    parser.add_argument("--confusable", action="store_true", help="errors name the likeliest other class")
    parser.add_argument("--budget", type=int, default=500)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--seed-queries", type=int, default=200)
    parser.add_argument("--arms", nargs="+", help="by name; default: all")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    known = arms(args.noise)
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in args.arms or known}
    with tempfile.TemporaryDirectory(prefix="laud-noise-") as scratch:
        bench = prepare(args.data, scratch, args)
        for seed in range(args.first_seed, args.first_seed + args.seeds):
            for name, found in rows.items():
                store = Store(f"sqlite:///{scratch}/{len(found)}-{list(rows).index(name)}.db")
                found.append(Run(bench, known[name], seed, store).go())
                store.close()
                print(json.dumps({"data": args.data.name, "arm": name, "seed": seed, **found[-1]}), flush=True)
    print(f"\n{args.data.name}: {args.budget} annotations, {args.noise:.0%} noise, {args.seeds} seeds\n")
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
