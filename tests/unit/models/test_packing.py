"""Packed prompts give exactly what each prompt gives alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import Qwen2Config, Qwen2ForCausalLM

from laud_ray.models.packing import into_packs, pack


@pytest.fixture(scope="module")
def model() -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, initializer_range=0.3,
    )  # fmt: skip
    return Qwen2ForCausalLM(config).eval()


def test_a_body_is_read_as_if_it_were_alone(model: Qwen2ForCausalLM) -> None:
    prefix, bodies = [1, 2, 3, 4], [[5, 6], [7, 8, 9], [6], [5, 6]]
    packed = pack(prefix, bodies)
    with torch.inference_mode():
        together = model(
            input_ids=packed.ids,
            position_ids=packed.positions,
            attention_mask=packed.mask,
            logits_to_keep=packed.ends,
        ).logits[0]
        alone = torch.stack([model(input_ids=torch.tensor([prefix + body])).logits[0, -1] for body in bodies])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(together[0], together[1], atol=1e-2)


def test_a_body_sees_the_prefix_and_itself_alone() -> None:
    mask = pack([1], [[2, 3], [4]]).mask[0, 0].int().tolist()
    assert mask == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 1]]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(0, 20), st.integers(1, 80))
def test_packs_hold_every_body_once_within_the_budget(lengths: list[int], prefix: int, budget: int) -> None:
    packs = into_packs(lengths, prefix, budget)
    assert sorted(np.concatenate(packs).tolist()) == list(range(len(lengths)))
    assert all(prefix + sum(lengths[i] for i in one) <= budget or len(one) == 1 for one in packs)


def test_the_places_of_each_body() -> None:
    assert pack([1], [[2, 3], [4], [5, 6, 7]]).bodies.tolist() == [[1, 2, -1], [3, -1, -1], [4, 5, 6]]
