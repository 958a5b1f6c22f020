"""Tell near-duplicate texts, so that no two queries ask the same thing."""

from collections.abc import Iterable

THRESHOLD = 0.8


class NearDuplicates:
    """Texts seen so far. Two texts are near-duplicates when the Jaccard index of their sets of character
    trigrams, case and punctuation apart, is at least `threshold` (Broder 1997, resemblance).
    """

    def __init__(self, texts: Iterable[str] = (), threshold: float = THRESHOLD) -> None:
        self._threshold = threshold
        self._seen: list[frozenset[str]] = [trigrams(text) for text in texts]

    def add(self, text: str) -> None:
        self._seen.append(trigrams(text))

    def __contains__(self, text: str) -> bool:
        one = trigrams(text)
        bound = self._threshold
        # The sizes alone rule most pairs out.
        near = (other for other in self._seen if bound * len(one) <= len(other) <= len(one) / bound)
        shared = ((len(one & other), len(one) + len(other)) for other in near)
        return any(both >= bound * (total - both) for both, total in shared)


def trigrams(text: str) -> frozenset[str]:
    """The character trigrams of a text, padded so that even one letter has some."""
    plain = " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())
    padded = f"  {plain} "
    return frozenset(padded[i : i + 3] for i in range(len(padded) - 2))
