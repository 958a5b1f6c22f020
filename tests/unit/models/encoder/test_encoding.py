"""The encoder gives a text the same vector however it is batched, and whichever runtime computes it."""

import numpy as np
import pytest

from laud_ray.models.encoder.encoding import Encoder
from laud_ray.models.encoder.onnx import ROW_TOKENS, RUN_TOKENS
from tests.tiny import products


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder("bundled", 64).eval()


@pytest.fixture(scope="module")
def frozen() -> Encoder:
    return Encoder("bundled", 64).freeze()


@pytest.fixture(scope="module")
def ids(encoder: Encoder) -> list[list[int]]:
    texts = [example.text for example in products(200)]
    texts[3:3] = ["x", "a much longer name " * 30, ""]
    found = encoder.tokenize(texts)
    assert sum(map(len, found)) > 2 * RUN_TOKENS
    return found


def test_padded_texts_get_the_vectors_that_they_get_alone(encoder: Encoder, ids: list[list[int]]) -> None:
    alone = np.concatenate([encoder.embed_tokens([row]) for row in ids])
    np.testing.assert_allclose(encoder.embed_tokens(ids), alone, atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 7, 60, 203])
def test_a_frozen_encoder_gives_the_same_vectors(
    encoder: Encoder, frozen: Encoder, ids: list[list[int]], n: int
) -> None:
    np.testing.assert_allclose(frozen.embed_tokens(ids[:n]), encoder.embed_tokens(ids[:n]), atol=1e-6)


def test_texts_longer_than_a_row_are_whole(encoder: Encoder) -> None:
    ids = [list(range(1000, 1000 + n)) for n in (ROW_TOKENS + 40, 3, ROW_TOKENS, RUN_TOKENS)]
    frozen = Encoder("bundled", 64).freeze()
    np.testing.assert_allclose(frozen.embed_tokens(ids), encoder.embed_tokens(ids), atol=1e-6)


def test_making_the_graph_leaves_dropout_off(encoder: Encoder, ids: list[list[int]]) -> None:
    once, again = (Encoder("bundled", 64).freeze().embed_tokens(ids[:9]) for _ in range(2))
    np.testing.assert_array_equal(once, again)


def test_no_texts_have_no_vectors(frozen: Encoder) -> None:
    assert frozen.embed([]).shape == (0, frozen.dimensions)
