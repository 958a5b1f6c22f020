"""Detect near-duplicate texts, so that no two queries ask the same question."""

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable

THRESHOLD = 0.8


class NearDuplicates:
    """A set of texts that contains all near-duplicates of its members.

    Two texts are near-duplicates if the Jaccard index of their sets of character trigrams, ignoring case and
    punctuation, is at least `threshold` (resemblance in Broder 1997).

    The index is exact. Two such sets, sorted in one order, share a trigram among their first ones (prefix filtering in
    Chaudhuri, Ganti and Kaushik 2006, "A Primitive Operator for Similarity Joins in Data Cleaning"), so that only
    texts that do are compared. MinHash would only estimate the index.

    Example:
        "Greek Yogurt, 500g" in NearDuplicates(["GREEK yogurt - 500g"])  # True
    """

    def __init__(self, texts: Iterable[str] = (), threshold: float = THRESHOLD) -> None:
        self._threshold = threshold
        self._seen: list[frozenset[str]] = []
        self._by_first = defaultdict[str, list[int]](list)
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        one = trigrams(text)
        for part in self._first(one):
            self._by_first[part].append(len(self._seen))
        self._seen.append(one)

    def __contains__(self, text: str) -> bool:
        one = trigrams(text)
        bound = self._threshold
        places = set[int]().union(*(self._by_first.get(part, ()) for part in self._first(one)))
        # Most pairs are excluded by their sizes alone.
        others = (self._seen[place] for place in places)
        near = (other for other in others if bound * len(one) <= len(other) <= len(one) / bound)
        shared = ((len(one & other), len(one) + len(other)) for other in near)
        return any(both >= bound * (total - both) for both, total in shared)

    def _first(self, one: frozenset[str]) -> list[str]:
        """Return the first trigrams in the order of their hashes.

        A near-duplicate has at least threshold * n of n trigrams, so that it cannot lack all of these.
        """
        least = math.ceil(self._threshold * len(one) - 1e-9)
        return heapq.nsmallest(len(one) - least + 1, one, key=hash)


def trigrams(text: str) -> frozenset[str]:
    """Return the character trigrams of a text, which is padded so that even a single letter has some."""
    plain = " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())
    padded = f"  {plain} "
    return frozenset(padded[i : i + 3] for i in range(len(padded) - 2))
