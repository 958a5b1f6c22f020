"""Choose the query strategy of each round from what the run has measured. Pure NumPy. n documents, k classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from laud_ray.query.mix import Mix
from laud_ray.query.spatial.covering import TypiClust
from laud_ray.query.spatial.diverse import Diverse
from laud_ray.query.uncertainty import Margin, Random
from laud_ray.stats.metrics import error_auc
from laud_ray.types import Bools, Candidates, Floats, Indices, QueryStrategy

# Estimated shares of the corpus that the model labels wrongly. Above MANY_ERRORS, typical documents improve the model
# most; below FEW_ERRORS, uncertain ones do (docs/LOG.md).
MANY_ERRORS = 0.6
FEW_ERRORS = 0.4
# Below this AUC, the model's confidence separates its errors from its correct labels hardly better than chance (0.5).
LEAST_AUC = 0.55
# The AUC is computed only from at least this many errors and this many correct labels. At 30, chance alone gives 0.45
# to 0.55. It also excludes good models, most of whose apparent errors are wrong answers of the oracle.
LEAST_OF_EACH = 30


@dataclass(frozen=True, slots=True)
class Batch:
    """The answered queries of one round.

    Attributes:
        asked: the number of documents with an answer.
        surprises: how many of them got another label than the model had predicted.
    """

    asked: int
    surprises: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """The measurements from which the strategy of a round is chosen.

    Attributes:
        counts: (k,) the number of annotations of each class.
        errors: the estimated share of the corpus, in [0, 1], that the last model labels wrongly.
        confidence_auc: how well the last model's confidence separates correct labels from errors on the evaluation
            sample, as an AUC in [0, 1] (see `error_auc`); None if there are fewer than LEAST_OF_EACH of either.
        batches: the queries of each round so far, oldest first, without those of the seed.
    """

    counts: Sequence[int]
    errors: float
    confidence_auc: float | None
    batches: Sequence[Batch] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """The strategy that was chosen for a round, and why.

    Attributes:
        shares: the share of the batch of each strategy, by its name in PARTS; strategies without a share are left out.
        why: the reason, in a sentence.
        cause: a short name of the reason, such as "many errors"; empty in choices of an earlier version.
    """

    shares: Mapping[str, float]
    why: str
    cause: str = ""

    @property
    def name(self) -> str:
        """A name for the choice, such as "typiclust" or "50 % typiclust, 50 % margin"."""
        if len(self.shares) == 1:
            return next(iter(self.shares))
        return ", ".join(f"{share:.0%}".replace("%", " %") + f" {part}" for part, share in self.shares.items())

    def differs(self, before: "Choice | None") -> bool:
        """Whether the shares or the cause differ from those of the previous choice; true if there is none."""
        return before is None or (self.name, self.cause) != (before.name, before.cause)


PARTS: dict[str, QueryStrategy] = {"typiclust": TypiClust(), "margin": Diverse(Margin(), "kmeans"), "random": Random()}


@dataclass(frozen=True, slots=True)
class Auto:
    """Follows the decision of `choose`.

    A pass runs before the decision, so it makes a shortlist for each strategy in PARTS.

    Attributes:
        choice: the decision; None before it is made, and in a pass.
    """

    choice: Choice | None = None

    @property
    def reach(self) -> int:
        return self._mix.reach

    @property
    def committee(self) -> int:
        return self._mix.committee

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 3) utilities, one column for each strategy in PARTS; larger is better."""
        return self._mix.utility(proba)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, as Mix does.

        Raises:
            PoolExhaustedError: if the shortlists hold fewer than n documents.
            ValueError: if the pool has no space, or its criteria are not one for each strategy in PARTS.
        """
        return self._mix.pick(pool, n, rng=rng)

    @property
    def _mix(self) -> Mix:
        shares = dict.fromkeys(PARTS, 1.0) if self.choice is None else self.choice.shares
        return Mix(tuple((shares.get(name, 0.0), part) for name, part in PARTS.items()))


def confidence_auc(confidence: Floats, correct: Bools) -> float | None:
    """Map (n,) confidences, and whether each label is correct, to the AUC; None below LEAST_OF_EACH of either kind."""
    if min(int(correct.sum()), int((~correct).sum())) < LEAST_OF_EACH:
        return None
    return error_auc(confidence, correct)


def choose(evidence: Evidence) -> Choice:
    """Choose typical documents while the model makes many errors, and diverse uncertain documents afterwards.

    With few labels, a model is confidently wrong in whole regions of the space, and a typical document of a region
    improves it more than one at its border; later, the remaining errors lie at the borders (Hacohen, Dekel and
    Weinshall 2022, "Active Learning on a Budget"). The moment of the change depends on the error rate on the evaluation
    sample, not on a number of labels.
    """
    seen = f"{sum(count > 0 for count in evidence.counts)} of {len(evidence.counts)} classes have an annotation"
    errs = f"the model mislabels about {evidence.errors:.0%} of documents"
    if evidence.confidence_auc is not None and evidence.confidence_auc < LEAST_AUC:
        return Choice(
            {"typiclust": 1.0},
            f"{errs}, and its confidence does not separate errors from correct answers (AUC "
            f"{evidence.confidence_auc:.2f}; 0.50 is chance), so the next questions go to typical "
            f"documents in regions without annotations; {seen}",
            "blind",
        )
    if _pointless(evidence):
        last = evidence.batches[-1]
        return Choice(
            {"margin": 0.5, "random": 0.5},
            f"only {last.surprises} of the last {last.asked} answers differed from the model's label, fewer than "
            f"expected for random documents ({evidence.errors:.0%}), so half of the questions are drawn at random",
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
            "in regions without annotations, and half to documents of which the model is unsure",
            "some errors",
        )
    return Choice(
        {"margin": 1.0},
        f"{errs}, no more than {FEW_ERRORS:.0%}, so questions go to diverse documents of which it is unsure",
        "few errors",
    )


def _pointless(evidence: Evidence) -> bool:
    """Whether the last batch found fewer errors than the same number of random documents would have."""
    last = evidence.batches[-1] if evidence.batches else None
    return last is not None and last.surprises < evidence.errors * last.asked
