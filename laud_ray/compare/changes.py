"""The differences between two labelled outputs, as values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two outputs, with counts of its rows.

    Attributes:
        path: as the user gave it.
        models: names of the models that labelled it.
        documents: all rows.
        without_label: rows without a label.
        without_id: rows without an id, which are not compared.
        abstained: rows that are marked as abstained.
        row_ids: whether an id consists of file and row number, so that it changes when a row above is inserted or
            removed; None if unknown.
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
    """The number of documents whose label changed from `old` to `new`, and their mean confidences in [0, 1]."""

    old: str
    new: str
    documents: int
    old_confidence: float | None
    new_confidence: float | None


@dataclass(frozen=True, slots=True)
class ClassChange:
    """Counts of compared documents with a label: new = old + gained - lost."""

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
    """For a property of documents in both outputs: how many have it only in the new output, and only in the old.

    Attributes:
        began: documents that have the property only in the new output.
        ended: documents that have it only in the old output.
    """

    began: int
    ended: int


@dataclass(frozen=True, slots=True)
class Texts:
    """Documents whose id and text do not agree between the outputs. Both outputs have texts, or hashes of them.

    Attributes:
        other: ids whose text differs between the outputs; they are not compared.
        relabelled: those of `other` whose label differs too.
        moved: documents whose text is in both outputs, but under different ids.
        moved_relabelled: those of `moved` whose label differs.
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
    """The comparison of two outputs.

    Attributes:
        both: ids in both outputs, without repeated ones.
        only_old: ids only in the old output, without repeated ones.
        only_new: ids only in the new output, without repeated ones.
        repeated: ids that occur more than once in an output. They are not compared, because their rows cannot be
            matched.
        compared: documents with a label in both outputs, and with the same text if both outputs have texts.
        changed: compared documents whose label differs.
        flows: changes from label to label, the most frequent first, at most 1,000.
        flow_count: the number of different changes from label to label.
        classes: every label of a compared document, those with the largest gained + lost first.
        confidence_changed: confidences of documents whose label changed.
        confidence_same: confidences of documents that kept their label.
        abstained: documents that are marked as abstained; counted where both outputs have the column.
        without_label: documents that could not be labelled.
        examples: changed documents, those with the highest new confidence first.
        texts: None if an output has no texts to compare.
        sets: whether the outputs have lists of labels. Then a document's label is its whole set: labels of flows and
            examples are texts of `laud_ray.label_sets.LabelSet`, and a label counts in `classes` for every document
            whose set has it.
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
    sets: bool = False

    @property
    def share(self) -> float | None:
        """The share of compared documents whose label changed; None if none could be compared."""
        return self.changed / self.compared if self.compared else None

    @property
    def cardinality(self) -> tuple[float, float] | None:
        """The mean number of labels of a compared document, old and new; None if none could be compared."""
        if not self.compared:
            return None
        old, new = sum(one.old for one in self.classes), sum(one.new for one in self.classes)
        return old / self.compared, new / self.compared
