"""The head of a multilabel model, and what its description says of its task. n texts, k labels, d dimensions."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from laud_ray.stats.calibration import softmax
from laud_ray.stats.multilabel.calibration import Scaling, rival, sigmoid
from laud_ray.stats.multilabel.rules import KIND
from laud_ray.types import Floats, Task

FILE = "head.safetensors"


@dataclass(frozen=True, slots=True, eq=False)
class SetHead:
    """Maps unit vectors to the probabilities that labels apply, each by itself.

    Attributes:
        weight: (k, d).
        bias: (k,).
        rivalry: how much labels take from each other, in [0, 1]; see `laud_ray.stats.multilabel.calibration.Scaling`.
        offset: of all labels, after the rivalry.
        untrained: whether nothing was learned yet: the probabilities of a row then sum to 1, as if one label applied to
            each text, since similarities alone do not say how many do.
    """

    weight: Floats
    bias: Floats
    rivalry: float = 0.0
    offset: float = 0.0
    untrained: bool = False

    def proba(self, vectors: Floats) -> Floats:
        """Map (n, d) unit vectors to (n, k) probabilities, float32."""
        logits = vectors @ self.weight.T + self.bias
        if self.untrained:
            return softmax(logits, overwrite=True)
        return sigmoid(rival(logits, self.rivalry) + np.float32(self.offset))

    def scaled(self, scaling: Scaling) -> "SetHead":
        """Return the head with a scaling of its logits; it has none yet."""
        weight, bias = scaling.factor * self.weight, scaling.factor * self.bias + scaling.own
        return SetHead(weight.astype(np.float32), bias.astype(np.float32), scaling.rivalry, scaling.offset)


def description_of(task: Task, thresholds: Floats) -> Mapping[str, Any]:
    """Return the keys that the description of every multilabel model has; see `laud_ray.stats.multilabel.rules`."""
    return {
        "kind_of_task": KIND,
        "thresholds": [round(float(one), 6) for one in thresholds],
        "at_most": task.at_most,
        "exclusive": [list(group) for group in task.exclusive],
    }


def save_head(head: SetHead, path: Path) -> None:
    """Write the weights of a head into a model folder."""
    tensors = {"weight": torch.from_numpy(head.weight), "bias": torch.from_numpy(head.bias)}
    save_file({name: one.contiguous() for name, one in tensors.items()}, path / FILE)


def open_head(path: Path, description: Mapping[str, Any]) -> SetHead:
    """Read the head of the multilabel model in a folder, whose description has the keys of `described`."""
    tensors = load_file(path / FILE)
    weight, bias = tensors["weight"].numpy(), tensors["bias"].numpy()
    return SetHead(weight, bias, description["rivalry"], description["offset"], description["untrained"])


def described(head: SetHead) -> Mapping[str, Any]:
    """Return what a description says of a head beside its file."""
    return {"rivalry": head.rivalry, "offset": head.offset, "untrained": head.untrained}
