"""Choose documents to check, and from the answers the threshold that reaches a target precision. Pure NumPy.

n documents of the pool, a answers.
"""

import numpy as np

from laud_ray.types import Bools, Floats, Indices

STRATA = 5


def to_check(score: Floats, free: Bools, size: int, rng: np.random.Generator) -> Indices:
    """Draw rows of the pool for a trusted oracle, mostly from the top of the ranking, where the threshold is decided.

    The ranking is divided into STRATA strata, each twice as large as the previous one, and the last with all the rest.
    The same number of rows is drawn from each. So the top is covered well at any prevalence, and every document has a
    chance to be drawn.

    Args:
        score: (n,) the model's scores; larger is likelier.
        free: (n,) whether a row may be drawn.
    """
    ranking = np.flatnonzero(free)[np.argsort(-score[free], kind="stable")]
    each = size // STRATA
    edges = [each * (2**h - 1) for h in range(STRATA)]
    return np.concatenate([rng.permutation(part)[:each] for part in np.split(ranking, edges[1:])])


def lower_bound(hits: Floats, n: Floats) -> Floats:
    """Wilson's score bound one standard error below the shares hits / n."""
    share = hits / n
    bound: Floats = (share + 0.5 / n - np.sqrt(share * (1 - share) / n + 0.25 / n**2)) / (1 + 1 / n)
    return bound


def threshold(score: Floats, positive: Bools, target: float) -> float:
    """Return the lowest score at which the precision's bound reaches the target, else the one where it is highest."""
    order = np.argsort(-score, kind="stable")
    bound = lower_bound(np.cumsum(positive[order]).astype(float), np.arange(1, len(order) + 1).astype(float))
    ends = np.append(np.diff(score[order]) != 0, True)  # rows with equal scores are predicted together
    bound = np.where(ends, bound, -1.0)
    reached = np.flatnonzero(bound >= target)
    return float(score[order[reached[-1] if len(reached) else int(bound.argmax())]])
