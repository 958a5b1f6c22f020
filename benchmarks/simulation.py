"""The loop in one process, on a set whose labels are known: the product's own seed walk, shortlists and selection.

What differs from `laud run`: nothing is stored, the oracle is a column, a pass is one range, and figures come from
the test file. As there, an evaluation sample is set aside before anything is selected, and never trains.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from labelled_sets import LabelledSet
from learners_under_study import StudiedLearner, View

from laud_ray import query
from laud_ray.metrics import accuracy, confusion, macro_f1
from laud_ray.query.anchors import Anchors
from laud_ray.query.committee import Disagreement
from laud_ray.query.contrast import Contrastive
from laud_ray.query.covering import CoreSet, KMeans, ProbCover, TypiClust
from laud_ray.query.diverse import Diverse, Method
from laud_ray.query.gradient import Badge
from laud_ray.query.space import narrow
from laud_ray.scoring import score_table
from laud_ray.shortlists import Shortlist, shortlist_range
from laud_ray.stages.seed import ClassRanking, next_wave, ranking_depth, to_rankings
from laud_ray.stages.select import select, shortlist_depth
from laud_ray.store import Answered, Query
from laud_ray.types import Candidates, Floats, Indices, QueryStrategy, Space, SpatialStrategy

METHODS: dict[str, Method] = {"badge": "badge", "core_set": "coreset", "kmeans": "kmeans"}
SPATIAL = {
    "badge": Badge,
    "contrastive": Contrastive,
    "core_set": CoreSet,
    "disagreement": Disagreement,
    "kmeans": KMeans,
    "prob_cover": ProbCover,
    "typiclust": TypiClust,
}
SCRATCH = "random_scratch"  # random queries without the seed walk: what people do who have no zero-shot model
ALL = "all"  # train on the whole pool once: what there is to reach


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is given. `noise` is the share of answers that name a wrong class, the same for a document always."""

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
    """What the runs of one seed have in common: the rows that the seed walk asked about, and what they taught."""

    asked: list[int]
    view: View


class Run:
    """One run of a strategy with a learner on a set. What is asked is a list of rows of the pool, in order.

    Attributes:
        start: what a run of another strategy, alike in all else, started with; None to walk oneself.
    """

    def __init__(
        self,
        data: LabelledSet,
        learner: StudiedLearner,
        strategy: str,
        settings: Settings,
        seed: int,
        start: Start | None = None,
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
        self._said = answers(data.gold, len(data.task.labels), settings.noise, seed)
        self.asked: list[int] = []
        self._views: list[View] = []

    def curve(self, on_point: Callable[[Point], None] = lambda point: None) -> list[Point]:
        """Run until the budget is spent; a point for each model."""
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

    def targets(self, rows: Sequence[int]) -> Indices:
        """What the oracle says of rows of the pool."""
        return self._said[np.asarray(rows, np.int64)]

    @property
    def view(self) -> View:
        """What the last model says."""
        return self._views[-1]

    def _fit(self) -> None:
        rows = np.asarray(self.asked, np.int64)
        if self.start is not None and self.start.asked == self.asked:
            view = self.start.view
        else:
            view = self._learner.fit(rows, self._said[rows], seed=self._seed)
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
        return rng.permutation(self._free())[:n].tolist()

    def _walk(self) -> None:
        names, settings = self._data.task.names, self.settings
        cap = min(settings.max_seed, settings.budget)
        shortlist = self._shortlist(ClassRanking(), self._learner.zero_shot, ranking_depth(len(names), cap))
        rankings = to_rankings(shortlist, names)
        asked: list[Answered] = []
        while wave := next_wave(rankings, asked, names, per_class=settings.per_class, cap=cap):
            said = self.targets([int(one.document.id) for one in wave])
            asked += [Answered(one, "seed", 1, True, names[c]) for one, c in zip(wave, said, strict=True)]
            self._add([int(one.document.id) for one in wave])

    def _select(self, n: int) -> list[int]:
        strategy = build(self._strategy, self._counts())
        depth = shortlist_depth(self.settings.batch)
        if isinstance(strategy, SpatialStrategy):
            depth = max(depth, strategy.reach * self.settings.batch)
        criteria = strategy.utility(np.full((1, len(self._data.task.labels)), 1 / len(self._data.task.labels))).shape[1]
        shortlist = self._shortlist(strategy, self.view, depth)
        texts = [self._data.texts[i] for i in self.asked]
        placed = InSpace(strategy, self._space, n) if isinstance(strategy, SpatialStrategy) else strategy
        rng = np.random.default_rng([self._seed, len(self.asked)])
        chosen: list[Query] = select(placed, self._strategy, shortlist, texts, n, criteria=criteria, rng=rng)
        return [int(one.document.id) for one in chosen]

    def _shortlist(self, strategy: QueryStrategy, view: View, depth: int) -> pa.Table:
        everything = np.arange(len(self._ids))
        usable = np.ones(len(self._ids), np.bool_)
        errors = pa.nulls(len(self._ids), pa.string())
        scores = score_table(self._ids, view.proba, everything, usable, errors, self._data.task.names, "model")
        taken = frozenset(str(i) for i in [*self.asked, *self.evaluation.tolist()])
        wanted = Shortlist(strategy, depth, taken, (self._seed, len(self.asked)))
        return shortlist_range(wanted, "0", self._table, scores, view.proba, everything, usable)

    def _counts(self) -> list[int]:
        return np.bincount(self.targets(self.asked), minlength=len(self._data.task.labels)).tolist()

    def _space(self, ids: Sequence[str], committee: int) -> Space:
        rows, known = np.asarray([int(i) for i in ids], np.int64), np.asarray(self.asked, np.int64)
        votes = [view.proba[rows] for view in self._views[-committee:]] if committee else []
        return Space(
            vectors=self.view.vectors[rows],
            proba=self.view.proba[rows],
            known_vectors=self.view.vectors[known],
            known_proba=self.view.proba[known],
            known_labels=self._said[known],
            committee=np.stack(votes) if votes else None,
        )


@dataclass(frozen=True, slots=True)
class InSpace:
    """A strategy whose candidates are given their space when it picks.

    `select` asks for more than it needs, to pass over near-duplicates; a strategy that spreads n documents would spread
    those wider. So it picks n, and then as many from the others, which stand in for near-duplicates.
    """

    inner: SpatialStrategy
    space: Callable[[Sequence[str], int], Space]
    batch: int

    def utility(self, proba: Floats) -> Floats:
        return self.inner.utility(proba)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        placed = replace(pool, space=self.space(pool.ids, self.inner.committee))
        first = self.inner.pick(placed, min(n, self.batch), rng=rng)
        others = np.setdiff1d(np.arange(len(pool)), first)
        spare = self.inner.pick(narrow(placed, others), min(self.batch, n - len(first)), rng=rng)
        return np.concatenate([first, others[spare]])


def build(name: str, counts: Sequence[int]) -> QueryStrategy:
    """Make the strategy of a name such as `margin`, `badge` or `margin+kmeans`: margin, its batch spread by k-means.

    Raises:
        ConfigError: if it is unknown.
    """
    inner, plus, method = name.partition("+")
    if plus:
        return Diverse(build(inner, counts), METHODS[method])
    if name == "anchors":
        return Anchors(tuple(counts))
    strategy: QueryStrategy = SPATIAL[name]() if name in SPATIAL else query.build(name, counts=counts)
    return strategy


def answers(gold: Indices, classes: int, noise: float, seed: int) -> Indices:
    """What an oracle says that errs on a random share of the documents, towards any other class alike."""
    rng = np.random.default_rng([seed, 2])
    wrong = rng.random(len(gold)) < noise
    said: Indices = np.where(wrong, (gold + rng.integers(1, classes, len(gold))) % classes, gold)
    return said
