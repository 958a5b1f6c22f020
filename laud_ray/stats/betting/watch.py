"""Three tests that watch new documents: confidence, label mix, and novelty. Pure NumPy. k labels."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import log
from typing import Any

import numpy as np

from laud_ray.stats.betting.bets import bets_on_mean, bets_on_shares
from laud_ray.stats.betting.reference import Batch, Reference, label_counts, radius
from laud_ray.stats.betting.wealth import Moves, Wealth

TESTS = ("confidence", "labels", "novelty")
# The part of alpha for the case that the reference itself is off.
OF_REFERENCE = 0.1


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much may change without an alarm.

    Attributes:
        confidence: the change of the mean confidence, in either direction.
        labels: the change of the share of any one label, in either direction.
        novelty: the share of novel documents; it is 1 % in the reference by definition.
    """

    confidence: float = 0.01
    labels: float = 0.02
    novelty: float = 0.015

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 < value < 1:
                raise ValueError(f"tolerance.{name}: {value} is not valid; expected above 0 and below 1")


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """The state of the three tests after some batches; `after` returns the next one.

    While what is tolerated is all that changed, any of them ever raises an alarm with a probability of at most alpha,
    however many batches there are and however often one looks. To spend alpha anew each year, start anew each year. An
    alarm stays until then.

    The hypotheses allow for the error of a finite reference: its own confidence bounds are added to the tolerances of
    confidence and labels, and whatever the documents are like that the model was trained on is tolerated too. For
    novelty the bounds count only if they are larger than the tolerated share, which is a share beyond a known distance
    and not beyond an estimated one. A test for which the reference is too small has no bets.

    Attributes:
        reference: what new documents are compared with.
        tolerance: how much may change.
        alpha: the probability of a false alarm, in (0, 1).
        documents: the number of documents in all batches.
        wealth: of each test.
    """

    reference: Reference
    tolerance: Tolerance
    alpha: float
    documents: int
    wealth: Mapping[str, Wealth]

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
        if batch.novel is not None:
            wealth["novelty"] = wealth["novelty"].after(self._on_novelty(batch))
        return replace(self, documents=self.documents + len(batch), wealth=wealth)

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
        known, shares = self.reference, self.reference.shares
        error = self._error / (2 * len(shares))
        off = self.tolerance.labels + radius(shares * (1 - shares), known.n, error)
        counts, (low, high) = label_counts(batch, len(shares)), known.within(shares)
        return bets_on_shares(counts, len(batch), shares, low - off, high + off, known.n)

    def _on_novelty(self, batch: Batch) -> Moves:
        assert batch.novel is not None
        known = self.reference
        share = known.novel / max(known.novel_of, 1)
        high = max(self.tolerance.novelty, share + float(radius(share * (1 - share), known.novel_of, self._error)))
        counts = np.array([batch.novel.sum()])
        return bets_on_shares(counts, len(batch), np.array([share]), np.zeros(1), np.array([high]), known.novel_of)
