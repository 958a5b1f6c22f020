"""The sets of labels that a pass predicts for some documents. m documents, k labels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from laud_ray.label_sets import LabelSet
from laud_ray.types import Bools, Floats

# The columns of a pass that are read.
COLUMNS = ("labels", "confidence", "top_labels", "top_probabilities")


@dataclass(frozen=True, slots=True, eq=False)
class PredictedSets:
    """What a model says about m documents.

    Attributes:
        names: of the k labels.
        applies: (m, k) whether the model predicts a label.
        proba: (m, k) probabilities of labels; 0 for those that the pass does not list.
        confidence: (m,) the probability that the predicted set is exactly the right one.
        scored: (m,) whether the model could score a document; all else is 0 if not.
    """

    names: tuple[str, ...]
    applies: Bools
    proba: Floats
    confidence: Floats
    scored: Bools

    @property
    def texts(self) -> list[str | None]:
        """The text form of each predicted set, as of an answer; None if the document was not scored."""
        return [
            LabelSet.of(self.names[column] for column in np.flatnonzero(row)).text if known else None
            for row, known in zip(self.applies, self.scored, strict=True)
        ]


def predicted_in(rows: Iterable[tuple[int, Mapping[str, Any]]], m: int, names: Sequence[str]) -> PredictedSets:
    """Collect the predictions of m documents.

    Args:
        rows: the place of a document and its row of the pass, with the columns COLUMNS.
        m: the number of documents.
        names: the k labels.
    """
    index = {name: column for column, name in enumerate(names)}
    applies, proba = np.zeros((m, len(names)), np.bool_), np.zeros((m, len(names)), np.float32)
    confidence, scored = np.zeros(m), np.zeros(m, np.bool_)
    for i, row in rows:
        if row["confidence"] is None:
            continue
        scored[i], confidence[i] = True, row["confidence"]
        applies[i, [index[label] for label in row["labels"]]] = True
        proba[i, [index[label] for label in row["top_labels"]]] = row["top_probabilities"]
    return PredictedSets(tuple(names), applies, proba, confidence.clip(0, 1), scored)
