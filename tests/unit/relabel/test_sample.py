"""A sample whose probabilities do not fit into memory is refused before anything is scored."""

import pytest

from laud_ray.errors import RunError
from laud_ray.relabel.sample import MOST_TAUGHT, require_room


def test_a_student_of_too_many_labels_is_refused() -> None:
    require_room(5_000, 30_000)
    require_room(100_000, 1_000)
    with pytest.raises(RunError) as refused:
        require_room(100_000, 30_000)
    assert str(refused.value) == (
        "--cascade: a sample of 100,000 rows with 30,000 labels is too large for a student; expected at most "
        f"{MOST_TAUGHT // 100_000:,} labels, or no --cascade"
    )
