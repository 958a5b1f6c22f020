"""Build the JSON of a response. n texts, k classes, D levels."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from laud_ray.label_sets import LabelSet
from laud_ray.stats.hierarchy import answer as answer_in
from laud_ray.types import Floats, Indices
from serve.depths import Asked
from serve.label_sets import label_sets, names_in
from serve.registry import Entry
from serve.schemas import FaultError

# The most labels in one response. Each needs about 300 bytes while the response is built.
MOST_LISTED = 100_000
# The most probabilities that are held for one request at a time: 16 MB.
MOST_HELD = 1 << 22
# Up to here, all labels are sorted; beyond, up to so many places are found by taking the largest again and again.
FEW_LABELS, FEW_PLACES = 256, 8


@dataclass(frozen=True, slots=True)
class Scored:
    """(n, k) probabilities, and the reason for each text without probabilities, by its index."""

    proba: Floats
    errors: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Answered:
    """The results of n texts, and the numbers for the metrics.

    Attributes:
        results: one JSON object for each text.
        labels: the labels that are answered; None for a text with an error, or without an answer. Of a multilabel
            model, all labels of a text in one.
        best, confidence: index of the likeliest label, for the texts that have one, and its confidence; of a multilabel
            model, the confidence in the whole set.
        given: the indices of all labels that are answered, for the texts that have one. Of a multilabel model, those of
            a text are several, or none.
        abstained: texts below the threshold, or without an answer.
        failed: texts with an error.
    """

    results: list[dict[str, object]]
    labels: list[str | None]
    best: list[int]
    confidence: list[float]
    given: list[int]
    abstained: int
    failed: int

    @classmethod
    def joined(cls, parts: Sequence["Answered"]) -> "Answered":
        """Join the parts of a list of texts."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            [one for part in parts for one in part.results],
            [one for part in parts for one in part.labels],
            [one for part in parts for one in part.best],
            [one for part in parts for one in part.confidence],
            [one for part in parts for one in part.given],
            sum(part.abstained for part in parts),
            sum(part.failed for part in parts),
        )


def check_size(texts: int, top: int) -> None:
    """Raise FaultError 413 if a response would list more than MOST_LISTED labels."""
    if texts * top > MOST_LISTED:
        message = f"top_k: {top} labels for each of {texts} texts; expected at most {MOST_LISTED:,} in all"
        raise FaultError(413, "answer_too_large", message)


def at_once(labels: int) -> int:
    """Return how many texts of a request are scored and answered at a time, so that memory has a bound."""
    return max(1, MOST_HELD // labels)


def answer(entry: Entry, scored: Scored, top_k: int, threshold: float, asked: Asked) -> Answered:
    """Build the results: for each text one with the likeliest labels first, or an error."""
    order = likeliest(scored.proba, min(top_k, scored.proba.shape[1]))
    values = np.take_along_axis(scored.proba, order, 1).astype(np.float64).round(6).tolist()
    places = order.tolist()
    answers = _answers(entry, scored.proba, order, values, asked)
    results: list[dict[str, object]] = []
    abstained = 0
    for i, (row, row_values, given) in enumerate(zip(places, values, answers, strict=True)):
        error = scored.errors.get(i)
        if error is not None:
            results.append({"error": error})
            continue
        sure = given["confidence"]
        unsure = not isinstance(sure, float) or sure < threshold
        abstained += unsure
        results.append({**given, "abstained": unsure, "top": list(_listed(entry, row, row_values))})
    good = [i for i in range(len(places)) if i not in scored.errors]
    best, sets = [places[i][0] for i in good], entry.rules is not None
    return Answered(
        results,
        [None if "error" in one else _label(one) for one in results],
        best,
        [_sure(results[i]) if sets else values[i][0] for i in good],
        [entry.index[name] for i in good for name in names_in(results[i])] if sets else best,
        abstained,
        len(scored.errors),
    )


def _sure(result: Mapping[str, object]) -> float:
    sure = result["confidence"]
    assert isinstance(sure, float)
    return sure


def _label(result: Mapping[str, object]) -> str | None:
    """Return the answer of a result as one text; None if nothing is answered."""
    if "labels" in result:
        return LabelSet.of(names_in(result)).shown
    return None if result["label"] is None else str(result["label"])


def _listed(entry: Entry, row: Sequence[int], values: Sequence[float]) -> Iterable[dict[str, object]]:
    """Yield the likeliest labels of a text; of a multilabel model, each with the threshold from which on it applies."""
    for j, value in zip(row, values, strict=True):
        more = {} if entry.rules is None else {"threshold": round(float(entry.rules.thresholds[j]), 6)}
        yield {"label": entry.names[j], "confidence": value, **more}


def body(entry: Entry, answered: Answered, asked: Asked) -> bytes:
    """Return the JSON of a response."""
    said: dict[str, object] = {"model": {"name": entry.name, "version": entry.version}}
    if asked.promise is not None:
        made = asked.promise
        said["promise"] = {"accuracy": made.accuracy, "verified": made.verified, "text": str(made)}
    return json.dumps({**said, "results": answered.results}, allow_nan=False).encode()


def likeliest(proba: Floats, top: int) -> Indices:
    """Return the (n, top) columns of each row's largest values, largest first; equal ones in their order."""
    n, k = proba.shape
    if k <= FEW_LABELS or 4 * top >= k:
        return np.argsort(-proba, axis=1, kind="stable")[:, :top]
    found = np.empty((n, top), np.int64)
    for i, row in enumerate(proba):
        found[i] = _repeatedly(row, top) if top <= FEW_PLACES else _sorted(row, top)
    return found


def _repeatedly(row: Floats, top: int) -> list[int]:
    row, found = row.copy(), []
    for _ in range(top):
        found.append(int(row.argmax()))
        row[found[-1]] = -np.inf
    return found


def _sorted(row: Floats, top: int) -> Indices:
    least = np.partition(row, len(row) - top)[len(row) - top]
    there = np.flatnonzero(row >= least)
    return there[np.argsort(-row[there], kind="stable")[:top]]


def _answers(
    entry: Entry, proba: Floats, order: Indices, values: Sequence[Sequence[float]], asked: Asked
) -> Iterable[dict[str, object]]:
    """Yield the answers of n texts, as the kind of the task has them."""
    if entry.rules is not None:
        return label_sets(entry.rules, entry.names, proba)
    if entry.taxonomy is not None:
        return _inner(entry, proba, order, asked)
    return _flat(entry.names, order.tolist(), values)


def _flat(
    names: Sequence[str], places: Sequence[Sequence[int]], values: Sequence[Sequence[float]]
) -> Iterable[dict[str, object]]:
    for row, row_values in zip(places, values, strict=True):
        yield {"label": names[row[0]], "confidence": row_values[0]}


def _inner(entry: Entry, proba: Floats, order: Indices, asked: Asked) -> Iterable[dict[str, object]]:
    """Yield the answers in a taxonomy: node, code, path, and the confidences on the path of the likeliest leaf."""
    tree, lines = entry.taxonomy, entry.lines
    assert tree is not None
    assert lines is not None
    leaves = order[:, 0]
    confidences = lines.masses(proba, leaves.astype(np.int32))
    given = answer_in(tree, leaves, confidences, asked.depth)
    shown = confidences.astype(np.float64).round(6)
    for i, (node, depth) in enumerate(zip(given.node.tolist(), given.depth.tolist(), strict=True)):
        row = shown[i][~np.isnan(shown[i])].tolist()
        yield {
            "label": tree.label(node) if depth else None,
            "confidence": row[depth - 1] if depth else None,
            "code": tree.nodes[node].code if depth else None,
            "path": list(tree.nodes[node].path) if depth else [],
            "confidences": row,
            "depth": depth,
            "backed_off": bool(given.backed_off[i]),
        }
