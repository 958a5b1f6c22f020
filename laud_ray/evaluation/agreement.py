"""Agreement between the models of two consecutive rounds, without any labels."""

from collections.abc import Sequence

import numpy as np

from laud_ray.evaluation.measure import predictions
from laud_ray.stats.metrics import cohen_kappa, delta_f
from laud_ray.storage.folder import Folder
from laud_ray.store.store import Sampled


def agreement(
    before: Folder, after: Folder, stop_set: Sequence[Sampled], names: Sequence[str], *, binary: bool
) -> tuple[float, float] | tuple[None, None]:
    """Return Cohen's kappa between two passes on the stop set, and the predicted change of F1.

    For a binary task the change is that of the positive class, which is the first; else it is the mean over the
    classes that either pass predicts. Without a stop set the result is (None, None).
    """
    if not stop_set:
        return None, None
    one, other = (predictions(scores, stop_set, names)[0] for scores in (before, after))
    both = (one >= 0) & (other >= 0)
    one, other = one[both], other[both]
    classes = [0] if binary else np.union1d(one, other)
    change = float(np.mean([delta_f(one, other, int(c)) for c in classes]))
    return cohen_kappa(one, other, len(names)), change
