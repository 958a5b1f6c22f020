"""What every learner trains by: the learning rate's course, and batches that ranks share."""

import numpy as np
import pytest

from laud_ray import training


@pytest.mark.parametrize(("progress", "part"), [(0, 0.04), (0.05, 0.54), (0.1, 1), (0.55, 0.5), (1, 0)])
def test_the_rate_rises_over_a_tenth_and_falls_to_nothing(progress: float, part: float) -> None:
    assert training.rate(progress, 2e-3) == pytest.approx(part * 2e-3)


def test_a_rank_without_rows_takes_part_with_no_weight() -> None:
    batch = np.asarray([7, 8, 9])
    for none in (None, batch[:0]):
        rows, weight = training.or_stand_in(none, batch)
        assert (rows.tolist(), weight) == ([7], 0.0)
    rows, weight = training.or_stand_in(batch[1:], batch)
    assert (rows.tolist(), weight) == ([8, 9], 1.0)
