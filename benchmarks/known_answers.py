"""A threshold from known answers: which documents to have checked, and where the precision holds. Pure NumPy.

n documents of the pool, a answers.
"""

import numpy as np

from laud_ray.types import Bools, Floats, Indices

STRATA = 5


def to_check(score: Floats, free: Bools, size: int, rng: np.random.Generator) -> Indices:
    """Draw rows of the pool for a trusted oracle, most where a threshold is decided: at the top of the ranking.

    Ranks are cut into STRATA, each twice as deep as the one before it and the last one the rest; as many are drawn
    from each. So the top is seen whole, whatever the category's prevalence, and every document can be drawn.

    Args:
        score: (n,) what the model says; larger is likelier.
        free: (n,) what may be drawn.
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
    """Return the least score at which the precision's bound reaches the target, else where it is highest."""
    order = np.argsort(-score, kind="stable")
    bound = lower_bound(np.cumsum(positive[order]).astype(float), np.arange(1, len(order) + 1).astype(float))
    ends = np.append(np.diff(score[order]) != 0, True)  # equal scores are named together
    bound = np.where(ends, bound, -1.0)
    reached = np.flatnonzero(bound >= target)
    return float(score[order[reached[-1] if len(reached) else int(bound.argmax())]])
