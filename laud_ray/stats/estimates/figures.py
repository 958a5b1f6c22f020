"""All figures of a model (accuracy, macro-F1, calibration, classes) from one sample. n documents, k classes."""

from collections.abc import Sequence

import numpy as np

from laud_ray.stats.estimates.accuracy import estimate_accuracy
from laud_ray.stats.estimates.classes import estimate_classes
from laud_ray.stats.estimates.macro import estimate_macro_f1, widened_to_classes
from laud_ray.stats.estimates.rows import Occurring, class_rows
from laud_ray.stats.estimates.sample import Sample
from laud_ray.stats.metrics import calibration_error, require_labels
from laud_ray.types import ClassFigures, Figures


def figures(sample: Sample, labels: Sequence[str], *, seed: int) -> Figures:
    """Return all figures of a model. Memory is linear in n and k.

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
    require_labels(sample.true, k + 1)
    require_labels(sample.predicted, k)
    occurring = Occurring.of(k, sample.true, sample.predicted)
    # Only the classes that occur are counted, so that neither k * k nor k * n numbers are ever held.
    few = Sample(
        occurring.place(sample.true), occurring.place(sample.predicted), sample.confidence, sample.strata, sample.sizes
    )
    per_class = class_rows(_measured(few, occurring), labels, occurring)
    macro = estimate_macro_f1(few, occurring.count + 1, seed=seed, averaged=occurring.count)
    return Figures(
        n=len(sample),
        accuracy=estimate_accuracy(sample),
        macro_f1=widened_to_classes(macro, per_class, k),
        calibration_error=calibration_error(sample.confidence, sample.true == sample.predicted, sample.weights),
        per_class=per_class,
        absent=k - len(per_class),
    )


def _measured(sample: Sample, occurring: Occurring) -> list[ClassFigures]:
    """Return the figures, without names, of the classes that occur, and last those of a class that does not."""
    size, weights = occurring.count + 2, sample.weights  # + the label that is no class, + a class that does not occur
    truths, predictions, hits = (
        np.bincount(labels, mass, minlength=size)
        for labels, mass in (
            (sample.true, weights),
            (sample.predicted, weights),
            (sample.true, weights * (sample.true == sample.predicted)),
        )
    )
    rates = [
        np.divide(part, whole, out=np.zeros(size), where=whole > 0).tolist()
        for part, whole in ((hits, predictions), (hits, truths), (2 * hits, truths + predictions))
    ]
    support, predicted = (np.bincount(one, minlength=size).tolist() for one in (sample.true, sample.predicted))
    columns = zip(support, *rates, predicted, estimate_classes(sample, size), strict=True)
    rows = [ClassFigures("", *row) for row in columns]
    return [*rows[: occurring.count], rows[-1]]
