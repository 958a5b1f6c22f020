"""Pack many prompts with a common prefix into one row, so that the prefix is computed once.

In a causal model, the states of the prefix do not depend on what follows. So a row [prefix, body 1, body 2, ...], in
which each body's positions continue after the prefix and a mask hides the bodies from each other, gives the same
results for every body as prefix + body alone. L tokens in a row, b bodies of at most m tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from laud_ray.types import Indices


@dataclass(frozen=True, slots=True)
class Pack:
    """One row of packed prompts.

    Attributes:
        ids: (1, L) token ids.
        positions: (1, L) position of each token in its own prompt.
        mask: (1, 1, L, L), true where the first token may attend to the second.
        ends: (b,) index of the last token of each body.
        bodies: (b, m) indices of the tokens of each body; -1 after the end of a shorter one.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    ends: torch.Tensor
    bodies: torch.Tensor

    def to(self, device: torch.device) -> "Pack":
        return Pack(*(getattr(self, name).to(device) for name in ("ids", "positions", "mask", "ends", "bodies")))


def pack(prefix: Sequence[int], bodies: Sequence[Sequence[int]]) -> Pack:
    """Pack b bodies behind their common prefix."""
    lengths = [len(body) for body in bodies]
    ids = [*prefix, *(token for body in bodies for token in body)]
    positions = [*range(len(prefix)), *(len(prefix) + i for n in lengths for i in range(n))]
    owner = torch.tensor([-1] * len(prefix) + [b for b, n in enumerate(lengths) for _ in range(n)])
    earlier = torch.ones(len(ids), len(ids), dtype=torch.bool).tril()
    mask = earlier & ((owner[:, None] == owner[None, :]) | (owner[None, :] == -1))
    ends = len(prefix) - 1 + torch.tensor(lengths).cumsum(0)
    places = (ends + 1 - torch.tensor(lengths))[:, None] + torch.arange(max(lengths))
    places = torch.where(places <= ends[:, None], places, -1)
    return Pack(torch.tensor([ids]), torch.tensor([positions]), mask[None, None], ends, places)


def into_packs(lengths: Sequence[int] | Indices, prefix: int, budget: int) -> list[Indices]:
    """Group bodies into rows of at most `budget` tokens, prefix included; a body that is too long gets its own row.

    Args:
        lengths: the number of tokens of each body.
        prefix: the number of tokens of the prefix.
        budget: the most tokens in a row.

    Returns:
        The indices of the bodies in each row, longest bodies first.
    """
    groups: list[list[int]] = []
    room = 0
    for i in np.argsort(-np.asarray(lengths, np.int64), kind="stable"):
        if not groups or lengths[i] > room:
            groups.append([])
            room = budget - prefix
        groups[-1].append(int(i))
        room -= lengths[i]
    return [np.asarray(group, np.int64) for group in groups]
