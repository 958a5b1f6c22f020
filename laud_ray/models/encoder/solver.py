"""Fit linear heads: weights (k, d) and biases (k,)."""

from collections.abc import Callable
from typing import TypeAlias

import torch

Solution: TypeAlias = tuple[torch.Tensor, torch.Tensor]  # weight (k, d), bias (k,)


def minimise(
    value: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], start: Solution, precision: float
) -> Solution:
    """Return where a convex function of weight and bias is smallest, by L-BFGS.

    Args:
        value: maps weight and bias to a scalar.
        start: where the search begins; it is not changed.
        precision: it ends when a step changes the value, or the parameters, by less.
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

    optimizer.step(slope)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()
