"""The encoder gives a text the same vector however it is batched."""

import numpy as np
import pytest

from laud_ray.encoding import PACK_TOKENS, Encoder
from tests.tiny import products


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder("bundled", 64).eval()


def test_packed_texts_get_the_vectors_that_they_get_alone(encoder: Encoder) -> None:
    ids = encoder.tokenize([example.text for example in products(12)] + ["x", "a much longer name " * 4])
    assert sum(map(len, ids)) <= PACK_TOKENS
    alone = np.concatenate([encoder.embed_tokens([row]) for row in ids])
    np.testing.assert_allclose(encoder.embed_tokens(ids), alone, atol=1e-6)


def test_padded_texts_do_too(encoder: Encoder) -> None:
    ids = encoder.tokenize([example.text for example in products(100)])
    assert sum(map(len, ids)) > PACK_TOKENS
    alone = np.concatenate([encoder.embed_tokens([row]) for row in ids])
    np.testing.assert_allclose(encoder.embed_tokens(ids), alone, atol=1e-6)
