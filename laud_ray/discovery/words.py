"""Name groups of texts by the words that tell them from other texts. Pure.

Class-based TF-IDF (Grootendorst 2022, arXiv 2203.05794): the weight of a word in a group is its frequency there times
log(1 + A / f), where f is its frequency in all groups and A the mean number of words of a group.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence

from laud_ray.labels import fold

WORDS = 3
# Letters of any script, within a word also apostrophes and hyphens; numbers alone say little.
_WORD = re.compile(r"[^\W\d_](?:[\w'’-]*[^\W_])?")
# A word of a name occurs in at least this share of the group's texts, as far as there are such words.
SHARED = 0.15


def names(groups: Sequence[Sequence[str]], background: Sequence[str] = ()) -> list[str]:
    """Return a name for each group of texts: up to WORDS words, in the order in which texts have them.

    Args:
        groups: texts, at least one in each group.
        background: other texts, which count as a group.

    Example:
        >>> names([["lost my card", "a lost card"], ["top up failed", "failed top up"]])
        ['lost card', 'top up failed']
    """
    every = [[_words(text) for text in texts] for texts in (*groups, background)]
    counts = [Counter(word for words in texts for word in words) for texts in every]
    total = Counter[str]()
    for one in counts:
        total.update(one)
    mean = sum(total.values()) / max(sum(1 for one in counts if one), 1)
    return [_name(texts, count, total, mean) for texts, count in zip(every[:-1], counts[:-1], strict=True)]


def _name(texts: Sequence[Sequence[str]], count: Counter[str], total: Counter[str], mean: float) -> str:
    size = sum(count.values()) or 1
    weights = {word: n / size * math.log(1 + mean / total[word]) for word, n in count.items()}
    holding = Counter(word for words in texts for word in set(words))
    often = [word for word in weights if holding[word] >= SHARED * len(texts)] or list(weights)
    best = sorted(often, key=lambda word: (-weights[word], word))[:WORDS]
    # A word with a fraction of the weight of the first one says little beside it.
    best = [word for word in best if weights[word] >= weights[best[0]] / 4]
    return " ".join(sorted(best, key=lambda word: (_place(texts, word), word)))


def _place(texts: Sequence[Sequence[str]], word: str) -> float:
    """Return where a word stands in the texts that have it, from 0 at the beginning to 1."""
    found = [words.index(word) / len(words) for words in texts if word in words]
    return sum(found) / len(found)


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(fold(text)) if len(word) > 1]
