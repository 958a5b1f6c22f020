"""All figures of a multilabel model from one sample. Pure NumPy. n documents, k labels."""

from collections.abc import Sequence
from dataclasses import replace
from math import nan

import numpy as np

from laud_ray.label_sets import APPLIES, NOT_ASKED
from laud_ray.stats.estimates.accuracy import estimate_accuracy
from laud_ray.stats.estimates.sample import Sample
from laud_ray.stats.estimates.shares import estimate_ratio
from laud_ray.stats.metrics import calibration_error
from laud_ray.stats.multilabel.labels import label_rows
from laud_ray.stats.multilabel.macro import estimate_macro
from laud_ray.stats.multilabel.sample import MultilabelSample
from laud_ray.types import Estimate, Figures, Floats, Indices, MultilabelFigures

LEAST = 10
NOTHING = Estimate(0.0, 0.0, 1.0, 0)


def multilabel_figures(sample: MultilabelSample, labels: Sequence[str], *, seed: int, least: int = LEAST) -> Figures:
    """Return all figures of a multilabel model, with 95 % intervals.

    Documents are the sampling units: the pairs of a document and a label are no independent observations. Micro
    precision, recall and F1, and the means over documents, are ratios of two sums over documents, with the interval of
    `estimate_ratio`; the exact match has that of `estimate_accuracy`, the macro-F1 a bootstrap over documents, and each
    label that of `share_limits`. Coverage: benchmarks/multilabel_coverage.py.

    The macro-F1 is the mean over the labels that apply to at least `least` documents of the sample. If there are none,
    `Figures.macro_f1` is the mean over all labels that occur, as a true or a predicted one. The calibration error is
    that of the confidence in the whole predicted set; NaN if the oracle was asked about no document whole.

    Args:
        sample: annotated documents with the model's predictions.
        labels: the k label names, in the order of the columns.
        seed: seeds the bootstrap of macro-F1.
        least: the number of documents that a label must apply to for its F1 to be in the macro-F1, at least 1.

    Raises:
        ValueError: if a confidence is outside [0, 1], or the number of names is not k.
    """
    if sample.true.shape[1] != len(labels):
        raise ValueError(f"{len(labels)} labels; expected {sample.true.shape[1]}, one for each column")
    found = _whole_and_micro(sample, seed=seed, least=least)
    whole, by_exactness = sample.whole, sample.by_exactness
    known = by_exactness.part(whole) if whole.any() else None
    rows = label_rows(sample, labels)
    return Figures(
        n=len(sample),
        accuracy=found.exact_match,
        macro_f1=found.macro_f1 or estimate_macro(sample, np.arange(len(labels)), found.micro_f1, seed=seed) or NOTHING,
        calibration_error=nan if known is None else _calibration(known),
        per_class=rows,
        absent=len(labels) - len(rows),
        multilabel=found,
    )


def _whole_and_micro(sample: MultilabelSample, *, seed: int, least: int) -> MultilabelFigures:
    asked, applies = sample.true != NOT_ASKED, sample.true == APPLIES
    given = sample.predicted & asked
    both, true, predicted = ((applies & given).sum(axis=1), applies.sum(axis=1), given.sum(axis=1))
    every = sample.by_exactness
    n, whole = len(sample), sample.whole

    def ratio(part: Indices | Floats, of: Indices | Floats) -> Estimate:
        return replace(estimate_ratio(every, part.astype(np.float64), of.astype(np.float64)), n=n)

    f1 = ratio(2 * both, true + predicted)
    averaged = np.flatnonzero(applies.sum(axis=0) >= least)
    ranked = ~np.isnan(sample.precision)
    return MultilabelFigures(
        n=n,
        micro_precision=ratio(both, predicted),
        micro_recall=ratio(both, true),
        micro_f1=f1,
        macro_f1=estimate_macro(sample, averaged, f1, seed=seed),
        macro_labels=len(averaged),
        exact_match=estimate_accuracy(every.part(whole)) if whole.any() else NOTHING,
        ranking=estimate_ratio(every, np.where(ranked, sample.precision, 0.0), ranked.astype(np.float64))
        if ranked.any()
        else None,
        true_labels=mean_count(every.part(whole), true[whole]) if whole.any() else NOTHING,
        predicted_labels=mean_count(every, sample.predicted.sum(axis=1)),
        least=least,
    )


def mean_count(sample: Sample, counts: Indices) -> Estimate:
    """Estimate the mean of (n,) counts on the population, as a share of the largest count."""
    most = max(int(counts.max()), 1)
    share = estimate_ratio(sample, counts.astype(np.float64), np.full(len(counts), float(most)))
    return times(share, most)


def times(share: Estimate, most: float) -> Estimate:
    """Return a mean that was estimated as a share of `most`."""
    return Estimate(share.value * most, share.low * most, share.high * most, share.n)


def _calibration(sample: Sample) -> float:
    return calibration_error(sample.confidence, sample.true == sample.predicted, sample.weights)
