"""Search the nodes of a taxonomy by words of their paths, or by their codes. t nodes, w words."""

import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from laud_ray.taxonomy.tree import Taxonomy
from laud_ray.types import Indices

# Words of a query beyond these are not looked at.
MOST_WORDS = 40
LONGEST = 2000

_Mask = npt.NDArray[np.bool_]
# Ranks of what a query finds, the best first.
_EXACT, _CODE, _NAME, _PREFIX, _WORDS, _PATH, _DESCRIBED = range(7)


@dataclass(frozen=True, slots=True)
class Found:
    """The nodes that a query finds, the best first, and how many there are in all."""

    nodes: tuple[int, ...]
    total: int


class NodeSearch:
    """Finds nodes by words. To make one for 35,000 nodes takes a fraction of a second; a query takes milliseconds."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Index the names, other spellings, descriptions and codes of a taxonomy."""
        nodes = taxonomy.nodes
        self._taxonomy = taxonomy
        self._names = [fold(node.name) for node in nodes]
        self._lengths = np.array([len(name) for name in self._names], np.int64)
        spelt = [[name, *map(fold, node.also)] for name, node in zip(self._names, nodes, strict=True)]
        self._own = _Words([" ".join(one) for one in spelt])
        self._said = _Words([fold(node.description or "") for node in nodes])
        coded = [(fold(node.code), i) for i, node in enumerate(nodes) if node.code != taxonomy.label(i)]
        self._codes = sorted(coded)
        self._by_name = defaultdict[str, list[int]](list)
        for i, name in enumerate(self._names):
            self._by_name[name].append(i)

    def find(self, query: str, most: int = 50) -> Found:
        """Return the nodes that a query finds.

        Every word of the query must begin a word of the node's path, or stand within one if it begins none. A query may
        also be a whole path, or begin a code: these nodes come first. Then come names that are the query, that begin
        with it, and that have all of its words; then those that have more of them than others, while their path has the
        rest. Shorter names precede longer ones. Descriptions are searched if nothing else has the words.

        Example:
            "green tea", "tea gr" and "drinks gre" all find "Drinks > Tea > Green tea".
        """
        asked = fold(query[:LONGEST])
        words = _split(asked)[:MOST_WORDS]
        if not words:
            return Found((), 0)
        own = [self._own.having(word) for word in words]
        paths = np.logical_and.reduce([self._below(one) for one in own])
        rank = np.full(len(self._names), 99, np.int64)
        in_name = np.sum(own, axis=0)
        if not paths.any():
            rank[np.logical_and.reduce([self._said.having(word) for word in words])] = _DESCRIBED
        rank[paths] = np.where(in_name[paths] == len(words), _WORDS, _PATH)
        for node in np.flatnonzero(rank == _WORDS).tolist():
            if self._names[node].startswith(asked):
                rank[node] = _PREFIX
        rank[self._by_name.get(asked, [])] = _NAME
        rank[self._of_code(asked)] = _CODE
        rank[self._named(query)] = _EXACT
        found = np.flatnonzero(rank < 99)
        order = np.lexsort((found, self._lengths[found], -in_name[found], rank[found]))
        return Found(tuple(found[order[:most]].tolist()), len(found))

    def nearest(self, text: str) -> int | None:
        """Return the node that a misspelt name or path most probably means; None if no node is similar."""
        last = text.rsplit(self._taxonomy.separator.strip() or self._taxonomy.separator, 1)[-1]
        for one in dict.fromkeys((text, last)):
            words = [self._own.similar(word) for word in _split(fold(one[:LONGEST]))[:MOST_WORDS]]
            if words and all(words):
                found = self.find(" ".join(word for word in words if word), 1)
                if found.nodes:
                    return found.nodes[0]
        return None

    def _below(self, nodes: _Mask) -> _Mask:
        """Return the nodes that are marked, or are below one that is."""
        ends = self._taxonomy.ends
        steps = np.zeros(len(ends) + 1, np.int64)
        marked = np.flatnonzero(nodes)
        np.add.at(steps, marked, 1)
        np.subtract.at(steps, ends[marked], 1)
        below: _Mask = np.cumsum(steps)[:-1] > 0
        return below

    def _named(self, query: str) -> list[int]:
        node = self._taxonomy.find_one(query)
        return [] if node is None else [node]

    def _of_code(self, asked: str) -> list[int]:
        start = bisect_left(self._codes, (asked, -1))
        found = []
        for code, node in self._codes[start:]:
            if not code.startswith(asked):
                break
            found.append(node)
        return found


class _Words:
    """Which nodes have which words: an inverted index."""

    def __init__(self, texts: Sequence[str]) -> None:
        nodes = defaultdict[str, list[int]](list)
        for i, text in enumerate(texts):
            for word in dict.fromkeys(_split(text)):
                nodes[word].append(i)
        self._words = sorted(nodes)
        self._nodes: list[Indices] = [np.array(nodes[word], np.int64) for word in self._words]
        self._t = len(texts)

    def having(self, part: str) -> _Mask:
        """Return the (t,) nodes with a word that begins with a part; or, if none does, with one that contains it."""
        found = np.zeros(self._t, bool)
        for word in self._beginning(part) or self._containing(part):
            found[self._nodes[word]] = True
        return found

    def similar(self, word: str) -> str | None:
        """Return the word itself if one begins with it, or else the most similar word; None if none is similar."""
        if self._beginning(word):
            return word
        import difflib

        near = [one for one in self._words if abs(len(one) - len(word)) <= 2 and set(one) & set(word[:2])]
        found = difflib.get_close_matches(word, near, 1, 0.75)
        return found[0] if found else None

    def _beginning(self, part: str) -> range:
        start = stop = bisect_left(self._words, part)
        while stop < len(self._words) and self._words[stop].startswith(part):
            stop += 1
        return range(start, stop)

    def _containing(self, part: str) -> Iterable[int]:
        return [i for i, word in enumerate(self._words) if part in word]


def fold(text: str) -> str:
    """Return a text without case, accents and repeated white space: "Crème  Fraîche" becomes "creme fraiche"."""
    if not text.isascii():
        marks = unicodedata.normalize("NFKD", text)
        text = "".join(letter for letter in marks if not unicodedata.category(letter).startswith("M"))
    return " ".join(text.casefold().split())


def _split(folded: str) -> list[str]:
    """Return the words of a folded text: runs of letters and digits."""
    return "".join(letter if letter.isalnum() else " " for letter in folded).split()
