"""Many prompts in one row that share their prefix: computed once, seen by all, none sees another.

A causal model's states over the prefix do not depend on what follows. So [prefix, body 1, body 2, ...] with
positions that start anew after the prefix, and a mask that hides the bodies from each other, gives for every
body exactly what it would get alone. P prefix tokens, L tokens of a row, b bodies.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from laud_ray.types import Indices


@dataclass(frozen=True, slots=True)
class Pack:
    """One row. ids and positions are (1, L), mask (1, 1, L, L), True where a token sees another; ends (b,)."""

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    ends: torch.Tensor

    def to(self, device: torch.device) -> "Pack":
        return Pack(*(getattr(self, name).to(device) for name in ("ids", "positions", "mask", "ends")))


def pack(prefix: Sequence[int], bodies: Sequence[Sequence[int]]) -> Pack:
    """Put bodies behind one prefix; ends are the places of their last tokens."""
    lengths = [len(body) for body in bodies]
    ids = [*prefix, *(token for body in bodies for token in body)]
    positions = [*range(len(prefix)), *(len(prefix) + i for n in lengths for i in range(n))]
    owner = torch.tensor([-1] * len(prefix) + [b for b, n in enumerate(lengths) for _ in range(n)])
    earlier = torch.ones(len(ids), len(ids), dtype=torch.bool).tril()
    mask = earlier & ((owner[:, None] == owner[None, :]) | (owner[None, :] == -1))
    ends = len(prefix) - 1 + torch.tensor(lengths).cumsum(0)
    return Pack(torch.tensor([ids]), torch.tensor([positions]), mask[None, None], ends)


def into_packs(lengths: Sequence[int] | Indices, prefix: int, budget: int) -> list[Indices]:
    """Group bodies so that prefix and bodies stay within `budget` tokens; one that exceeds it is alone."""
    groups: list[list[int]] = []
    room = 0
    for i in np.argsort(-np.asarray(lengths, np.int64), kind="stable"):
        if not groups or lengths[i] > room:
            groups.append([])
            room = budget - prefix
        groups[-1].append(int(i))
        room -= lengths[i]
    return [np.asarray(group, np.int64) for group in groups]
