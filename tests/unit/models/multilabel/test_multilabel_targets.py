"""What examples of a multilabel task train towards."""

import numpy as np
import pytest
import torch

from laud_ray.label_sets import LabelSet
from laud_ray.models.multilabel.targets import SetTargets, base_logit, hold_back, losses, mask_of
from laud_ray.types import Example, Label, Task

TASK = Task("drinks", "multilabel", (Label("Tea"), Label("Milk"), Label("Juice")))


def test_what_was_not_asked_does_not_train() -> None:
    answers = [LabelSet.of(["Milk"]), LabelSet.of(["Tea"], ["Juice"]), LabelSet.of([])]
    mask = mask_of(TASK, [Example("a", one.text) for one in answers])
    assert mask.tolist() == [[0, 1, 0], [1, -1, 0], [0, 0, 0]]
    logits = torch.tensor([[2.0, -1.0, 0.5]] * 3, requires_grad=True)
    found = losses(logits, mask)
    z = logits.detach().numpy().astype(np.float64)
    by_hand = np.where(mask >= 0, np.logaddexp(0, z) - z * (mask == 1), 0).sum(1)
    assert found.detach().numpy() == pytest.approx(by_hand, rel=1e-6)
    found.sum().backward()
    assert logits.grad is not None
    assert logits.grad[1, 1] == 0
    with pytest.raises(ValueError, match="'Tea' is not valid; expected a JSON list"):
        mask_of(TASK, [Example("a", "Tea")])


def test_targets_are_taken_by_rows() -> None:
    targets = SetTargets(np.array([[1, 0], [0, -1], [0, 1]], np.int8))
    assert targets[np.array([2, 0])].mask.tolist() == [[0, 1], [1, 0]]
    assert targets.weights(0.5).tolist() == [1, 1, 1]
    assert base_logit(targets.mask) == pytest.approx(np.log(3 / 4))


def test_the_last_example_of_a_label_is_never_held_out() -> None:
    mask = (np.random.default_rng(0).random((200, 3)) < 0.3).astype(np.int8)
    mask[:, 2] = 0
    mask[7, 2] = 1
    for seed in range(20):
        held = hold_back(mask, 0.5, np.random.default_rng(seed))
        assert len(held) == 100
        assert 7 not in held
    assert len(hold_back(mask[:60], 0.2, np.random.default_rng(0))) == 20  # 12 would be too few
    assert not len(hold_back(mask[:40], 0.2, np.random.default_rng(0)))
    assert not len(hold_back(mask, 0.0, np.random.default_rng(0)))
