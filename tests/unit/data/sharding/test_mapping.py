"""Parts that are done in any order give the error that they would give in turn."""

from collections.abc import Iterator

import pytest

from laud_ray.data.sharding.mapping import in_turn
from laud_ray.errors import CorpusError


def test_the_first_error_is_raised_when_all_before_it_are_done() -> None:
    first, later = CorpusError("row 3"), CorpusError("row 9")
    with pytest.raises(CorpusError, match="row 3"):
        in_turn(["a", "b", "c"], iter([("c", later), ("b", first), ("a", 1)]))
    assert in_turn(["a", "b"], iter([("b", 2), ("a", 1)])) == {"a": 1, "b": 2}

    def endless() -> Iterator[tuple[str, int | CorpusError]]:
        yield "b", later
        yield "a", 1
        raise AssertionError("nothing more is awaited")

    with pytest.raises(CorpusError, match="row 9"):
        in_turn(["a", "b", "c"], endless())
