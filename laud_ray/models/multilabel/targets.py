"""What examples of a multilabel task train towards: for each label, whether it applies, if that was asked.

n examples, k labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from laud_ray import label_sets
from laud_ray.models.holdout import MIN_HOLDOUT
from laud_ray.types import Bools, Example, Floats, Indices, Task

# The largest share of the examples that is held out because fewer would be too few.
MOST = 0.4
Mask = npt.NDArray[np.int8]  # (n, k): 1 where a label applies, 0 where it does not, -1 where it was not asked about


def mask_of(task: Task, examples: Sequence[Example]) -> Mask:
    """Return the (n, k) mask of the examples' answers.

    Raises:
        ValueError: if a label of an example is not the text of a LabelSet.
    """
    return label_sets.masks((example.label for example in examples), task.names)


def losses(logits: torch.Tensor, mask: Mask) -> torch.Tensor:
    """Map (n, k) logits to (n,) losses: the sum over the labels that were asked about of the binary cross-entropy."""
    return asked_losses(logits, *(part.to(logits.device) for part in tensors(mask)))


def tensors(mask: Mask) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (n, k) whether a pair was asked about, and whether the label applies, as 1 and 0, float32."""
    return torch.from_numpy((mask >= 0).astype(np.float32)), torch.from_numpy((mask == 1).astype(np.float32))


def asked_losses(logits: torch.Tensor, asked: torch.Tensor, applies: torch.Tensor) -> torch.Tensor:
    """Map (n, k) logits and what `tensors` returns to (n,) losses."""
    return binary_cross_entropy_with_logits(logits, applies, weight=asked, reduction="none").sum(1)


@dataclass(frozen=True, slots=True, eq=False)
class SetTargets:
    """The answers of n examples.

    Attributes:
        mask: (n, k).
    """

    mask: Mask

    def __len__(self) -> int:
        return len(self.mask)

    def __getitem__(self, rows: Indices | Bools) -> "SetTargets":
        return SetTargets(self.mask[rows])

    def losses(self, logits: torch.Tensor) -> torch.Tensor:
        """Map (n, k) logits to (n,) losses; see `losses`."""
        return losses(logits, self.mask)

    def weights(self, class_balance: float) -> Floats:  # noqa: ARG002 - the configuration refuses it
        """Return (n,) ones."""
        return np.ones(len(self.mask), np.float32)

    def hold_back(self, share: float, rng: np.random.Generator) -> Indices:
        """Draw the examples to hold out; see `hold_back`."""
        return hold_back(self.mask, share, rng)


def base_logit(mask: Mask) -> float:
    """Return the log odds of the share of asked pairs that apply, with one more pair of either kind."""
    applies, does_not = int((mask == 1).sum()), int((mask == 0).sum())
    return float(np.log((applies + 1) / (does_not + 1)))


def hold_back(mask: Mask, share: float, rng: np.random.Generator) -> Indices:
    """Draw the examples to hold out, never the last one to which a label applies.

    They are at least MIN_HOLDOUT where these are at most MOST of all examples.

    Returns:
        Their indices, sorted; none if there would be fewer than MIN_HOLDOUT.
    """
    wanted = round(share * len(mask))
    if share and MOST * len(mask) >= MIN_HOLDOUT:
        wanted = max(wanted, MIN_HOLDOUT)
    applies = mask == 1
    left = applies.sum(axis=0)
    held: list[int] = []
    for i in rng.permutation(len(mask)):
        if len(held) < wanted and (left[applies[i]] > 1).all():
            held.append(int(i))
            left = left - applies[i]
    return np.sort(np.asarray(held, np.int64)) if len(held) >= MIN_HOLDOUT else np.empty(0, np.int64)
