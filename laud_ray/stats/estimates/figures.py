"""All figures of a model (accuracy, macro-F1, calibration, classes) from one sample. n documents, k classes."""

from collections.abc import Sequence

import numpy as np

from laud_ray.stats.estimates.accuracy import estimate_accuracy
from laud_ray.stats.estimates.classes import estimate_classes
from laud_ray.stats.estimates.macro import estimate_macro_f1, widened_to_classes
from laud_ray.stats.estimates.sample import Sample
from laud_ray.stats.metrics import calibration_error, confusion, precision_recall_f1
from laud_ray.types import ClassFigures, Figures


def figures(sample: Sample, labels: Sequence[str], *, seed: int) -> Figures:
    """Return all figures of a model.

    Args:
        sample: annotated documents with the model's predictions.
        labels: the k label names, in the order of the integer labels.
        seed: seeds the bootstrap of macro-F1.

    A true label of k is none of them: whatever is predicted there is wrong. It is no class, so it has no row, and the
    macro average is over the k classes.

    Raises:
        ValueError: if a true label is outside [0, k], a prediction outside [0, k), or a confidence outside [0, 1].
    """
    k = len(labels)
    correct, per_class = sample.true == sample.predicted, _per_class(sample, labels)
    return Figures(
        n=len(sample),
        accuracy=estimate_accuracy(sample),
        macro_f1=widened_to_classes(estimate_macro_f1(sample, k + 1, seed=seed, averaged=k), per_class),
        calibration_error=calibration_error(sample.confidence, correct, sample.weights),
        per_class=per_class,
    )


def _per_class(sample: Sample, labels: Sequence[str]) -> tuple[ClassFigures, ...]:
    k = len(labels)
    if (sample.predicted >= k).any():
        raise ValueError(f"label {sample.predicted.max()} is outside [0, {k})")
    support = np.bincount(sample.true, minlength=k)[:k].tolist()
    scores = precision_recall_f1(confusion(sample.true, sample.predicted, k + 1, sample.weights))
    predicted = np.bincount(sample.predicted, minlength=k).tolist()
    estimates = estimate_classes(sample, k + 1)[:k]
    rows = zip(labels, support, *(score[:k].tolist() for score in scores), predicted, estimates, strict=True)
    return tuple(ClassFigures(*row) for row in rows)
