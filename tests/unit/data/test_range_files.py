"""Range files are read side by side, in order, and no more are held than are read at once."""

import threading
from collections.abc import Iterator

import pytest

from laud_ray.data.range_files import side_by_side


def test_files_come_in_order_and_are_read_at_the_same_time() -> None:
    """Eight readers have to meet: one reader alone would wait for ever."""
    meeting = threading.Barrier(8, timeout=30)

    def read(number: int) -> int:
        meeting.wait()
        return number * number

    assert list(side_by_side(read, range(64), readers=8)) == [n * n for n in range(64)]


def test_no_more_are_begun_than_are_held() -> None:
    begun: list[int] = []

    def keys() -> Iterator[int]:
        for number in range(1000):
            begun.append(number)
            yield number

    found = side_by_side(lambda number: number, keys(), readers=4)
    for number in range(10):
        assert next(found) == number
        assert len(begun) <= number + 1 + 4
    found.close()  # type: ignore[attr-defined]
    assert len(begun) < 20
    assert list(side_by_side(lambda number: number, [])) == []


def test_an_error_is_raised_in_its_turn_and_ends_the_reading() -> None:
    read: list[int] = []

    def fragile(number: int) -> int:
        read.append(number)
        if number == 3:
            raise FileNotFoundError("part-00003")
        return number

    found = side_by_side(fragile, range(100), readers=2)
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(FileNotFoundError, match="part-00003"):
        next(found)
    assert max(read) <= 5
