"""The answer about a document of a multilabel task: a set of labels, and its text form.

The text form stands wherever a label stands in tasks of other kinds: in `Annotation.label`, `Example.label`, the
database and history files. Equal answers have equal texts.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from laud_ray.printable import quoted

# The values of a mask.
APPLIES, DOES_NOT, NOT_ASKED = 1, 0, -1
# How the empty answer is shown.
NO_LABEL = "no label"
_EXPECTED = 'a JSON list of labels, or {"no": [...], "yes": [...]}'


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Which labels of a task apply to a document.

    Attributes:
        yes: the labels that apply, sorted; may be empty.
        no: the labels that do not apply, sorted, if not all labels were asked about: those in neither of the two are
            not known. None for a whole answer: all labels but those in `yes` do not apply.
    """

    yes: tuple[str, ...]
    no: tuple[str, ...] | None = None

    @staticmethod
    def of(yes: Iterable[str], no: Iterable[str] | None = None) -> "LabelSet":
        """Return the set of some labels in any order, of which some may stand twice.

        Raises:
            ValueError: if a label both applies and does not.
        """
        applies = set(yes)
        if no is None:
            return LabelSet(tuple(sorted(applies)))
        does_not = set(no)
        if both := sorted(applies & does_not):
            raise ValueError(f"{quoted(both[0])} stands under yes and under no; expected it under one of them")
        return LabelSet(tuple(sorted(applies)), tuple(sorted(does_not)))

    @staticmethod
    def parse(text: str) -> "LabelSet":
        """Read the text form.

        Example:
            >>> LabelSet.parse('["Tea"]'), LabelSet.parse('{"no": ["Milk"], "yes": []}')
            (LabelSet(yes=('Tea',), no=None), LabelSet(yes=(), no=('Milk',)))

        Raises:
            ValueError: if it is something else.
        """
        try:
            found = json.loads(text)
        except ValueError:
            raise ValueError(f"{quoted(text)} is not valid; expected {_EXPECTED}") from None
        parts = {"yes": found, "no": None} if isinstance(found, list) else found
        if not isinstance(parts, dict) or set(parts) != {"yes", "no"}:
            raise ValueError(f"{quoted(text)} is not valid; expected {_EXPECTED}")
        for part in parts.values():
            if part is not None and not (isinstance(part, list) and all(isinstance(name, str) for name in part)):
                raise ValueError(f"{quoted(text)} is not valid; expected {_EXPECTED}")
        return LabelSet.of(parts["yes"] or (), parts["no"])

    @property
    def text(self) -> str:
        """The text form, equal for equal sets."""
        form: object = list(self.yes) if self.no is None else {"no": list(self.no), "yes": list(self.yes)}
        return json.dumps(form, ensure_ascii=False, separators=(",", ":"))

    @property
    def shown(self) -> str:
        """The set for people, such as "Coffee; Tea"; labels that do not apply are not shown."""
        return "; ".join(self.yes) or NO_LABEL

    def mask(self, index: Mapping[str, int], k: int) -> npt.NDArray[np.int8]:
        """Return (k,) APPLIES, DOES_NOT or NOT_ASKED for each label of a task.

        Args:
            index: label -> its column. Labels that it lacks, such as those of an earlier version, are left out.
            k: the number of labels.
        """
        mask = np.full(k, DOES_NOT if self.no is None else NOT_ASKED, np.int8)
        mask[[index[name] for name in self.no or () if name in index]] = DOES_NOT
        mask[[index[name] for name in self.yes if name in index]] = APPLIES
        return mask


def masks(texts: Iterable[str], names: Iterable[str]) -> npt.NDArray[np.int8]:
    """Map the text forms of n answers to their (n, k) masks, for the k labels of a task in their order."""
    index = {name: i for i, name in enumerate(names)}
    rows = [LabelSet.parse(text).mask(index, len(index)) for text in texts]
    return np.stack(rows) if rows else np.zeros((0, len(index)), np.int8)


def named(text: str | None) -> tuple[str, ...]:
    """Return the labels that apply according to the text form of an answer; none of an abstention."""
    return () if text is None else LabelSet.parse(text).yes


def shown(label: str, *, multilabel: bool) -> str:
    """Return an answer for people: a set without its JSON, a label of another task as it is."""
    return LabelSet.parse(label).shown if multilabel else label
