"""Figures of a multilabel model on the evaluation sample."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from laud_ray.evaluation.multilabel.predicted import PredictedSets
from laud_ray.evaluation.strata import merge_unanswered, nearest_answered
from laud_ray.label_sets import NOT_ASKED, masks
from laud_ray.stats.metrics import cohen_kappa, delta_f
from laud_ray.stats.multilabel.figures import multilabel_figures
from laud_ray.stats.multilabel.powered import PoweredSets, powered_multilabel_figures
from laud_ray.stats.multilabel.sample import MultilabelSample, ranking_precision
from laud_ray.store.store import Sampled
from laud_ray.types import Figures


def figures_of_sets(
    found: PredictedSets,
    drawn: Sequence[Sampled],
    answers: Mapping[str, str | None],
    trusted: Mapping[str, str | None] | None,
    *,
    seed: int,
) -> Figures:
    """Return the figures of predicted sets from the answers for some of the documents, at least one of them scored.

    Args:
        found: the predictions for the sample.
        drawn: the evaluation sample.
        answers: text forms of sets of labels by document id, None for an abstention.
        trusted: answers of a trusted oracle for a part of the sample; see `laud_ray.evaluation.measure.evaluate`.
        seed: seeds the bootstrap.
    """
    if trusted is not None:
        return _powered(found, drawn, answers, trusted, seed=seed)
    use = [i for i, one in enumerate(drawn) if found.scored[i] and answers.get(one.document_id) is not None]
    answered = [drawn[i] for i in use]
    strata, sizes = merge_unanswered(drawn, answered)
    true = _masks(answers, answered, found.names)
    precision = ranking_precision(true, found.proba[use])
    sample = MultilabelSample(true, found.applies[use], precision, found.confidence[use], strata, sizes)
    return multilabel_figures(sample, found.names, seed=seed)


def _powered(
    found: PredictedSets,
    drawn: Sequence[Sampled],
    answers: Mapping[str, str | None],
    trusted: Mapping[str, str | None],
    *,
    seed: int,
) -> Figures:
    scored = np.flatnonzero(found.scored)
    rows = [drawn[i] for i in scored]
    cheap, final = (_masks(said, rows, found.names) for said in (answers, trusted))
    known = [one for one, told in zip(rows, (final != NOT_ASKED).any(axis=1), strict=True) if told]
    into, sizes = nearest_answered(drawn, known), merge_unanswered(drawn, known)[1]
    sample = PoweredSets(
        cheap,
        final,
        found.applies[scored],
        ranking_precision(cheap, found.proba[scored]),
        ranking_precision(final, found.proba[scored]),
        found.confidence[scored],
        np.asarray([into[one.stratum] for one in rows], np.int64),
        sizes,
    )
    return powered_multilabel_figures(sample, found.names, seed=seed)


def agreement_of_sets(before: PredictedSets, after: PredictedSets) -> tuple[float, float]:
    """Return Cohen's kappa between the predicted sets of two models, and the predicted change of the micro-F1.

    Both are over all pairs of a document and a label, of the documents that both models could score: whether the label
    applies is a class of two.
    """
    both = before.scored & after.scored
    one, other = (found.applies[both].ravel().astype(np.int64) for found in (before, after))
    return cohen_kappa(one, other, 2), delta_f(one, other, 1)


def _masks(said: Mapping[str, str | None], rows: Sequence[Sampled], names: Sequence[str]) -> npt.NDArray[np.int8]:
    """Return the (m, k) masks of answers; a row of NOT_ASKED where there is none."""
    found = np.full((len(rows), len(names)), NOT_ASKED, np.int8)
    texts = [said.get(one.document_id) for one in rows]
    there = [i for i, text in enumerate(texts) if text is not None]
    found[there] = masks([texts[i] or "" for i in there], names)
    return found
