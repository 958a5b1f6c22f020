"""Texts: how many tokens a language model makes of them, without its tokenizer."""

import pytest

from laud_ray.texts import likely_tokens


def test_tokens_are_estimated_from_what_a_tokenizer_does_not_join() -> None:
    assert likely_tokens("") == 0
    assert likely_tokens("choc milk\n") == pytest.approx(1.1 * 3)
    assert likely_tokens("vegetables") == pytest.approx(1.1 * 1.75)
    assert likely_tokens("1.5l") == pytest.approx(1.1 * 4)
    assert likely_tokens("新鲜面包") == pytest.approx(1.1 * 4)
    assert likely_tokens("🍫") > likely_tokens("!")
    assert likely_tokens("a\n\nb c") <= likely_tokens("a\n\nb c d")
