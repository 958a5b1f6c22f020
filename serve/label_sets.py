"""The answers of a multilabel model: the labels that apply to each text. n texts, k labels."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from laud_ray.stats.multilabel.rules import Rules, sets, whole_set
from laud_ray.types import Floats


def label_sets(rules: Rules, names: Sequence[str], proba: Floats) -> Iterable[dict[str, object]]:
    """Yield the labels that apply to each text, likeliest first, and the probability that the whole set is right."""
    applies = rules.applies(proba)
    shown = proba.astype(np.float64).round(6)
    for row, columns, sure in zip(
        shown, sets(proba, applies), whole_set(proba, applies).round(6).tolist(), strict=True
    ):
        yield {"labels": [{"label": names[j], "confidence": float(row[j])} for j in columns], "confidence": sure}


def names_in(result: Mapping[str, object]) -> list[str]:
    """Return the names of the labels that apply, of a result."""
    labels = result["labels"]
    assert isinstance(labels, list)
    return [one["label"] for one in labels]
