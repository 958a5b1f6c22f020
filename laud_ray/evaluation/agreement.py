"""Agreement between the models of two consecutive rounds, without any labels."""

from collections.abc import Sequence

import numpy as np

from laud_ray.evaluation.measure import predicted_sets, predictions
from laud_ray.evaluation.multilabel.measure import agreement_of_sets
from laud_ray.stats.metrics import cohen_kappa, delta_f
from laud_ray.storage.folder import Folder
from laud_ray.store.store import Sampled
from laud_ray.types import Task


def agreement(
    before: Folder, after: Folder, stop_set: Sequence[Sampled], task: Task
) -> tuple[float, float] | tuple[None, None]:
    """Return Cohen's kappa between two passes on the stop set, and the predicted change of F1.

    For a binary task the change is that of the positive class, which is the first; else it is the mean over the
    classes that either pass predicts. In a multilabel task both are over the pairs of a document and a label, so that
    the change is that of the micro-F1. Without a stop set the result is (None, None).
    """
    if not stop_set:
        return None, None
    names = task.names
    if task.multilabel:
        return agreement_of_sets(*(predicted_sets(scores, stop_set, names) for scores in (before, after)))
    one, other = (predictions(scores, stop_set, names)[0] for scores in (before, after))
    both = (one >= 0) & (other >= 0)
    one, other = one[both], other[both]
    classes = [0] if task.kind == "binary" else np.union1d(one, other)
    change = float(np.mean([delta_f(one, other, int(c)) for c in classes]))
    return cohen_kappa(one, other, len(names)), change
