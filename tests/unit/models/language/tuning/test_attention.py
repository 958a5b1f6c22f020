"""Attention of the prefix and the bodies apart gives the results and gradients of masked attention over the row."""

from typing import Any

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from laud_ray.models.language.tuning.attention import NAME
from laud_ray.models.packing import Pack, pack


def results(model: Any, row: Pack, name: str, **more: Any) -> tuple[torch.Tensor, list[torch.Tensor]]:
    model.set_attn_implementation(name)
    model.zero_grad()
    logits = model(
        input_ids=row.ids, position_ids=row.positions, attention_mask=row.mask, logits_to_keep=row.ends, **more
    ).logits[0]
    logits.square().sum().backward()
    return logits.detach(), [p.grad.clone() for p in model.parameters()]


@pytest.mark.parametrize("bodies", [[[5, 6], [7, 8, 9], [6], [5, 6]], [[4, 4, 4]]], ids=["several", "one"])
def test_it_is_masked_attention(bodies: list[list[int]]) -> None:
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, initializer_range=0.3,
    )  # fmt: skip
    model = Qwen2ForCausalLM(config)
    row = pack([1, 2, 3, 4], bodies)
    expected, gradients = results(model, row, "sdpa")
    found, ours = results(model, row, NAME, bodies=row.bodies)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    for one, other in zip(ours, gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3 * float(other.abs().max()))
    # Without the places of the bodies, it leaves the row to transformers.
    assert torch.equal(results(model, row, NAME)[0], expected)
