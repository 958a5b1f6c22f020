"""Compare answers that are sets of labels. Pure. n answers, k labels, d distinct answers."""

from collections.abc import Iterator, Sequence

import numpy as np

from laud_ray.label_sets import APPLIES, LabelSet, masks
from laud_ray.types import Floats


def distances(answers: Sequence[str], others: Sequence[str]) -> Floats:
    """Return the (d, e) Jaccard distances of sets of labels, in [0, 1]: the share of their labels that one has alone.

    Two empty sets have distance 0. Sets of one label have distance 0 or 1, as the labels of other tasks.

    Args:
        answers: d text forms of sets.
        others: e of them.
    """
    names = sorted({label for one in (*answers, *others) for label in LabelSet.parse(one).yes})
    one, other = ((masks(texts, names) == APPLIES).astype(np.float64) for texts in (answers, others))
    both = one @ other.T
    either = one.sum(1)[:, None] + other.sum(1)[None, :] - both
    share: Floats = np.divide(both, either, out=np.ones_like(both), where=either > 0)
    return 1.0 - share


def replaced(one: str, other: str) -> Iterator[tuple[str, str]]:
    """Yield the labels that stand in each other's place in two sets: those of the one alone, and of the other alone.

    They are yielded where one label takes the place of one other; otherwise it is not clear which replaces which.
    """
    a, b = set(LabelSet.parse(one).yes), set(LabelSet.parse(other).yes)
    if len(a - b) == len(b - a) == 1:
        yield (a - b).pop(), (b - a).pop()
