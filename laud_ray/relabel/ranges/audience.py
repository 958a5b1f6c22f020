"""Which rows are in the audience of a rule. n rows, D levels."""

from collections.abc import Sequence

import numpy as np

from laud_ray.relabel.ranges.scored import Answered
from laud_ray.relabel.rule import Rule
from laud_ray.taxonomy import Taxonomy
from laud_ray.types import Bools


def inside(rule: Rule, answered: Answered, labels: Sequence[str], taxonomy: Taxonomy | None) -> Bools:
    """Return (n,) whether each row is in a rule's audience.

    In a taxonomy, it depends on the likeliest leaf's path; in a multilabel task, on a label of the row's set.
    """
    first = answered.top[:, 0].astype(np.int64)
    if answered.sets is not None:
        place = answered.sets.labels == labels.index(rule.label)
        belongs, confidence = place.any(axis=1), np.where(place, answered.sets.probability, 0).max(axis=1, initial=0)
    elif taxonomy is None:
        belongs, confidence = first == labels.index(rule.label), answered.probability[:, 0]
    else:
        node = taxonomy.find(rule.label)
        assert node is not None, "checked before the first range"
        assert answered.confidences is not None, "scored with the taxonomy"
        belongs = (first >= taxonomy.leaf_starts[node]) & (first < taxonomy.leaf_stops[node])
        confidence = np.nan_to_num(answered.confidences[:, taxonomy.depths[node] - 1], nan=-1.0)
    return np.asarray(answered.usable & belongs & (confidence >= np.float32(rule.threshold)))
