"""What two labelled outputs differ in, as values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Side:
    """One of the outputs, with the number of its rows of each kind. `models` are the ones that labelled it.

    Attributes:
        row_ids: whether ids are file and row, which change when a row is inserted or removed; None: not known.
    """

    path: str
    models: tuple[str, ...]
    documents: int
    without_label: int
    without_id: int
    abstained: int
    row_ids: bool | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """How many documents went from one label to another, with their mean confidences."""

    old: str
    new: str
    documents: int
    old_confidence: float | None
    new_confidence: float | None


@dataclass(frozen=True, slots=True)
class ClassChange:
    """Compared documents of a label: new = old + gained - lost."""

    label: str
    old: int
    new: int
    gained: int
    lost: int


@dataclass(frozen=True, slots=True)
class Confidence:
    """Mean and median of the confidences, in [0, 1], of n compared documents; None where there are none."""

    n: int
    old_mean: float | None
    new_mean: float | None
    old_median: float | None
    new_median: float | None


@dataclass(frozen=True, slots=True)
class Turned:
    """Documents in both outputs that are something in the new one but not in the old, and the reverse."""

    began: int
    ended: int


@dataclass(frozen=True, slots=True)
class Texts:
    """What came of comparing texts; both outputs have them, or their hashes.

    Attributes:
        other: ids that stand for another text in the new output: not compared.
        relabelled: those of them that have another label.
        moved: documents of another or no id in the old output, whose text is there under another id.
        moved_relabelled: those of them that have another label there.
    """

    other: int
    relabelled: int
    moved: int
    moved_relabelled: int


@dataclass(frozen=True, slots=True)
class Example:
    """A document whose label changed."""

    id: str
    text: str | None
    old: str
    new: str
    old_confidence: float | None
    new_confidence: float | None


@dataclass(frozen=True, slots=True)
class Diff:
    """Two outputs compared.

    Attributes:
        both: ids in both outputs, without the repeated ones.
        repeated: ids that an output has more than once: not compared, since nothing says which belongs to which.
        compared: documents with a label in both, and with the same text as far as texts are there.
        changed: compared documents with another label.
        flows: the most frequent first, not all of the flow_count where there are many.
        classes: every label that a compared document has, by gained and lost together, most first.
        abstained: where both outputs say whether they abstained.
        without_label: documents that could not be labelled.
        examples: the changes of the highest new confidence first.
        texts: None where an output has no texts to compare.
    """

    old: Side
    new: Side
    both: int
    only_old: int
    only_new: int
    repeated: int
    compared: int
    changed: int
    flows: tuple[Flow, ...]
    flow_count: int
    classes: tuple[ClassChange, ...]
    confidence_changed: Confidence
    confidence_same: Confidence
    abstained: Turned
    without_label: Turned
    examples: tuple[Example, ...]
    texts: Texts | None = None

    @property
    def share(self) -> float | None:
        """The share of compared documents whose label changed; None if none could be compared."""
        return self.changed / self.compared if self.compared else None
