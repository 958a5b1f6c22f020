"""What examples train towards: a range of classes for each, which is one class unless the label is an inner node.

n examples, k classes. The leaves under a node of a taxonomy are a range of classes, so that the probability of the
node is the sum over a range.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from laud_ray.models.holdout import hold_back
from laud_ray.printable import quoted
from laud_ray.types import Bools, Example, Floats, Indices, Task


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """The classes of n examples: example i stands for one of the classes in [starts[i], stops[i]).

    Attributes:
        starts: (n,).
        stops: (n,), larger than starts.
    """

    starts: Indices
    stops: Indices

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, rows: Indices | Bools) -> "Targets":
        return Targets(self.starts[rows], self.stops[rows])

    @property
    def exact(self) -> Bools:
        """(n,) whether an example stands for a single class."""
        exact: Bools = self.stops - self.starts == 1
        return exact

    @property
    def frequencies(self) -> Indices:
        """(n,) for each example, how many examples have its label."""
        pairs = np.stack([self.starts, self.stops])
        _, labels, counts = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)
        frequencies: Indices = counts[np.ravel(labels)]
        return frequencies

    def weights(self, class_balance: float) -> Floats:
        """Return the (n,) weights of the examples, (label frequency) ** -class_balance; their mean is 1."""
        weights: Floats = self.frequencies.astype(np.float32) ** -class_balance
        weights /= weights.mean()
        return weights

    def losses(self, logits: torch.Tensor) -> torch.Tensor:
        """Map (n, k) logits to (n,) losses; see `losses`."""
        return losses(logits, self)

    def hold_back(self, share: float, rng: np.random.Generator) -> Indices:
        """Draw the examples to hold out, as `laud_ray.models.holdout` does.

        Those that are labelled with an inner node are never held out: the temperature is that of leaves.
        """
        exact = np.flatnonzero(self.exact)
        return exact[hold_back(self.starts[exact], share, rng)]

    @staticmethod
    def of_classes(classes: Indices) -> "Targets":
        """Return the targets of examples that are labelled with (n,) classes."""
        return Targets(classes, classes + 1)


def targets_of(task: Task, examples: Sequence[Example]) -> Targets:
    """Return what the examples train towards. A label is that of a class or, in a taxonomy, the path of any node.

    Raises:
        ValueError: if a label is neither.
    """
    tree = task.taxonomy
    index = {name: (i, i + 1) for i, name in enumerate(task.names)}
    ranges = []
    for label in (example.label for example in examples):
        if label not in index:
            node = None if tree is None else tree.find(label)
            if tree is None or node is None:
                expected = "a label of the task" if tree is None else "the path of a node of the taxonomy"
                raise ValueError(f"label: {quoted(label)} is not valid; expected {expected}")
            index[label] = int(tree.leaf_starts[node]), int(tree.leaf_stops[node])
        ranges.append(index[label])
    starts, stops = np.asarray(ranges, np.int64).reshape(-1, 2).T
    return Targets(starts.copy(), stops.copy())


def exact_examples(task: Task, examples: Sequence[Example]) -> list[Example]:
    """Return the examples that are labelled with one of the task's classes, and not with an inner node."""
    names = set(task.names)
    return [example for example in examples if example.label in names]


def losses(logits: torch.Tensor, targets: Targets, *, smoothing: float = 0.0) -> torch.Tensor:
    """Map (n, k) logits to (n,) losses: -log of the probability that the class is in the example's range.

    The probability of a range is the sum of its classes', so that an example labelled with an inner node says nothing
    about which of its leaves is right.

    Args:
        smoothing: the share of an example's mass that is spread evenly over all classes; not for inner nodes.
    """
    starts = torch.from_numpy(targets.starts).to(logits.device)
    found = cross_entropy(logits, starts, reduction="none", label_smoothing=smoothing)
    inner = np.flatnonzero(~targets.exact)
    if not len(inner):
        return found
    wide = torch.stack([torch.logsumexp(logits[i, targets.starts[i] : targets.stops[i]], 0) for i in inner.tolist()])
    rows = torch.from_numpy(inner).to(logits.device)
    return found.index_copy(0, rows, torch.logsumexp(logits[rows], 1) - wide)
