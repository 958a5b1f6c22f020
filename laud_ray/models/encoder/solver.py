"""Fit linear heads: weights (k, d) and biases (k,)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import torch

Solution: TypeAlias = tuple[torch.Tensor, torch.Tensor]  # weight (k, d), bias (k,)
# With at most this many multiplications in a pass over the examples, a fit uses one thread. It takes two seconds at
# most, and of a smaller one most of the time would be that of threads which wait for each other by spinning: beside
# other work on two cores, a fit of 15 examples took 30 s on two threads and 0.8 s on one.
SMALL = 4_000_000


def minimise(
    value: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], start: Solution, precision: float, *, examples: int
) -> Solution:
    """Return where a convex function of weight and bias is smallest, by L-BFGS.

    Args:
        value: maps weight and bias to a scalar.
        start: where the search begins; it is not changed.
        precision: it ends when a step changes the value, or the parameters, by less.
        examples: the number of examples whose logits the function computes.
    """
    weight, bias = (part.clone().requires_grad_() for part in start)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=60, tolerance_change=precision, line_search_fn="strong_wolfe"
    )

    def slope() -> torch.Tensor:
        optimizer.zero_grad()
        found = value(weight, bias)
        found.backward()  # type: ignore[no-untyped-call]
        return found

    with _few_threads(examples * weight.numel()):
        optimizer.step(slope)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()


@contextmanager
def _few_threads(multiplications: int) -> Iterator[None]:
    """Compute on one thread if there is little to compute."""
    before = torch.get_num_threads()
    if multiplications > SMALL or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
