"""What examples train towards, and the loss of an example that is labelled with an inner node."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from laud_ray.models.targets import Targets, exact_examples, losses, targets_of
from laud_ray.taxonomy import read_table
from laud_ray.taxonomy.task import task_of
from laud_ray.types import Example, Label, Task

TREE = read_table(
    {"path": ["Drinks > Tea > Green", "Drinks > Tea > Black", "Drinks > Juice", "Food > Bread"]}, "labels"
)
TASK = task_of("shop", TREE)
EXAMPLES = [Example("sencha", "Drinks > Tea > Green"), Example("a bag", "Drinks > Tea"), Example("oj", "Drinks")]


def test_a_leaf_is_one_class_and_an_inner_node_the_range_of_its_leaves() -> None:
    found = targets_of(TASK, EXAMPLES)
    names = [TASK.names[a:b] for a, b in zip(found.starts, found.stops, strict=True)]
    assert set(names[0]) == {"Drinks > Tea > Green"}
    assert set(names[1]) == {"Drinks > Tea > Green", "Drinks > Tea > Black"}
    assert set(names[2]) == {"Drinks > Tea > Green", "Drinks > Tea > Black", "Drinks > Juice"}
    assert found.exact.tolist() == [True, False, False]
    assert exact_examples(TASK, EXAMPLES) == EXAMPLES[:1]
    assert len(targets_of(TASK, [])) == 0


def test_frequencies_are_those_of_labels_not_of_first_leaves() -> None:
    found = targets_of(TASK, [*EXAMPLES, EXAMPLES[1]])
    assert found.frequencies.tolist() == [1, 2, 1, 2]


@pytest.mark.parametrize("task", [TASK, Task("flat", "multiclass", (Label("Tea"), Label("Juice")))])
def test_an_unknown_label_is_refused(task: Task) -> None:
    with pytest.raises(ValueError, match="label: 'Wine' is not valid; expected"):
        targets_of(task, [Example("red", "Wine")])


def test_the_loss_of_an_inner_node_is_that_of_its_summed_probability() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.5, -1.0], [0.0, 3.0, 1.0, 2.0]], requires_grad=True)
    targets = Targets(np.array([1, 0]), np.array([2, 3]))
    found = losses(logits, targets)
    proba = torch.softmax(logits, 1)
    torch.testing.assert_close(found, torch.stack([-torch.log(proba[0, 1]), -torch.log(proba[1, :3].sum())]))
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    # The leaves of the node share the gradient by their probabilities: none is preferred.
    inside = proba[1, :3] - proba[1, :3] / proba[1, :3].sum()
    torch.testing.assert_close(logits.grad[1, :3], inside.detach())


def test_without_inner_nodes_it_is_the_cross_entropy() -> None:
    logits, classes = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)), np.array([0, 3, 1, 1, 2])
    expected = cross_entropy(logits, torch.from_numpy(classes), reduction="none")
    assert torch.equal(losses(logits, Targets.of_classes(classes)), expected)
