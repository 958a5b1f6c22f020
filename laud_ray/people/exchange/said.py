"""Read an answer in words: a label of the task, "unsure", or "none fits"."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from laud_ray.labels import Known, fold, known_labels, nearest
from laud_ray.people.votes import Answer
from laud_ray.printable import quoted
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


@dataclass(frozen=True, slots=True)
class Words:
    """How answers to a task are read.

    Attributes:
        folded: names and spellings without distinctions of case -> the label; those of several labels are left out.
    """

    known: Known
    folded: Mapping[str, str]

    def read(self, text: str) -> tuple[Answer, str | None] | None:
        """Return the answer that a text means, and its label; None if it means none."""
        found = self.known.find(text) or self.folded.get(fold(text))
        if found is not None:
            return "label", self.known.find_class(found)
        word = _WORDS.get(fold(text))
        return None if word is None else (word, None)

    def expected(self, text: str) -> str:
        """Return the end of a message about a text that is no answer: the nearest label, or some labels."""
        near = nearest(text, list(dict.fromkeys(self.known.names.values())))
        if near is not None:
            return f"is not a label of the task - did you mean {quoted(near)}?"
        some = ", ".join(map(quoted, self.known.task.names[:3]))
        return f"is not a label of the task; expected one such as {some}; or {UNSURE!r}, {NONE!r}"


def words_of(task: Task) -> Words:
    """Return how answers to a task are read."""
    known = known_labels(task)
    forms = defaultdict[str, set[str]](set)
    for spelling, name in known.names.items():
        forms[fold(spelling)].add(name)
    return Words(known, {form: found.pop() for form, found in forms.items() if len(found) == 1})
