"""The wealth of one test, and where it is put for the next batch. Pure NumPy. E bets.

A bet multiplies what is put on it by a gain. As long as the null hypothesis holds, a gain is 1 at most in expectation,
given all earlier batches. So any division of the wealth among bets and cash is allowed that is made before the batch is
seen, and the wealth ever reaches a factor c with a probability of at most 1 / c (Ville's inequality).

How it is divided decides only how soon a drift is noticed. Each bet has a cumulative sum of log likelihood ratios
against the reference (not against the edge of what is tolerated), never below 0: Page (1954), "Continuous Inspection
Schemes". What is put on a bet grows with the exponential of its sum. So the wealth lies in cash while all is calm,
however long, and on the right bet one batch after a drift began. A small part, which shrinks with the number of
batches, is always on all bets, for a drift that is obvious in its first batch. A thousand calm batches cost some
two nats.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np

from laud_ray.types import Bools, Floats

# How much is put on all bets together, for each unit of exp(sum) - 1, in the first batches. After CALM batches it is
# half of this, and so on, so that the costs of calm grow with the logarithm of their number only.
STAKE = 0.02
CALM = 50
# The part that is always on all bets is this, divided by the number of batches: 52 of them cost 0.45 nats.
ALWAYS = 0.1
# A sum above this could decide no more, and would need as long to fall.
MOST = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """What a batch did to the bets of a test.

    Attributes:
        gains: (E,) logs of the gains of the bets.
        evidence: (E,) log likelihood ratios of what the bets are on, against the reference.
        open: (E,) whether a bet can be made at all.
    """

    gains: Floats
    evidence: Floats
    open: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Wealth:
    """The wealth of a test after some batches.

    Attributes:
        log: the natural logarithm of the wealth, which starts at 0.
        peak: the largest value that `log` had.
        batches: the number of batches with documents.
        sums: (E,) of the bets, in [0, MOST]; None before the first batch.
    """

    log: float = 0.0
    peak: float = 0.0
    batches: int = 0
    sums: Floats | None = None

    def after(self, moves: Moves) -> "Wealth":
        """Return the wealth after one more batch."""
        sums = np.zeros(len(moves.gains)) if self.sums is None else self.sums
        able = moves.open
        prior: Floats = able / max(int(np.count_nonzero(able)), 1)
        on: Floats = STAKE * CALM / (CALM + self.batches) * prior * np.expm1(sums)
        always = ALWAYS / (1 + self.batches)
        parts = (1 - always) * on / (1 + on.sum()) + always * prior
        # Not as 1 - parts.sum(), which rounding could make 0.
        cash = (1 - always) / (1 + float(on.sum())) + always * (0.0 if able.any() else 1.0)
        used = parts > 0
        logs = np.append(np.log(parts[used]) + moves.gains[used], log(cash))
        top = logs.max()
        level = self.log + float(top + np.log(np.exp(logs - top).sum()))
        # Rounded here, so that what is stored is what is used.
        moved = np.round(np.clip(sums + np.where(able, moves.evidence, 0.0), 0, MOST), 3)
        return Wealth(level, max(self.peak, level), self.batches + 1, moved)

    def to_json(self) -> dict[str, Any]:
        """Return it as values that JSON knows; only the sums above 0 are listed."""
        sums = np.zeros(0) if self.sums is None else self.sums
        at = np.flatnonzero(sums)
        return {
            "log": self.log,
            "peak": self.peak,
            "batches": self.batches,
            "bets": len(sums),
            "at": at.tolist(),
            "sums": sums[at].tolist(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Wealth":
        """Return what `to_json` was called on."""
        sums = np.zeros(int(stored["bets"]))
        sums[np.asarray(stored["at"], np.int64)] = stored["sums"]
        return cls(
            float(stored["log"]), float(stored["peak"]), int(stored["batches"]), sums if stored["batches"] else None
        )
