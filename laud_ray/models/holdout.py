"""Hold examples out of training, to calibrate a model on them."""

import numpy as np

from laud_ray.types import Indices

# With fewer held-out examples than this, their loss would mostly be chance; none are held out then.
MIN_HOLDOUT = 20


def hold_back(targets: Indices, share: float, rng: np.random.Generator) -> Indices:
    """Draw the examples to hold out, never the last one of a class; none if there would be fewer than MIN_HOLDOUT.

    Args:
        targets: (n,) classes of the examples.
        share: the share to hold out, in [0, 1].
        rng: decides which.

    Returns:
        Their indices, sorted.
    """
    order = rng.permutation(len(targets))
    left = np.bincount(targets)
    held: list[int] = []
    for i in order:
        if len(held) < round(share * len(targets)) and left[targets[i]] > 1:
            held.append(int(i))
            left[targets[i]] -= 1
    return np.sort(np.asarray(held, np.int64)) if len(held) >= MIN_HOLDOUT else np.empty(0, np.int64)
