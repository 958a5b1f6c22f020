"""The minimum of a convex function, and the threads that look for it."""

from collections.abc import Iterator

import pytest
import torch

from laud_ray.models.encoder.solver import SMALL, minimise


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("examples", "threads"), [(10, 1), (SMALL // 6, 1), (SMALL // 6 + 1, 2)])
def test_the_minimum_is_found_and_a_small_fit_uses_one_thread(examples: int, threads: int) -> None:
    seen = set()
    wanted = torch.arange(6.0).reshape(2, 3), torch.tensor([1.0, -1.0])

    def value(weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        seen.add(torch.get_num_threads())
        return ((weight - wanted[0]) ** 2).sum() + ((bias - wanted[1]) ** 2).sum()

    start = torch.zeros(2, 3), torch.zeros(2)
    weight, bias = minimise(value, start, 1e-9, examples=examples)
    torch.testing.assert_close((weight, bias), wanted)
    assert seen == {threads}
    assert torch.get_num_threads() == 2
    assert not start[0].any()


def test_after_an_error_the_threads_are_as_before() -> None:
    def value(weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        raise ValueError("no value")

    with pytest.raises(ValueError, match="no value"):
        minimise(value, (torch.zeros(2, 3), torch.zeros(2)), 1e-9, examples=1)
    assert torch.get_num_threads() == 2
