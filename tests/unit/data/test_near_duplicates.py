"""Near-duplicates are those of comparing all pairs."""

import random

import pytest

from laud_ray.data.near_duplicates import NearDuplicates, trigrams

WORDS = ["milk", "choc", "greek", "yogurt", "500g", "1l", "green", "tea", "bags", "organic", "semi", "skimmed"]


def alike(text: str, other: str, threshold: float) -> bool:
    one, two = trigrams(text), trigrams(other)
    return len(one & two) >= threshold * len(one | two)


@pytest.mark.parametrize("threshold", [0.3, 0.8, 0.9, 1.0])
def test_all_pairs_have_the_same_verdict(threshold: float) -> None:
    rng = random.Random(0)
    texts = ["", "a", "ab", "A.", *(" ".join(rng.choices(WORDS, k=rng.randint(1, 6))) for _ in range(300))]
    seen = NearDuplicates(texts[:20], threshold)
    found = expected = 0
    for i, text in enumerate(texts[20:], 20):
        verdict = text in seen
        assert verdict == any(alike(text, other, threshold) for other in texts[:i])
        found, expected = found + verdict, expected + 1
        seen.add(text)
    assert 0 < found < expected


def test_case_and_punctuation_do_not_matter() -> None:
    assert "Greek Yogurt, 500g" in NearDuplicates(["GREEK yogurt - 500g"])
    assert "Greek Yogurt" not in NearDuplicates(["green tea"])
    assert "Greek Yogurt" not in NearDuplicates()
