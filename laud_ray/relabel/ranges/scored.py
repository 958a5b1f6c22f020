"""Score the distinct texts of some rows, and keep of each row what its output needs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.passes.scoring import distinct, score_texts
from laud_ray.passes.summary import TOP, Summing
from laud_ray.relabel.sets import Sets, size_of
from laud_ray.stats.multilabel.rules import Rules
from laud_ray.taxonomy import Taxonomy
from laud_ray.types import Bools, Floats, Indices, Scorer


@dataclass(frozen=True, slots=True)
class Answered:
    """The scores of n rows.

    Attributes:
        top: (n, t) the likeliest labels, as indices, likeliest first.
        probability: (n, t) their probabilities.
        usable: (n,) whether the row has a label.
        errors: (n,) why not; null for usable rows.
        scored: u, the number of distinct texts that were scored.
        proba: (u, k) the probabilities of these texts; None if they were not asked for.
        inverse: (n,) index of each row's text in proba.
        confidences: (n, D) of a taxonomy: the probabilities on the path of the likeliest leaf, from the top, NaN below.
        sets: of a multilabel task, the sets of labels.
    """

    top: npt.NDArray[np.int32]
    probability: Floats
    usable: Bools
    errors: pa.Array
    scored: int
    proba: Floats | None
    inverse: Indices
    confidences: Floats | None = None
    sets: Sets | None = None


def score_rows(
    scorer: Scorer,
    texts: pa.Array,
    errors: pa.Array,
    wanted: Bools,
    taxonomy: Taxonomy | None = None,
    rules: Rules | None = None,
    *,
    with_probabilities: bool = False,
) -> Answered:
    """Score distinct texts.

    Args:
        scorer: the scorer.
        texts: (n,) texts; null where there is none.
        errors: (n,) reasons why there is no text; null elsewhere.
        wanted: (n,) which texts to score.
        taxonomy: whose leaves the labels are.
        rules: by which a multilabel model decides; None for tasks of other kinds.
        with_probabilities: whether to keep the (u, k) probabilities, which can be large.
    """
    k = len(scorer.labels)
    ask = pc.if_else(pa.array(wanted), texts, pa.scalar(None, texts.type))
    unique, inverse = distinct(ask)
    summing = Summing(len(unique), k, taxonomy=taxonomy)
    proba = np.zeros((max(len(unique), 1), k), np.float32) if with_probabilities else None
    sets = None if rules is None else Sets.empty(max(len(unique), 1), size_of(rules))

    def keep(start: int, found: Floats) -> None:
        summing.add(start, found)
        if sets is not None and rules is not None:
            sets.add(start, found, rules)
        if proba is not None:
            proba[start : start + len(found)] = found

    _, failures = score_texts(scorer, unique, keep)
    found = summing.summary
    order, best = found.order[:, :TOP], found.best[:, :TOP]
    usable = (inverse >= 0) & ~np.isin(inverse, list(failures))
    rows = np.where(usable, inverse, 0)
    if failures:
        reasons = [failures.get(int(place)) if place >= 0 else None for place in inverse]
        errors = pc.coalesce(errors, pa.array(reasons, pa.string()))
    confidences = None if found.confidences is None else found.confidences[rows]
    chosen = None if sets is None else sets.take(rows)
    return Answered(order[rows], best[rows], usable, errors, len(unique), proba, rows, confidences, chosen)
