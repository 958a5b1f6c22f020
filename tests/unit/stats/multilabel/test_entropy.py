"""The entropies of labels that apply or not, each by itself."""

import numpy as np
import pytest

from laud_ray.stats.multilabel.entropy import binary_entropies, document_entropies


def test_entropies_of_certain_and_uncertain_labels() -> None:
    proba = np.array([[0.5, 1.0, 0.0], [0.1, 0.9, 0.25]])
    assert binary_entropies(proba) == pytest.approx(
        np.array([[np.log(2), 0, 0], [0.325083, 0.325083, 0.562335]]), abs=1e-6
    )
    assert document_entropies(proba) == pytest.approx([np.log(2), 1.212501], abs=1e-6)
    assert (binary_entropies(np.array([[0.0, 1.0]], np.float32)) >= 0).all()
