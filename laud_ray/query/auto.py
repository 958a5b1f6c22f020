"""Choose how to ask, round by round, from what the run has measured. Pure NumPy. n documents, k classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from laud_ray.query.mix import Mix
from laud_ray.query.spatial.covering import TypiClust
from laud_ray.query.spatial.diverse import Diverse
from laud_ray.query.uncertainty import Margin, Random
from laud_ray.stats.metrics import error_auc
from laud_ray.types import Bools, Candidates, Floats, Indices, QueryStrategy

# Where the model errs on more than this share of the corpus, typical documents teach most (docs/LOG.md).
MANY_ERRORS = 0.6
FEW_ERRORS = 0.4
# Below this a model's confidence tells its errors from its hits hardly better than a coin, which has 0.5.
BLIND = 0.55
# With fewer errors, or fewer hits, that is chance: at 30 of them a coin may have 0.45 or 0.55. So it also is where a
# few percent of the answers are wrong and the model's errors are mostly the oracle's.
TELLING = 30


@dataclass(frozen=True, slots=True)
class Batch:
    """One round's queries, answered: of `asked` documents `surprises` got another label than the model had given."""

    asked: int
    surprises: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known before a round asks.

    Attributes:
        counts: (k,) annotations of each class.
        errors: estimated share of the corpus, in [0, 1], that the last model labels wrongly.
        knows: chance that the last model is surer of a document that it labels rightly than of one that it labels
            wrongly, on the evaluation sample; None if too few are right there, or too few wrong, to tell.
        batches: the queries of each round so far, the seed's not, the last one last.
    """

    counts: Sequence[int]
    errors: float
    knows: float | None
    batches: Sequence[Batch] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """How to ask.

    Attributes:
        shares: of each of PARTS by its name, those without one left out.
        why: in a sentence.
        cause: the kind of reason, in a word or two; empty in choices of an earlier version.
    """

    shares: Mapping[str, float]
    why: str
    cause: str = ""

    @property
    def name(self) -> str:
        """Such as "typiclust", or "50 % typiclust, 50 % margin"."""
        if len(self.shares) == 1:
            return next(iter(self.shares))
        return ", ".join(f"{share:.0%}".replace("%", " %") + f" {part}" for part, share in self.shares.items())

    def differs(self, before: "Choice | None") -> bool:
        """Whether it asks otherwise than the choice before, or for another kind of reason; the first one does."""
        return before is None or (self.name, self.cause) != (before.name, before.cause)


PARTS: dict[str, QueryStrategy] = {"typiclust": TypiClust(), "margin": Diverse(Margin(), "kmeans"), "random": Random()}


@dataclass(frozen=True, slots=True)
class Auto:
    """Asks as `choose` says; a pass makes a shortlist for each of PARTS, since what it finds decides among them.

    Attributes:
        choice: what was decided; None before, and in a pass.
    """

    choice: Choice | None = None

    @property
    def reach(self) -> int:
        return self._mix.reach

    @property
    def committee(self) -> int:
        return self._mix.committee

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 3) utilities, a column for each of PARTS; larger is better."""
        return self._mix.utility(proba)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, as Mix does.

        Raises:
            PoolExhaustedError: if the shortlists hold fewer than n documents.
            ValueError: if the pool has no space, or not one criterion for each part.
        """
        return self._mix.pick(pool, n, rng=rng)

    @property
    def _mix(self) -> Mix:
        shares = dict.fromkeys(PARTS, 1.0) if self.choice is None else self.choice.shares
        return Mix(tuple((shares.get(name, 0.0), part) for name, part in PARTS.items()))


def knows(confidence: Floats, correct: Bools) -> float | None:
    """Return what Evidence wants to know of (n,) evaluation documents, labelled rightly or not, and confidences."""
    if min(int(correct.sum()), int((~correct).sum())) < TELLING:
        return None
    return error_auc(confidence, correct)


def choose(evidence: Evidence) -> Choice:
    """Ask about the typical while the model errs on much; then about what it is unsure of, spread over what differs.

    With few labels a model is wrong about whole regions and sure of it, and a typical document of a region teaches
    more than one at its border; later the errors are at the borders (Hacohen, Dekel and Weinshall 2022, "Active
    Learning on a Budget"). When to change is not a count of labels, but what the evaluation sample shows.
    """
    seen = f"{sum(count > 0 for count in evidence.counts)} of {len(evidence.counts)} classes have an annotation"
    errs = f"the model errs on about {evidence.errors:.0%} of documents"
    if evidence.knows is not None and evidence.knows < BLIND:
        return Choice(
            {"typiclust": 1.0},
            f"{errs}, and its confidence does not separate errors from correct answers (AUC {evidence.knows:.2f}; 0.50 "
            f"is chance), so the next questions go to typical documents in regions without annotations; {seen}",
            "blind",
        )
    if _pointless(evidence):
        last = evidence.batches[-1]
        return Choice(
            {"margin": 0.5, "random": 0.5},
            f"only {last.surprises} of the last {last.asked} answers were other than the model's label, fewer than "
            f"among random documents ({evidence.errors:.0%}), so half of the questions are drawn at random",
            "few surprises",
        )
    if evidence.errors > MANY_ERRORS:
        return Choice(
            {"typiclust": 1.0},
            f"{errs}, more than {MANY_ERRORS:.0%}, so questions go to typical documents in regions without "
            f"annotations; {seen}",
            "many errors",
        )
    if evidence.errors > FEW_ERRORS:
        return Choice(
            {"typiclust": 0.5, "margin": 0.5},
            f"{errs}, between {FEW_ERRORS:.0%} and {MANY_ERRORS:.0%}, so half of the questions go to typical documents "
            "of what is not covered, half to what the model is unsure of",
            "some errors",
        )
    return Choice(
        {"margin": 1.0},
        f"{errs}, no more than {FEW_ERRORS:.0%}, so questions go to what it is unsure of, spread over what differs",
        "few errors",
    )


def _pointless(evidence: Evidence) -> bool:
    """Whether the last batch found fewer errors than as many random documents would have held."""
    last = evidence.batches[-1] if evidence.batches else None
    return last is not None and last.surprises < evidence.errors * last.asked
