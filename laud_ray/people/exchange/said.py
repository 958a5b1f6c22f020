"""Read an answer in words: a label of the task or several, "unsure", or "none fits"."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from laud_ray.label_cells import SEPARATOR, parts_of, set_cell
from laud_ray.label_sets import LabelSet
from laud_ray.labels import NO_LABEL_APPLIES, Known, fold, known_labels, nearest
from laud_ray.people.sets import EMPTY, SetNames
from laud_ray.people.votes import Answer
from laud_ray.printable import quoted
from laud_ray.taxonomy import Taxonomy
from laud_ray.taxonomy.path_text import split_path
from laud_ray.taxonomy.search import NodeSearch
from laud_ray.types import Task

UNSURE, NONE = "unsure", "none fits"
# Other words for the two; a label of that name is meant first.
_WORDS: Mapping[str, Answer] = {
    "unsure": "unsure",
    "not sure": "unsure",
    "?": "unsure",
    "none fits": "none",
    "no label fits": "none",
    "none": "none",
}


# The same for no label in a multilabel task, where it is an answer like any other.
_NO_LABEL = (NO_LABEL_APPLIES, "no label", "no labels", *(word for word, answer in _WORDS.items() if answer == "none"))


class Words(Protocol):
    """How answers to a task are read."""

    def read(self, text: str) -> tuple[Answer, str | None] | None:
        """Return the answer that a text means, and its label; None if it means none."""

    def shown(self, label: str) -> str:
        """Return the text by which an answer's label is shown, as in a file."""

    def text_of(self, path: Sequence[str]) -> str:
        """Return the text by which a path of names, such as a choice in a tree, names a label."""

    def expected(self, text: str) -> str:
        """Return the end of a message about a text that is no answer: the nearest label, or some labels."""


def words_of(task: Task) -> Words:
    """Return how answers to a task are read."""
    if task.taxonomy is not None:
        return _TreeWords(task.taxonomy)
    known = known_labels(task)
    forms = defaultdict[str, set[str]](set)
    for spelling, name in known.names.items():
        forms[fold(spelling)].add(name)
    flat = _FlatWords(known, {form: found.pop() for form, found in forms.items() if len(found) == 1})
    return _SetWords(flat, SetNames(task)) if task.multilabel else flat


def written(words: Words, answer: Answer, label: str | None) -> str:
    """Return an answer as people write it into a file."""
    return answer if label is None else words.shown(label)


@dataclass(frozen=True, slots=True)
class _FlatWords:
    """Answers to a task whose labels are a list.

    Attributes:
        folded: names and spellings without distinctions of case -> the label; those of several labels are left out.
    """

    known: Known
    folded: Mapping[str, str]

    def read(self, text: str) -> tuple[Answer, str | None] | None:
        found = self.known.find(text) or self.folded.get(fold(text))
        if found is not None:
            return "label", self.known.find_class(found)
        return _without_label(text)

    def shown(self, label: str) -> str:
        return label

    def text_of(self, path: Sequence[str]) -> str:
        """Return the leaf, or the whole path if that names a label."""
        paths = (sign.join(path) for sign in (" > ", "/", " / "))
        return next((one for one in paths if self.read(one) is not None), path[-1] if path else "")

    def expected(self, text: str) -> str:
        near = nearest(text, list(dict.fromkeys(self.known.names.values())))
        if near is not None:
            return f"is not a label of the task - did you mean {quoted(near)}?"
        some = ", ".join(map(quoted, self.known.task.names[:3]))
        if self.known.task.multilabel:
            expected = f"labels such as {some}, with semicolons between them; or {NO_LABEL_APPLIES!r}, {UNSURE!r}"
        else:
            expected = f"one such as {some}; or {UNSURE!r}, {NONE!r}"
        return f"is not a label of the task; expected {expected}"


@dataclass(frozen=True, slots=True)
class _SetWords:
    """Answers to a multilabel task: labels between semicolons, or a JSON list; a label may have a semicolon in it."""

    one: _FlatWords
    names: SetNames

    def read(self, text: str) -> tuple[Answer, str | None] | None:
        labels = self._labels(text)
        if labels is None:
            return ("label", EMPTY) if fold(text) in _NO_LABEL else _without_label(text)
        if None in labels or self.names.mistake_in(found := LabelSet.of(filter(None, labels)).yes) is not None:
            return None
        return "label", LabelSet.of(found).text

    def shown(self, label: str) -> str:
        return set_cell(LabelSet.parse(label).yes) or NO_LABEL_APPLIES

    def text_of(self, path: Sequence[str]) -> str:
        return self.one.text_of(path)

    def expected(self, text: str) -> str:
        for part in parts_of(text, SEPARATOR, self.one.known.names) or ():
            said = self.one.read(part)
            if (said is None and fold(part) in _NO_LABEL) or (said is not None and said[0] != "label"):
                return f"has {quoted(part)} beside labels; expected it alone"
            if said is None:
                return f"has {quoted(part)}, which {self.one.expected(part)}"
        found = LabelSet.of(filter(None, self._labels(text) or ())).yes
        return f"is not valid: {self.names.mistake_in(found)}"

    def _labels(self, text: str) -> list[str | None] | None:
        """Return the labels that a text names, None for those that it does not name; None for words without a label."""
        said = self.one.read(text)
        if said is not None:
            return [said[1]] if said[0] == "label" else None
        parts = parts_of(text, SEPARATOR, self.one.known.names)
        if parts is None or fold(text) in _NO_LABEL:
            return None
        return [said[1] if (said := self.one.read(part)) is not None else None for part in parts]


class _TreeWords:
    """Answers to a task whose labels are a taxonomy: a node's path, its code, or a name that no other node has."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy
        self._folded: dict[str, int] | None = None
        self._search: NodeSearch | None = None

    def read(self, text: str) -> tuple[Answer, str | None] | None:
        node = self._find(text)
        return _without_label(text) if node is None else ("label", self._taxonomy.label(node))

    def shown(self, label: str) -> str:
        return label

    def text_of(self, path: Sequence[str]) -> str:
        """Return the path; or, where it lacks levels of the taxonomy, that of the only node that it may mean."""
        text = self._taxonomy.separator.join(path)
        node = self._find(path[-1]) if path and self._find(text) is None else None
        return text if node is None or not _is_within(path, self._taxonomy.nodes[node].path) else path[-1]

    def expected(self, text: str) -> str:
        try:
            self._taxonomy.find(text)
        except ValueError as error:  # the name of several nodes: it lists their paths
            return str(error).removeprefix(f"{quoted(text)} ")
        self._search = self._search or NodeSearch(self._taxonomy)
        node = self._search.nearest(text)
        if node is not None:
            return f"is not a label of the task - did you mean {quoted(self._taxonomy.label(node), 1000)}?"
        some = quoted(self._taxonomy.label(int(self._taxonomy.leaves[0])), 1000)
        expected = f"a path such as {some}, a code, or a name that only one of them has"
        return f"is not a label or branch of the task; expected {expected}; or {UNSURE!r}, {NONE!r}"

    def _find(self, text: str) -> int | None:
        found = self._taxonomy.find_one(text)
        return self._find_folded(text) if found is None else found

    def _find_folded(self, text: str) -> int | None:
        """Return the node that a text names if case does not matter; None if that may be several."""
        if self._folded is None:
            forms = defaultdict[str, set[int]](set)
            for i, node in enumerate(self._taxonomy.nodes):
                for spelling in (self._taxonomy.label(i), node.code, node.name, *node.also):
                    forms[fold(spelling)].add(i)
            self._folded = {form: found.pop() for form, found in forms.items() if len(found) == 1}
        try:
            plain = self._taxonomy.separator.join(split_path(text, self._taxonomy.separator))
        except ValueError:
            plain = text
        return self._folded.get(fold(plain))


def _without_label(text: str) -> tuple[Answer, str | None] | None:
    word = _WORDS.get(fold(text))
    return None if word is None else (word, None)


def _is_within(some: Sequence[str], path: Sequence[str]) -> bool:
    """Whether names occur in a path in their order."""
    names = iter(path)
    return all(one in names for one in some)
