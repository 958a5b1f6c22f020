"""Build the JSON of a response. n texts, k classes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from laud_ray.types import Floats
from serve.registry import Entry
from serve.schemas import FaultError

# The most labels in one response. Each needs about 300 bytes while the response is built.
MOST_LISTED = 100_000


@dataclass(frozen=True, slots=True)
class Scored:
    """(n, k) probabilities, and the reason for each text without probabilities, by its index."""

    proba: Floats
    errors: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Answered:
    """A response, and the numbers for the metrics.

    Attributes:
        body: the JSON.
        labels: labels of the n texts; None for a text with an error.
        best, confidence: index and confidence of the likeliest label, for the texts that have one.
        abstained: texts below the threshold.
        failed: texts with an error.
    """

    body: bytes
    labels: list[str | None]
    best: list[int]
    confidence: list[float]
    abstained: int
    failed: int


def check_size(texts: int, top: int) -> None:
    """Raise FaultError 413 if a response would list more than MOST_LISTED labels."""
    if texts * top > MOST_LISTED:
        message = f"top_k: {top} labels for each of {texts} texts; expected at most {MOST_LISTED:,} in all"
        raise FaultError(413, "answer_too_large", message)


def answer(entry: Entry, scored: Scored, top_k: int, threshold: float) -> Answered:
    """Build the response: for each text a result with the likeliest labels first, or an error."""
    top = min(top_k, scored.proba.shape[1])
    order = np.argsort(-scored.proba, axis=1, kind="stable")[:, :top]
    values = np.take_along_axis(scored.proba, order, 1).astype(np.float64).round(6).tolist()
    names = [label.name for label in entry.labels]
    places = order.tolist()
    results: list[dict[str, object]] = []
    for i, (row, row_values) in enumerate(zip(places, values, strict=True)):
        error = scored.errors.get(i)
        if error is None:
            results.append(_result([names[j] for j in row], row_values, threshold))
        else:
            results.append({"error": error})
    model = {"name": entry.name, "version": entry.version}
    body = json.dumps({"model": model, "results": results}, allow_nan=False).encode()
    good = [i for i in range(len(places)) if i not in scored.errors]
    confidence = [values[i][0] for i in good]
    labels = [None if i in scored.errors else names[row[0]] for i, row in enumerate(places)]
    abstained = sum(value < threshold for value in confidence)
    return Answered(body, labels, [places[i][0] for i in good], confidence, abstained, len(scored.errors))


def _result(labels: list[str], values: list[float], threshold: float) -> dict[str, object]:
    return {
        "label": labels[0],
        "confidence": values[0],
        "abstained": values[0] < threshold,
        "top": [{"label": label, "confidence": value} for label, value in zip(labels, values, strict=True)],
    }
