"""Simulate the loop in one process on a labelled set, with the product's own seed walk, shortlists and selection.

Differences from `laud run`: nothing is stored, the oracle is a column, a pass is a single range, and figures are
measured on the test file. As in a run, an evaluation sample is set aside before the first query, and is never trained
on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from labelled_sets import LabelledSet
from learners_under_study import StudiedLearner, View

from laud_ray import query
from laud_ray.passes.scoring import score_table
from laud_ray.passes.shortlists import Shortlist, shortlist_range, to_candidates
from laud_ray.passes.summary import summarise
from laud_ray.query.auto import Batch, Evidence, choose, confidence_auc
from laud_ray.query.spatial.space import committee, reach
from laud_ray.stats.metrics import accuracy, confusion, macro_f1
from laud_ray.steps.selection.picking import select, shortlist_depth
from laud_ray.steps.selection.seed import Nearby
from laud_ray.steps.selection.seed_walk import ClassRanking, next_wave, ranking_depth, to_rankings
from laud_ray.store.store import Answered, Query
from laud_ray.types import Floats, Indices, QueryStrategy, Space

SCRATCH = "random_scratch"  # random queries without a seed walk, as without a zero-shot model
ABSTAINED = -1  # the class of an abstention
ALL = "all"  # train once on the whole pool: the upper limit

Answers: TypeAlias = Callable[[Indices], Indices]  # rows of the pool to their classes, or ABSTAINED


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a run. `noise` is the share of documents for which the oracle always names a wrong class."""

    budget: int = 500
    batch: int = 50
    per_class: int = 1
    max_seed: int = 300
    evaluation: int = 300
    noise: float = 0.0


@dataclass(frozen=True, slots=True)
class Point:
    """The test file's figures after n annotations."""

    n: int
    accuracy: float
    macro_f1: float


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """The common start of all runs with one seed: the rows of the seed walk, and the model trained on them."""

    asked: list[int]
    view: View


class Run:
    """One run of a strategy with a learner on a set. Queries are kept as a list of rows of the pool, in order.

    Attributes:
        start: the start of another run with the same seed and settings; None to run the seed walk.
        oracle: maps rows to answers; by default the set's labels with `noise`.
    """

    def __init__(
        self,
        data: LabelledSet,
        learner: StudiedLearner,
        strategy: str,
        settings: Settings,
        seed: int,
        start: Start | None = None,
        oracle: Answers | None = None,
    ) -> None:
        self._data, self._learner, self._strategy, self.start = data, learner, strategy, start
        self.settings, self._seed = settings, seed
        rng = np.random.default_rng([seed, 1])
        self.evaluation = rng.permutation(len(data.texts))[: settings.evaluation]
        self._ids = [str(i) for i in range(len(data.texts))]
        self._table = pa.table(
            {
                "id": self._ids,
                "text": data.texts,
                "duplicate_of": pa.nulls(len(self._ids), pa.string()),
            }
        )
        self._rows = {text: row for row, text in enumerate(data.texts)}
        said = answers(data.gold, len(data.task.labels), settings.noise, seed)
        self._oracle: Answers = oracle or said.__getitem__
        self.asked: list[int] = []
        self._views: list[View] = []
        self._batches: list[tuple[list[int], Indices]] = []

    def curve(self, on_point: Callable[[Point], None] = lambda point: None) -> list[Point]:
        """Run until the budget is spent; return a point for each model."""
        if self._strategy == ALL:
            self.asked = list(range(len(self._data.texts)))
        elif self._strategy == SCRATCH:
            self._add(self._random(self.settings.batch))
        elif self.start is not None:
            self._add(self.start.asked)
        else:
            self._walk()
        points: list[Point] = []
        while True:
            self._fit()
            points.append(self._measure())
            on_point(points[-1])
            left = self.settings.budget - len(self.asked)
            if left <= 0:
                return points
            n = min(self.settings.batch, left)
            self._add(self._random(n) if self._strategy == SCRATCH else self._select(n))

    def targets(self, rows: Sequence[int] | Indices) -> Indices:
        """Return the oracle's answers for rows of the pool; ABSTAINED for an abstention."""
        return self._oracle(np.asarray(rows, np.int64))

    @property
    def known(self) -> tuple[Indices, Indices]:
        """The queried rows that got a label, in order, and their classes."""
        rows = np.asarray(self.asked, np.int64)
        said = self.targets(rows)
        return rows[said != ABSTAINED], said[said != ABSTAINED]

    @property
    def view(self) -> View:
        """The predictions of the last model."""
        return self._views[-1]

    def _fit(self) -> None:
        if self.start is not None and self.start.asked == self.asked:
            view = self.start.view
        else:
            view = self._learner.fit(*self.known, seed=self._seed)
        if self.start is None and self._strategy not in (ALL, SCRATCH):
            self.start = Start(list(self.asked), view)
        self._views = [*self._views[-4:], view]

    def _measure(self) -> Point:
        guess, true = self.view.test.argmax(1), self._data.test_gold
        return Point(
            len(self.asked), accuracy(true, guess), macro_f1(confusion(true, guess, len(self._data.task.labels)))
        )

    def _add(self, rows: Sequence[int]) -> None:
        self.asked += [int(row) for row in rows]

    def _free(self) -> Indices:
        return np.setdiff1d(np.arange(len(self._ids)), [*self.asked, *self.evaluation.tolist()])

    def _random(self, n: int) -> list[int]:
        rng = np.random.default_rng([self._seed, 3, len(self.asked)])
        rows: list[int] = rng.permutation(self._free())[:n].tolist()
        return rows

    def _walk(self) -> None:
        names, settings = self._data.task.names, self.settings
        cap = min(settings.max_seed, settings.budget)
        shortlist = self._shortlist(ClassRanking(), self._learner.zero_shot, ranking_depth(len(names), cap))
        rankings = to_rankings(shortlist, names)
        asked: list[Answered] = []
        nearby = Nearby(rankings, self._embedded)
        while wave := next_wave(rankings, asked, names, per_class=settings.per_class, cap=cap, nearness=nearby):
            said = self.targets([int(one.document.id) for one in wave])
            labels = [None if c == ABSTAINED else names[c] for c in said]
            asked += [Answered(one, "seed", 1, True, label) for one, label in zip(wave, labels, strict=True)]
            self._add([int(one.document.id) for one in wave])

    def _embedded(self, texts: Sequence[str]) -> Floats:
        """Look up the vectors of texts of the pool, as the seed walk would compute them; texts are distinct."""
        return self._learner.zero_shot.vectors[[self._rows[text] for text in texts]]

    def _select(self, n: int) -> list[int]:
        strategy = self._auto() if self._strategy == "auto" else build(self._strategy, self._counts())
        depth = shortlist_depth(self.settings.batch, reach=reach(strategy))
        classes = len(self._data.task.labels)
        criteria = strategy.utility(np.full((1, classes), 1 / classes)).shape[1]
        shortlist = self._shortlist(strategy, self.view, depth)
        pool = to_candidates(shortlist, criteria)
        if reach(strategy):
            pool = replace(pool, space=self._space(pool.ids, committee(strategy)))
        chosen: list[Query] = select(
            strategy,
            self._strategy,
            shortlist,
            pool,
            [self._data.texts[i] for i in self.asked],
            n,
            rng=np.random.default_rng([self._seed, len(self.asked)]),
        )
        rows = [int(one.document.id) for one in chosen]
        self._batches.append((rows, self.view.proba[rows].argmax(1)))
        return rows

    def _auto(self) -> QueryStrategy:
        view, held = self.view, self.evaluation
        guess, true = view.proba[held].argmax(1), self._data.gold[held]
        known = confidence_auc(view.proba[held].max(1), guess == true)
        batches = [Batch(len(rows), int((self.targets(rows) != said).sum())) for rows, said in self._batches]
        choice = choose(Evidence(self._counts(), float((guess != true).mean()), known, batches))
        return query.Auto(choice)

    def _shortlist(self, strategy: QueryStrategy, view: View, depth: int) -> pa.Table:
        everything = np.arange(len(self._ids))
        usable = np.ones(len(self._ids), np.bool_)
        errors = pa.nulls(len(self._ids), pa.string())
        scores = score_table(
            self._ids, summarise(view.proba), everything, usable, errors, self._data.task.names, "model"
        )
        taken = frozenset(str(i) for i in [*self.asked, *self.evaluation.tolist()])
        wanted = Shortlist(strategy, depth, taken, (self._seed, len(self.asked)))
        found = summarise(view.proba, strategy=wanted.strategy)
        names = self._data.task.names
        return shortlist_range(wanted, "0", self._table, scores, found, everything, usable, names)

    def _counts(self) -> list[int]:
        counts: list[int] = np.bincount(self.known[1], minlength=len(self._data.task.labels)).tolist()
        return counts

    def _space(self, ids: Sequence[str], committee: int) -> Space:
        rows, (known, labels) = np.asarray([int(i) for i in ids], np.int64), self.known
        votes = [view.proba[rows] for view in self._views[-committee:]] if committee else []
        return Space(
            vectors=self.view.vectors[rows],
            proba=self.view.proba[rows],
            known_vectors=self.view.vectors[known],
            known_proba=self.view.proba[known],
            known_labels=labels,
            committee=np.stack(votes) if votes else None,
        )


def build(name: str, counts: Sequence[int]) -> QueryStrategy:
    """Make the strategy of a name such as `margin`, `badge` or `margin+kmeans`: margin, its batch spread by k-means.

    Raises:
        ConfigError: if it is unknown.
    """
    inner, _, method = name.partition("+")
    return query.build(inner, counts=counts, diversity=method or None)


def answers(gold: Indices, classes: int, noise: float, seed: int) -> Indices:
    """Return the answers of an oracle that names a random other class for a random share of the documents."""
    rng = np.random.default_rng([seed, 2])
    wrong = rng.random(len(gold)) < noise
    said: Indices = np.where(wrong, (gold + rng.integers(1, classes, len(gold))) % classes, gold)
    return said
