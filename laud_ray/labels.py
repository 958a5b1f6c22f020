"""Label names: normalise them, find the label that a text names, and find names that are easily confused."""

import difflib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from laud_ray.errors import CorpusError
from laud_ray.printable import quoted
from laud_ray.texts import normalise_text
from laud_ray.types import Label, Task

if TYPE_CHECKING:
    from laud_ray.taxonomy.tree import Taxonomy

# The answer of a language model that is not sure; reserved, so no label that a language model chooses from has it.
UNSURE = "unsure"
# The answer of a language model that sees only some nodes of a taxonomy, if no one of them is right; reserved likewise.
NONE_OF_THESE = "none of these"
# By which people say that no label is right.
NONE_FITS = "none fits"
# By which they say so in a multilabel task, where it is an answer like any other.
NO_LABEL_APPLIES = "no label applies"
SHOWN = 10
# The most names that a misspelt one is compared with letter by letter.
COMPARED = 500
LONGEST = 1000
# Control characters, and surrogates, which UTF-8 cannot encode.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# A whole number with a decimal point, as programs write a column of integers that has missing values.
_WHOLE = re.compile(r"([+-]?\d+)\.0+")
# Variation selectors, which choose the coloured or plain form of an emoji, or a variant of a Chinese character.
_VARIANTS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# Punctuation that distinguishes names, such as C and C#.
_TELLING = "#%&@*"


def read_name(text: str) -> str:
    """Normalise the name of a label.

    Raises:
        ValueError: if it is empty, has control characters, or is longer than 1,000 characters.
    """
    name = normalise_text(text)
    if len(name) > LONGEST:
        raise ValueError(f"{quoted(text)} is not valid; expected a name of at most {LONGEST:,} characters")
    if not name or _CONTROL.search(name):
        raise ValueError(f"{quoted(text)} is not valid; expected a name of visible characters")
    return name


def typed(name: str) -> str:
    """Return the canonical form of a name that may be a typed value: "true" for "True", "1" for "1.0".

    CSV has no types, so programs write true, false and whole numbers differently; Parquet and JSON have types.
    """
    if len(name) in (4, 5) and (folded := name.casefold()) in ("true", "false"):
        return folded
    found = _WHOLE.fullmatch(name)
    return name if found is None else found[1]


def fold(name: str) -> str:
    """Return a name without distinctions of case, of full and half width, and of the Turkish dotted and dotless i."""
    folded = unicodedata.normalize("NFKC", _VARIANTS.sub("", name)).casefold()
    # İ is folded to i and a combining dot above.
    return normalise_text(unicodedata.normalize("NFKC", folded.replace("\u0307", "").replace("ı", "i")))


def look(name: str) -> str:
    """Return a folded name without spaces and punctuation; names with the same result are easily confused."""
    folded = fold(name)
    return "".join(one for one in folded if unicodedata.category(one)[0] in "LNMS" or one in _TELLING) or folded


def alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Return groups of names with the same look; names that look like no other are left out."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[look(name)].append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def remarks(task: Task) -> list[str]:
    """Return warnings about labels of a task that are easily confused, for at most SHOWN groups of them."""
    if task.taxonomy is not None:
        every = dict.fromkeys(map(task.taxonomy.label, range(len(task.taxonomy.nodes))))
    else:
        every = dict.fromkeys(label.name for one in task.labels for label in (one, *one.rest))
    groups = alike(every)
    lines = [
        f"task.labels: {_and(group)} look the same, but are different labels; to merge them, write "
        f"{{name: {group[0]}, also: [{', '.join(group[1:])}]}}"
        for group in groups[:SHOWN]
    ]
    more = len(groups) - SHOWN
    return lines if more <= 0 else [*lines, f"task.labels: {more} more groups of labels look the same"]


def nearest(text: str, names: Sequence[str]) -> str | None:
    """Return the name that is most similar to a misspelt one; None if none is similar."""
    return Similar(names).nearest(text)


class Similar:
    """Finds the most similar of n names. Of many names only those that share most letters are compared in full."""

    def __init__(self, names: Sequence[str]) -> None:
        self._folded = {fold(name): name for name in reversed(names)}
        self._looks = {look(name): name for name in reversed(names)}
        self._known = list(self._folded)
        self._having = defaultdict[str, list[int]](list)
        for i, name in enumerate(self._known if len(self._known) > COMPARED else ()):
            for part in _parts(name):
                self._having[part].append(i)
        self._sizes = np.array([len(name) for name in self._known])

    def nearest(self, text: str) -> str | None:
        """Return the most similar name; None if none is similar."""
        same = self._looks.get(look(text))
        if same is not None:
            return same
        folded = fold(text)
        found = difflib.get_close_matches(folded, self._candidates(folded), 1, 0.75)
        return self._folded[found[0]] if found else None

    def _candidates(self, folded: str) -> list[str]:
        """Return the names to compare: those that share most groups of letters, in relation to their length."""
        if len(self._known) <= COMPARED:
            return self._known
        holders = [one for part in _parts(folded) if (one := self._having.get(part))]
        if not holders:
            return []
        shared = np.bincount(np.concatenate(holders), minlength=len(self._known))
        share = shared / (len(folded) + self._sizes)
        return [self._known[i] for i in np.argsort(-share, kind="stable")[:COMPARED]]


def _parts(name: str) -> set[str]:
    """Return all groups of three consecutive characters, with a space around the name."""
    spaced = f" {name} "
    return {spaced[i : i + 3] for i in range(len(spaced) - 2)}


@dataclass(frozen=True, slots=True)
class Known:
    """The names by which texts may name the labels of a task.

    Texts name a node of a taxonomy by its code, its path, or a name that no other node has; its label is its path.

    Attributes:
        task: the task.
        names: each name or other spelling -> the name of the label. For a binary task, the labels that `other` stands
            for are included; for a taxonomy, the paths of all nodes.
        typed: canonical form of a typed value (see `typed`) -> the name of the label; forms of several labels are left
            out.
    """

    task: Task
    names: Mapping[str, str]
    typed: Mapping[str, str]

    def find(self, text: str | None) -> str | None:
        """Return the label that a text names, ignoring white space and invisible characters; None if it names none."""
        if text is None:
            return None
        if self.task.taxonomy is not None:
            return _path_of(self.task.taxonomy, text)
        # The text is looked up unchanged first, because runs of an earlier version have names that are not normalised.
        plain = normalise_text(text)
        return self.names.get(text) or self.names.get(plain) or self.typed.get(typed(plain))

    def find_class(self, text: str | None) -> str | None:
        """Return the same as one of the task's classes; in a binary task, any non-empty other text is `other`."""
        found = self.find(text)
        if self.task.kind != "binary" or not (text and normalise_text(text)):
            return found
        positive, rest = self.task.names
        return positive if found == positive else rest

    def similar(self, text: str) -> str | None:
        """Return the label that is most similar to a text; None if none is."""
        return nearest(text, list(dict.fromkeys(self.names.values())))

    def unknown(self, counts: Mapping[str, int]) -> tuple["Unknown", ...]:
        """Return the SHOWN most frequent of some unknown labels, each with the most similar name.

        Args:
            counts: unknown label -> the number of rows that have it.
        """
        others = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:SHOWN]
        if not others:
            return ()
        labels = list(dict.fromkeys(self.names.values()))
        tree = self.task.taxonomy
        by_last = {} if tree is None else {node.name: tree.label(i) for i, node in reversed([*enumerate(tree.nodes)])}
        whole, last = Similar(labels), Similar(list(by_last))
        found = []
        for label, rows in others:
            near = None if tree is None else last.nearest(label)
            found.append(Unknown(label, rows, whole.nearest(label) if near is None else by_last[near]))
        return tuple(found)


def known_labels(task: Task) -> Known:
    """Return all names of a task's labels."""
    if task.taxonomy is not None:
        return Known(task, {path: path for path in map(task.taxonomy.label, range(len(task.taxonomy.nodes)))}, {})
    every: list[Label] = [label for one in task.labels for label in (one, *one.rest)]
    # Names override spellings. If a label in `rest` is itself named `other`, it means the task's class `other`.
    spelt = {spelling: label.name for label in reversed(every) for spelling in label.also}
    names = spelt | {label.name: label.name for label in every}
    forms = defaultdict[str, set[str]](set)
    for spelling, name in names.items():
        forms[typed(spelling)].add(name)
    return Known(task, names, {form: found.pop() for form, found in forms.items() if len(found) == 1})


def _path_of(taxonomy: "Taxonomy", text: str) -> str | None:
    """Return the path of the node that a text names; None if it names none, or several."""
    node = taxonomy.find_one(text)
    return None if node is None else taxonomy.label(node)


@dataclass(frozen=True, slots=True)
class Unknown:
    """A label that is not one of the task's, the number of rows with it, and the most similar label of the task."""

    label: str
    rows: int
    nearest: str | None

    def __str__(self) -> str:
        hint = "" if self.nearest is None else f", nearest: {quoted(self.nearest)}"
        return f"{quoted(self.label)} ({self.rows:,}{hint})"


def no_known_label(task: Task, where: str, column: str, found: Sequence[Unknown]) -> CorpusError:
    """Return the error for a column that has no label of the task."""
    held = ", ".join([*map(str, found[:3]), *(["..."] if len(found) > 3 else [])]) or "nothing"
    return CorpusError(
        f"{where}: the column {column!r} holds {held}; expected the labels of the task, such as {quoted(task.names[0])}"
    )


def two_labels(texts: int, more: bool = False, *, of: str | None = None) -> str:
    """Return the warning about texts that occur with two different labels.

    Args:
        more: whether there may be further ones.
        of: what they occur with; None: two different labels.
    """
    least = "at least " if more else ""
    return f"{least}{texts:,} {'text occurs' if texts == 1 else 'texts occur'} with {of or 'two different labels'}"


def _and(names: Sequence[str]) -> str:
    *most, last = map(quoted, names)
    return f"{', '.join(most)} and {last}"
