"""Names of labels: which label of a task a text names, which names look the same, and what is no name at all."""

import difflib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from laud_ray.errors import CorpusError
from laud_ray.printable import quoted
from laud_ray.texts import normalise_text
from laud_ray.types import Label, Task

# What a language model answers where it does not know; no label is called so that it is asked about.
UNSURE = "unsure"
SHOWN = 10
LONGEST = 1000
# Control characters, and halves of characters that no UTF-8 can hold.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# A whole number with a point, as a program writes a column of numbers that has a missing value.
_WHOLE = re.compile(r"([+-]?\d+)\.0+")
# Emoji in colour or in black and white; old forms of the same Chinese character.
_VARIANTS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# Signs that tell names apart, as in C and C#.
_TELLING = "#%&@*"


def read_name(text: str) -> str:
    """Normalise the name of a label.

    Raises:
        ValueError: if nothing is left of it, or it has control characters or too many others.
    """
    name = normalise_text(text)
    if len(name) > LONGEST:
        raise ValueError(f"{quoted(text)} is not valid; expected a name of at most {LONGEST:,} characters")
    if not name or _CONTROL.search(name):
        raise ValueError(f"{quoted(text)} is not valid; expected a name of visible characters")
    return name


def typed(name: str) -> str:
    """Return the one form of a name that a typed column may be written in in several ways: true of True, 1 of 1.0.

    CSV has no types, and every program writes true, false and whole numbers in its own way; Parquet and JSON have them.
    """
    if name.casefold() in ("true", "false"):
        return name.casefold()
    found = _WHOLE.fullmatch(name)
    return name if found is None else found[1]


def fold(name: str) -> str:
    """A name without the difference of upper and lower case, of full and half width, and of the Turkish i."""
    folded = unicodedata.normalize("NFKC", _VARIANTS.sub("", name)).casefold()
    # What İ folds to is i and a dot above it.
    return normalise_text(unicodedata.normalize("NFKC", folded.replace("\u0307", "").replace("ı", "i")))


def look(name: str) -> str:
    """A folded name without spaces and punctuation: names of the same look are easily taken for each other."""
    folded = fold(name)
    return "".join(one for one in folded if unicodedata.category(one)[0] in "LNMS" or one in _TELLING) or folded


def alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Group names that look the same; those that look like no other are left out."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[look(name)].append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def remarks(task: Task) -> list[str]:
    """Say which labels of a task are easily taken for each other, at most SHOWN groups of them."""
    every = dict.fromkeys(label.name for one in task.labels for label in (one, *one.rest))
    groups = alike(every)
    lines = [
        f"task.labels: {_and(group)} look the same and are learned as different labels; to make them one, write "
        f"{{name: {group[0]}, also: [{', '.join(group[1:])}]}}"
        for group in groups[:SHOWN]
    ]
    more = len(groups) - SHOWN
    return lines if more <= 0 else [*lines, f"task.labels: {more} more groups of labels look the same"]


def nearest(text: str, names: Sequence[str]) -> str | None:
    """Return the name that a misspelt one most likely means; None where none is near."""
    same = next((name for name in names if look(name) == look(text)), None)
    if same is not None:
        return same
    folded = {fold(name): name for name in reversed(names)}
    found = difflib.get_close_matches(fold(text), list(folded), 1, 0.75)
    return folded[found[0]] if found else None


@dataclass(frozen=True, slots=True)
class Known:
    """The labels that texts name: a task's own, those that one of them stands for, and other spellings of each.

    Attributes:
        names: the label of each spelling.
        typed: the label of each form that a typed value may have, where only one label has it.
    """

    task: Task
    names: Mapping[str, str]
    typed: Mapping[str, str]

    def find(self, text: str | None) -> str | None:
        """Return the name of the label that a text names, white space and unseen characters apart; None if none."""
        if text is None:
            return None
        # As it stands first: the names of a run that an earlier version made are not normalised.
        plain = normalise_text(text)
        return self.names.get(text) or self.names.get(plain) or self.typed.get(typed(plain))

    def find_class(self, text: str | None) -> str | None:
        """Return the same as one of the task's names; in a binary task all but the positive label is the other one."""
        found = self.find(text)
        if self.task.kind == "multiclass" or not (text and normalise_text(text)):
            return found
        positive, rest = self.task.names
        return positive if found == positive else rest

    def unknown(self, counts: Mapping[str, int]) -> tuple["Unknown", ...]:
        """Return the most frequent of the labels that are none of these, at most SHOWN, each with the nearest name."""
        others = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:SHOWN]
        names = list(dict.fromkeys(self.names.values()))
        return tuple(Unknown(label, rows, nearest(label, names)) for label, rows in others)


def known_labels(task: Task) -> Known:
    """All that a task's labels are called."""
    every: list[Label] = [label for one in task.labels for label in (one, *one.rest)]
    # A label of the rest that is called `other` comes after the task's own class of that name, and means the same.
    spelt = {spelling: label.name for label in reversed(every) for spelling in label.also}
    names = spelt | {label.name: label.name for label in every}
    forms = defaultdict[str, set[str]](set)
    for spelling, name in names.items():
        forms[typed(spelling)].add(name)
    return Known(task, names, {form: found.pop() for form, found in forms.items() if len(found) == 1})


@dataclass(frozen=True, slots=True)
class Unknown:
    """A label that is none of a task's, in how many rows it stands, and the nearest one that is."""

    label: str
    rows: int
    nearest: str | None

    def __str__(self) -> str:
        hint = "" if self.nearest is None else f", nearest: {quoted(self.nearest)}"
        return f"{quoted(self.label)} ({self.rows:,}{hint})"


def no_known_label(task: Task, where: str, column: str, found: Sequence[Unknown]) -> CorpusError:
    """The one line for a column that holds none of them."""
    held = ", ".join([*map(str, found[:3]), *(["..."] if len(found) > 3 else [])]) or "nothing"
    return CorpusError(
        f"{where}: the column {column!r} holds {held}; expected the labels of the task, such as {quoted(task.names[0])}"
    )


def two_labels(texts: int, more: bool = False) -> str:
    """The line for texts of which one label must be wrong; `more`: there may be further ones."""
    least = "at least " if more else ""
    return f"{least}{texts:,} {'text stands' if texts == 1 else 'texts stand'} with two different labels"


def _and(names: Sequence[str]) -> str:
    *most, last = map(quoted, names)
    return f"{', '.join(most)} and {last}"
