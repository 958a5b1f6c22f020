"""Which groups of novel documents need a person."""

import numpy as np

from laud_ray.update.propose import FITS, _fitting


def test_a_label_fits_that_most_answers_are() -> None:
    answers = {"a": "Tea", "b": "Tea", "c": None, "d": "Coffee"}
    assert _fitting(["a", "b", "c", "e"], answers) == "Tea"
    assert _fitting(["a", "c", "d"], answers) is None  # no label has half of them
    assert _fitting(["c", "c"], answers) is None  # abstentions: no label fits
    assert _fitting(["e", "f"], answers) is None  # nothing was asked
    assert np.isclose(FITS, 0.5)
