"""Parse the text of an answer into a label, "unsure", or None where it is ambiguous. Pure text.

The prompt asks for a code and nothing else. Real models think aloud, wrap the code in Markdown or JSON, explain it, or
write the label's name. All of these are accepted if the answer names exactly one label. An answer that names two
labels, or that would have to be guessed, is unreadable.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from laud_ray.labels import UNSURE, fold
from laud_ray.models.language.prompts import Option
from laud_ray.oracles.completions import frames
from laud_ray.types import Label

_QUOTES = str.maketrans({"’": "'", "‘": "'", "´": "'", "`": "'", "“": '"', "”": '"', "_": " ", "–": "-", "—": "-"})
# A label's name in an answer may be this many characters longer: white space and Markdown between its words.
_SLACK = 40
# Stands for an abstention. A label may be called UNSURE, but none can have this name.
_ABSTAINS = "\0unsure"
_MOST_FRAMES = 50
_NAMES_TWO = "it names more than one label"
_NO_LABEL = "it names no label"


@dataclass(frozen=True, slots=True)
class Reading:
    """A parsed answer.

    Attributes:
        label: a label's name, UNSURE, or None if the answer is unreadable.
        why: the reason why it is None.
        start, end: the part of the answer that names the label.
    """

    label: str | None
    why: str = ""
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class _Named:
    """Labels that a part of the answer matches; with several of them the part is ambiguous."""

    labels: frozenset[str]
    start: int
    end: int


class _Vocabulary:
    """The spellings of each label: its code, or its name in any case, spacing and quotes."""

    def __init__(self, options: Sequence[Option], unsure: str | None) -> None:
        codes = [*((o.code, o.label.name) for o in options), *([(unsure, _ABSTAINS)] if unsure else [])]
        self.codes = _index(codes)
        self.folded = _index((code.casefold(), label) for code, label in codes if len(code) == 1)
        spelt = ((name, o.label.name) for o in options for name in _spellings(o.label))
        self.names = _index((_normal(name), label) for name, label in [*spelt, (UNSURE, _ABSTAINS)])
        self.longest = max(map(len, self.names)) + _SLACK

    def fits(self, said: str, *, folded: bool = True) -> frozenset[str]:
        """Return the labels that a whole text names; with `folded`, one-letter codes match in either case."""
        plain = unicodedata.normalize("NFKC", said.strip(frames.DECORATION))
        found = self.codes.get(plain, frozenset())
        if not found and folded and len(plain) == 1:
            found = self.folded.get(plain.casefold(), frozenset())
        return found | self.names.get(_normal(said), frozenset())

    def name_at(self, text: str) -> tuple[frozenset[str], int]:
        """Return the labels of the longest name at the start of a text, and where the name ends; (empty, 0) without."""
        ends = [match.end() for match in frames.WORD_END.finditer(text[: self.longest])]
        named = [(len(name), -end, labels) for end in ends if (labels := self.names.get(name := _normal(text[:end])))]
        _, end, labels = max(named, key=lambda one: one[:2], default=(0, 0, frozenset[str]()))
        return labels, -end

    def code_at(self, text: str) -> tuple[frozenset[str], int]:
        """Return the label of the code at the start of a text, and where the code ends; (empty, 0) without."""
        match = frames.CODE.match(text)
        labels = self.codes.get(match[1], frozenset[str]()) if match else frozenset[str]()
        return (labels, match.end()) if match and labels else (frozenset(), 0)


def read_answer(answer: str, options: Sequence[Option], unsure: str | None, *, cut: bool = False) -> Reading:
    """Parse an answer.

    Args:
        unsure: the code that stands for an abstention.
        cut: whether the answer was truncated at its length limit, so that its last word may be incomplete.

    Example:
        With the options A = Tea and B = Coffee, "<think>B?</think>**A** - it has leaves" is Tea, and "A or B" is
        unreadable.
    """
    words = _vocabulary(tuple(options), unsure)
    start = frames.end_of_thinking(answer)
    if start is None:
        return Reading(None, "it ends before its thinking does")
    text = frames.without_markup(answer)
    if not text[start:].strip():
        return Reading(None, "it is empty")
    reading = _last_asked_for(text, start, words) or _read(text, start, words)
    return _uncut(reading, text, words) if cut else reading


def _last_asked_for(text: str, start: int, words: _Vocabulary) -> Reading | None:
    """Parse the text after the last "Category:", the form that the prompt asks for; None if it names no label.

    It overrides an earlier "Category:" and labels that were only considered. It is ambiguous if another form of
    answer before it, such as "The answer is B", names another label.
    """
    asked = [match.span() for match in frames.ASKED_FOR.finditer(text, start)]
    if not asked or (found := _read(text, asked[-1][1], words)).why == _NO_LABEL:
        return None
    rivals = [
        one for one in _stated(text[: asked[-1][0]], start, words) if found.label not in one.labels and one.labels
    ]
    return Reading(None, _NAMES_TWO) if rivals else found


def _stated(text: str, start: int, words: _Vocabulary) -> Iterator[_Named]:
    """Yield labels that are given as the answer in another form than "Category:"."""
    asked = {match.start() for match in frames.ASKED_FOR.finditer(text, start)}
    for saying in frames.sayings(text, start):
        if not saying.exact and saying.phrase not in asked:
            yield from _head(text[: saying.end], saying.start, words)


def _read(text: str, start: int, words: _Vocabulary) -> Reading:
    whole = _Named(words.fits(text[start:]), *_trimmed(text, start, len(text)))
    named = [whole] if whole.labels else [*_head(text, start, words), *_framed(text, start, words)]
    labels = frozenset[str]().union(*(one.labels for one in named))
    if len(labels) != 1:
        return Reading(None, _NAMES_TWO if labels else _NO_LABEL)
    label, first = next(iter(labels)), next(one for one in named if one.labels)
    return Reading(UNSURE if label == _ABSTAINS else label, "", first.start, first.end)


def _uncut(reading: Reading, text: str, words: _Vocabulary) -> Reading:
    """Reject a label at the very end of a truncated answer if the next characters could have changed it."""
    said = text[reading.start : reading.end]
    alone = not text[: reading.start].strip(frames.DECORATION)
    longer = (one for one in words.codes if one.startswith(said) and one != said)
    if reading.label is None or text[reading.end :].strip() or (alone and next(longer, None) is None):
        return reading
    return Reading(None, "it was truncated where it names a label")


def _head(text: str, start: int, words: _Vocabulary, *, folded: bool = True) -> Iterator[_Named]:
    """Yield a label at the start, separated from its explanation: "A - because", "A) Tea", "**Tea**: ..."."""
    start, end = _trimmed(text, start, len(text))
    line = text[start:end].partition("\n")[0]
    if labels := words.fits(line, folded=folded):
        yield _Named(labels, start, start + len(line))
        yield from _others(text[start + len(line) : end], words)
        return
    if frames.announces(line):
        return  # "Answer: A" is read elsewhere; here "Answer" could be mistaken for a label of that name
    (named, end_of_name), (coded, end_of_code) = words.name_at(line), words.code_at(line)
    labels, length = (coded, end_of_code) if end_of_code > end_of_name else (named, end_of_name)
    labels |= coded if end_of_code == end_of_name else frozenset()
    if not labels and folded and (small := frames.SMALL_CODE.match(line)):
        labels, length = words.fits(small[1]), small.end(1)
    after = frames.set_off(line, length)
    if labels and after is not None:
        yield _Named(labels, start, start + length)
        rest = text[start + after : end]
        also, skip = words.name_at(rest)
        yield _Named(also, start, start + length)
        yield from _others(rest[skip:], words)


def _others(rest: str, words: _Vocabulary) -> Iterator[_Named]:
    """Yield alternatives that follow a label: "or B", "B = Coffee", "/ Coffee"."""
    for match in frames.BESIDE.finditer(rest):
        code = match[1] or match[2]
        yield _Named(words.codes.get(code, frozenset()) if code != "I" else frozenset(), match.start(), match.end())
    if (joined := frames.JOINED.match(rest)) is not None:
        yield _Named(words.name_at(rest[joined.end() :])[0], 0, 0)


def _framed(text: str, start: int, words: _Vocabulary) -> list[_Named]:
    """Return labels in an unambiguous form: JSON, "The category is A.", <answer>A</answer>."""
    found = [*_in_json(text, start, words)]
    for number, saying in enumerate(frames.sayings(text, start)):
        if number == _MOST_FRAMES:
            return [_Named(frozenset(words.names), 0, 0)]
        found += _head(text[: saying.end], saying.start, words, folded=not saying.exact)
    return found + _last_line(text, start, words)


def _last_line(text: str, start: int, words: _Vocabulary) -> list[_Named]:
    """Return a label that stands alone on the last line, as a conclusion."""
    line = text[start:].rstrip().rpartition("\n")[2]
    at = text.rindex(line)
    return [_Named(words.fits(line, folded=False), *_trimmed(text, at, at + len(line)))]


def _in_json(text: str, start: int, words: _Vocabulary) -> Iterator[_Named]:
    for said in frames.json_values(text[start:]):
        labels = words.fits(said) or frozenset[str]().union(*(one.labels for one in _head(said, 0, words)))
        at = max(text.find(said, start), 0)
        yield _Named(labels, at, at + len(said))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Shrink a span so that it has no white space, quotes and Markdown around it."""
    said = text[start:end]
    left = len(said) - len(said.lstrip(frames.DECORATION))
    return start + left, start + max(left, len(said.rstrip(frames.DECORATION)))


@lru_cache(maxsize=8)
def _vocabulary(options: tuple[Option, ...], unsure: str | None) -> _Vocabulary:
    return _Vocabulary(options, unsure)


def _spellings(label: Label) -> Iterator[str]:
    """Yield the names of a label; for `other` in a binary task also those of the labels that it stands for."""
    for one in (label, *label.rest):
        yield from (one.name, *one.also)


def _index(pairs: Iterable[tuple[str, str]]) -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for key, label in pairs:
        found[key] = found.get(key, frozenset()) | {label}
    return found


def _normal(name: str) -> str:
    return " ".join(fold(name).translate(_QUOTES).split()).strip(frames.DECORATION)
