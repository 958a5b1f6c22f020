"""Results for tasks in which several labels, or none, may apply to a document."""

from dataclasses import dataclass

from laud_ray.types.results import Estimate


@dataclass(frozen=True, slots=True)
class MultilabelFigures:
    """The quality of a multilabel model, estimated from a weighted sample of n annotated documents.

    A pair is a document and a label. Pairs that the oracle was not asked about do not count.

    Attributes:
        micro_precision: of the pairs that the model predicts, the share that is right.
        micro_recall: of the pairs that apply, the share that the model predicts.
        micro_f1: the harmonic mean of the two.
        macro_f1: the mean F1 of the labels with at least `least` documents; None if there are none.
        macro_labels: how many labels these are.
        exact_match: the share of documents whose predicted labels are exactly the right ones, among the documents that
            the oracle was asked about whole.
        ranking: the label ranking average precision, in (0, 1]: the mean, over the labels that apply to a document, of
            the share of right labels among those that the model ranks at least as high. Documents without a label do
            not count; None if all are.
        true_labels: the mean number of labels that apply to a document.
        predicted_labels: the mean number that the model predicts.
        least: the number of documents that a label must apply to for its F1 to be in the macro-F1.
    """

    n: int
    micro_precision: Estimate
    micro_recall: Estimate
    micro_f1: Estimate
    macro_f1: Estimate | None
    macro_labels: int
    exact_match: Estimate
    ranking: Estimate | None
    true_labels: Estimate
    predicted_labels: Estimate
    least: int = 10
