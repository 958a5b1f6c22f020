"""Figures of a multilabel task, for the terminal and as JSON."""

from laud_ray.report.formatting import figure
from laud_ray.report.json_values import estimate_json
from laud_ray.types import Estimate, MultilabelFigures

_ESTIMATES = (
    *("micro_precision", "micro_recall", "micro_f1", "macro_f1", "exact_match", "ranking"),
    *("true_labels", "predicted_labels"),
)


def multilabel_json(found: MultilabelFigures | None) -> dict[str, object] | None:
    """Return the figures of a multilabel task; None for other tasks. The meaning of each is that of its attribute.

    Estimates are `{"value", "low", "high", "n"}`, or None where there is none. `macro_f1` is over `labels_in_macro_f1`
    labels, those with at least `documents_of_a_label` documents.
    """
    if found is None:
        return None
    estimates = {name: getattr(found, name) for name in _ESTIMATES}
    return {
        "n": found.n,
        **{name: None if one is None else estimate_json(one) for name, one in estimates.items()},
        "labels_in_macro_f1": found.macro_labels,
        "documents_of_a_label": found.least,
    }


def multilabel_lines(found: MultilabelFigures) -> list[str]:
    """Return sentences on a multilabel model as a whole, beside its micro-F1 and macro-F1."""
    exact, told = found.exact_match, labels(found.predicted_labels)
    lines = [f"micro precision {figure(found.micro_precision)}, recall {figure(found.micro_recall)}, n = {found.n:,}"]
    # Without a document that the oracle was asked about whole, nobody knows how many labels apply.
    if exact.n:
        lines += [
            f"exactly the right labels for {figure(exact)} of documents, n = {exact.n:,}",
            f"{labels(found.true_labels)} labels apply to a document on average, {told} are predicted",
        ]
    else:
        lines.append(f"{told} labels are predicted for a document on average")
    if found.ranking is not None:
        lines.append(f"label ranking average precision {figure(found.ranking)}, n = {found.ranking.n:,}")
    over = "1 label" if found.macro_labels == 1 else f"{found.macro_labels:,} labels"
    if found.macro_f1 is not None:
        lines.append(f"macro-F1 is over the {over} with at least {found.least} documents of the sample")
    else:
        lines.append(f"no label has {found.least} documents of the sample, so macro-F1 is over all that occur")
    return lines


def labels(estimate: Estimate) -> str:
    """Write a mean number of labels with its interval: `1.39 [1.30, 1.48]`."""
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
