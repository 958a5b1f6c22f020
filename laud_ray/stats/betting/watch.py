"""Three tests that watch new documents: confidence, label mix, and novelty. Pure NumPy and SciPy. k labels."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import log
from typing import Any

import numpy as np

from laud_ray.stats.betting.bets import bets_on_mean, bets_on_shares, bets_on_tails
from laud_ray.stats.betting.reference import FAR, Batch, Reference, beyond, exact_bounds, label_counts, radius
from laud_ray.stats.betting.wealth import Moves, Wealth
from laud_ray.types import Floats, Indices

TESTS = ("confidence", "labels", "novelty")
# The part of alpha for the case that the reference itself is off.
OF_REFERENCE = 0.1


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much may change without an alarm.

    Attributes:
        confidence: the change of the mean confidence, in either direction.
        labels: the change of the share of any one label, in either direction.
        novelty: the share of novel documents; it is 1 % in the reference by definition. At the nearer distances of FAR
            as many documents more are tolerated: those of new kinds, if all of these lie beyond every distance.
    """

    confidence: float = 0.01
    labels: float = 0.02
    novelty: float = 0.015

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 < value < 1:
                raise ValueError(f"tolerance.{name}: {value} is not valid; expected above 0 and below 1")

    @property
    def far(self) -> Floats:
        """(5,) the tolerated share of documents beyond each distance of FAR."""
        known = 1 - np.array(FAR)
        new = max(0.0, (self.novelty - known[-1]) / (1 - known[-1]))
        return np.asarray(known + new * (1 - known))


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """The state of the three tests after some batches; `after` returns the next one.

    While what is tolerated is all that changed, any of them ever raises an alarm with a probability of at most alpha,
    however many batches there are and however often one looks. To spend alpha anew each year, start anew each year. An
    alarm stays until then.

    The hypotheses allow for the error of a finite reference: its own confidence bounds are added to the tolerances of
    confidence and labels, and whatever the documents are like that the model was trained on is tolerated too. A test
    for which the reference is too small has no bets.

    Novelty bets on the shares beyond five known distances. Each of these bets is fair if none of the shares is larger
    than is tolerated, and also if nothing has changed but the reference is a small one, whose distances are chosen by
    chance: see `bets_on_tails`. So any division of the wealth among them is fair too, and they are one test with one
    wealth.

    Attributes:
        reference: what new documents are compared with.
        tolerance: how much may change.
        alpha: the probability of a false alarm, in (0, 1).
        documents: the number of documents in all batches.
        wealth: of each test.
        far: (5,) the number of documents of all batches beyond each distance.
        far_of: the number of documents for which that was measured.
    """

    reference: Reference
    tolerance: Tolerance
    alpha: float
    documents: int
    wealth: Mapping[str, Wealth]
    far: Indices = field(default_factory=lambda: np.zeros(len(FAR), np.int64))
    far_of: int = 0

    @classmethod
    def start(cls, reference: Reference, alpha: float = 0.05, tolerance: Tolerance | None = None) -> "Watch":
        """Start the tests.

        Example:
            `Watch.start(reference).after(batch).alarms` is () or, for example, ("novelty",).

        Raises:
            ValueError: if alpha is outside (0, 1).
        """
        if not 0 < alpha < 1:
            raise ValueError(f"alpha = {alpha} is not valid; expected above 0 and below 1")
        return cls(reference, tolerance or Tolerance(), alpha, 0, dict.fromkeys(TESTS, Wealth()))

    def after(self, batch: Batch) -> "Watch":
        """Return the state after one more batch. A batch without documents changes nothing.

        Raises:
            ValueError: if a label is outside [0, k).
        """
        if not len(batch):
            return self
        wealth = dict(self.wealth)
        wealth["confidence"] = wealth["confidence"].after(self._on_confidence(batch))
        wealth["labels"] = wealth["labels"].after(self._on_labels(batch))
        far, far_of = self.far, self.far_of
        if batch.far is not None:
            counts = beyond(batch.far)
            wealth["novelty"] = wealth["novelty"].after(self._on_novelty(counts, len(batch)))
            far, far_of = far + counts, far_of + len(batch)
        return replace(self, documents=self.documents + len(batch), wealth=wealth, far=far, far_of=far_of)

    @property
    def threshold(self) -> float:
        """The log wealth that is an alarm, the same for each test."""
        return log(len(TESTS) / ((1 - OF_REFERENCE) * self.alpha))

    @property
    def alarms(self) -> tuple[str, ...]:
        """The tests whose wealth has reached the threshold since the start."""
        return tuple(test for test in TESTS if self.wealth[test].peak >= self.threshold)

    def to_json(self) -> dict[str, Any]:
        """Return it as values that JSON knows, without the reference, which does not change."""
        return {
            "alpha": self.alpha,
            "tolerance": asdict(self.tolerance),
            "documents": self.documents,
            "far": self.far.tolist(),
            "far_of": self.far_of,
            "wealth": {test: self.wealth[test].to_json() for test in TESTS},
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], reference: Reference) -> "Watch":
        """Return what `to_json` was called on."""
        return cls(
            reference,
            Tolerance(**stored["tolerance"]),
            float(stored["alpha"]),
            int(stored["documents"]),
            {test: Wealth.from_json(stored["wealth"][test]) for test in TESTS},
            np.asarray(stored["far"], np.int64),
            int(stored["far_of"]),
        )

    @property
    def _error(self) -> float:
        return OF_REFERENCE * self.alpha / len(TESTS)

    def _on_confidence(self, batch: Batch) -> Moves:
        known = self.reference
        off = self.tolerance.confidence + float(radius(known.variance, known.n, self._error / 2))
        low, high = map(float, known.within(known.mean))
        return bets_on_mean(batch.confidence, known.mean, known.variance, low - off, high + off)

    def _on_labels(self, batch: Batch) -> Moves:
        known, off = self.reference, self.tolerance.labels
        k = len(known.counts)
        low, high = exact_bounds(known.counts, known.n, self._error / (2 * k))
        low, high = known.within(low)[0] - off, known.within(high)[1] + off
        return bets_on_shares(label_counts(batch, k), len(batch), known.shares, low, high, known.n)

    def _on_novelty(self, counts: Indices, m: int) -> Moves:
        known = self.reference
        n = known.far_of + self.far_of if known.far_of else 0
        return bets_on_tails(counts, m, self.tolerance.far, known.far + self.far, n)
