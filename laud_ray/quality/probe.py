"""How much the answers of a language model depend on the wording of its prompt, the order of the labels, and chance.

Pure. n documents, drawn at random, are each asked in several prompts of the same meaning. The documents are the
sampling units: their answers to different prompts are not independent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy

from laud_ray.labels import UNSURE
from laud_ray.stats.estimates.accuracy import estimate_share, wilson
from laud_ray.types import Estimate

# The error probability of `Change`, for each comparison of two probes.
ERROR = 0.05
# An answer: a label, "unsure", or None for a reply without any.
Label: TypeAlias = str | None


@dataclass(frozen=True, slots=True)
class Probed:
    """The answers about one document.

    Attributes:
        base: to the prompt that is used.
        again: to the same prompt, asked once more.
        wordings: to prompts with other instructions.
        orders: pairs of answers to prompts that differ in the order of the labels alone; `base` is of the first pair.
    """

    base: Label
    again: Label
    wordings: tuple[Label, ...]
    orders: tuple[tuple[Label, Label], ...]

    @property
    def stable(self) -> bool:
        """Whether all prompts gave the same answer."""
        return len({self.base, *self.wordings, *(one for pair in self.orders for one in pair)}) == 1


@dataclass(frozen=True, slots=True)
class Errors:
    """The errors of the prompt that is used, among n of its labels of documents whose right label is known."""

    n: int
    wrong: int

    @property
    def share(self) -> Estimate | None:
        return estimate_share(self.wrong, self.n) if self.n else None


@dataclass(frozen=True, slots=True)
class Flips:
    """How often an answer changes. All shares are of the n documents, in [0, 1].

    Attributes:
        again: probability that the label changes if the same prompt is asked again.
        wording: that it changes if the instructions are worded in another way.
        order: that it changes if the labels are listed in the reverse order.
        unstable: share of documents on which the prompts do not all give one label.
        unread: answers without a label of `answers`: not readable, or refused.
        errors: among the unstable documents, and among the stable ones.
    """

    n: int
    again: Estimate
    wording: Estimate
    order: Estimate
    unstable: Estimate
    answers: int
    unread: int
    errors: tuple[Errors, Errors]


@dataclass(frozen=True, slots=True)
class Change:
    """Whether a model answers differently than before, by the answers to one prompt.

    Attributes:
        n: documents with answers of both times.
        changed: probability that an answer of one time differs from one of the other.
        before, after: that two answers of the same time differ; None where each document has only one.
        telling: documents that bear on the question: their answers differ, and the times could explain it.
        split: of these, the documents on which the times do explain it.
        p: the exact p-value of the hypothesis that nothing has changed.
    """

    n: int
    changed: Estimate
    before: float | None
    after: float | None
    telling: int
    split: int
    p: float

    @property
    def found(self) -> bool:
        return self.p < ERROR


def flips(documents: Mapping[str, Probed], right: Mapping[str, str]) -> Flips:
    """Describe the answers about n >= 1 documents, by their ids.

    Args:
        right: the right labels, of those documents where one is known.
    """
    ones = list(documents.values())
    answers = [one for d in ones for one in _all(d)]
    errors = []
    for stable in (False, True):
        known = [
            (d.base, right[name])
            for name, d in documents.items()
            if name in right and d.base not in (None, UNSURE) and d.stable == stable
        ]
        errors.append(Errors(len(known), sum(said != label for said, label in known)))
    return Flips(
        len(ones),
        rate([[d.base != d.again] for d in ones]),
        rate([[d.base != other for other in d.wordings] for d in ones]),
        rate([[first != second for first, second in d.orders] for d in ones]),
        estimate_share(sum(not d.stable for d in ones), len(ones)),
        len(answers),
        sum(one is None for one in answers),
        (errors[0], errors[1]),
    )


def _all(document: Probed) -> list[Label]:
    paired = [one for pair in document.orders for one in pair[1:]]
    return [document.base, document.again, *document.wordings, *paired]


def rate(differs: Sequence[Sequence[bool]]) -> Estimate:
    """Return the mean over n documents of the share of their comparisons that differ, with a 95 % interval.

    Wilson's interval for the number of independent comparisons that would have the variance of the documents' shares
    (Korn and Graubard 1998, "Confidence Intervals for Proportions with Small Expected Number of Positive Counts
    Estimated from Survey Data", with Wilson's interval in place of the exact one).

    Args:
        differs: for each document, its comparisons; as many for each, at least 1.
    """
    shares = np.array([np.mean(one) for one in differs])
    n, p = len(shares), float(shares.mean())
    variance = float(shares.var(ddof=1)) / n if n > 1 else 0.0
    most = n * len(differs[0])
    size = min(max(p * (1 - p) / variance, n), most) if variance > 0 and 0 < p < 1 else float(n)
    low, high = wilson(p, size)
    return Estimate(p, low, high, n)


def change(before: Sequence[tuple[Label, ...]], after: Sequence[tuple[Label, Label]]) -> Change:
    """Test whether a model answers one prompt differently than before, beyond its own chance.

    If nothing has changed, the three or four answers about a document are exchangeable: each way to divide them into
    those of before and those of after is as likely as the others. There are three ways. On a document where one of
    them leaves fewer differing pairs within the two times than the other two do, it is the actual one with
    probability 1/3, independently of all other documents, so that the number of these documents is binomial: an exact
    conditional test, in the manner of McNemar's (1947, "Note on the Sampling Error of the Difference Between Correlated
    Proportions or Percentages"), which conditions on the discordant pairs.

    Args:
        before: (n,) one or two answers about each document, as many for each.
        after: (n,) two answers about each of the same documents.
    """
    actual = [_telling(old, new) for old, new in zip(before, after, strict=True)]
    telling, split = sum(one is not None for one in actual), sum(one is True for one in actual)
    p = 1.0 if split == 0 else float(scipy.special.bdtrc(split - 1, telling, 1 / 3))
    across = [[a != b for a in old for b in new] for old, new in zip(before, after, strict=True)]
    twice = [old[0] != old[1] for old in before if len(old) == 2]
    return Change(
        len(across),
        rate(across),
        float(np.mean(twice)) if twice else None,
        float(np.mean([new[0] != new[1] for new in after])),
        telling,
        split,
        p,
    )


def _telling(old: tuple[Label, ...], new: tuple[Label, Label]) -> bool | None:
    """Whether the actual division of a document's answers explains how they differ; None if none does so alone."""
    divisions: list[tuple[tuple[Label, ...], tuple[Label, ...]]]
    if len(old) == 1:
        divisions = [(old, new), ((new[0],), (old[0], new[1])), ((new[1],), (old[0], new[0]))]
    else:
        divisions = [(old, new), ((old[0], new[0]), (old[1], new[1])), ((old[0], new[1]), (old[1], new[0]))]
    within = [sum(len(set(part)) - 1 for part in parts) for parts in divisions]
    best = min(within)
    return None if within.count(best) > 1 else within[0] == best
