"""Texts that are like another one: cosine of their character trigrams, weighted by rarity (TF-IDF). Pure Python."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import log, sqrt

_LETTERS = 500  # of a text that are looked at


class SimilarTexts:
    """n texts in an inverted index: to look one up takes about as long as its trigrams are common."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(trigrams(text)) for text in texts]
        holding = Counter(gram for one in counts for gram in one)
        self._rarity = {gram: log((1 + len(texts)) / (1 + n)) + 1 for gram, n in holding.items()}
        self._places: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for place, one in enumerate(counts):
            for gram, weight in self._unit(one).items():
                self._places[gram].append((place, weight))

    def nearest(self, text: str, n: int) -> list[tuple[int, float]]:
        """Return the places of up to n texts that are most like one, with their cosines in (0, 1]."""
        scores: dict[int, float] = defaultdict(float)
        for gram, weight in self._unit(Counter(trigrams(text))).items():
            for place, other in self._places.get(gram, ()):
                scores[place] += weight * other
        return sorted(scores.items(), key=lambda one: (-one[1], one[0]))[:n]

    def _unit(self, counts: Counter[str]) -> dict[str, float]:
        weights = {gram: n * self._rarity[gram] for gram, n in counts.items() if gram in self._rarity}
        length = sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        return {gram: weight / length for gram, weight in weights.items()}


def trigrams(text: str) -> list[str]:
    """The runs of three letters of a text; short words count by their beginning and end, too."""
    padded = f" {text[:_LETTERS].casefold()} "
    return [padded[i : i + 3] for i in range(len(padded) - 2)]
