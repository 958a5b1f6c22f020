"""All figures of a multilabel model from many cheap answers and few trusted ones. Pure NumPy. n documents, k labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
import numpy.typing as npt

from laud_ray.label_sets import APPLIES, DOES_NOT, NOT_ASKED
from laud_ray.stats.estimates.macro import bootstrap, mean_ratio, widened_to
from laud_ray.stats.estimates.powered import TINY
from laud_ray.stats.estimates.powered_figures import Shares, class_estimates
from laud_ray.stats.estimates.rows import Occurring, class_rows
from laud_ray.stats.estimates.sample import Sample
from laud_ray.stats.metrics import calibration_error
from laud_ray.stats.multilabel.figures import LEAST, NOTHING, mean_count, times
from laud_ray.stats.multilabel.macro import replicates_for
from laud_ray.stats.multilabel.two_phase import Ratio, powered_ratio
from laud_ray.types import Bools, ClassFigures, Estimate, Figures, Floats, Indices, MultilabelFigures

Masks = npt.NDArray[np.int8]
_AT_ONCE = 256  # labels whose documents are counted at once


@dataclass(frozen=True, slots=True, eq=False)
class PoweredSets:
    """Documents drawn at random from each stratum, with the answers of two oracles and the predictions of a model.

    Attributes:
        cheap: (n, k) int8, as `MultilabelSample.true`; a row of NOT_ASKED where the cheap oracle abstained.
        trusted: (n, k) likewise; a row of NOT_ASKED where the trusted oracle was not asked, or abstained. The documents
            about which it was asked were chosen at random within each stratum.
        predicted: (n, k) whether the model predicts a label.
        cheap_precision: (n,) from `ranking_precision`, by the cheap answers.
        trusted_precision: (n,) likewise, by the trusted answers.
        confidence, strata: as in `MultilabelSample`.
        sizes: the number N_h of documents in each stratum of the population.

    Raises:
        ValueError: if the shapes differ, or a stratum of sizes has no trusted answer.
    """

    cheap: Masks
    trusted: Masks
    predicted: Bools
    cheap_precision: Floats
    trusted_precision: Floats
    confidence: Floats
    strata: Indices
    sizes: Mapping[int, int]

    def __post_init__(self) -> None:
        shapes = {one.shape for one in (self.cheap, self.trusted, self.predicted)}
        alone = (self.cheap_precision, self.trusted_precision, self.confidence, self.strata)
        lengths = {len(one) for one in (self.cheap, *alone)}
        known = set(self.strata[self.asked].tolist()) if len(shapes) == len(lengths) == 1 else set()
        if not known or {*self.strata.tolist(), *self.sizes} != known:
            raise ValueError(
                f"the answers and predictions have the shapes {sorted(shapes)} and {sorted(lengths)} documents, and "
                f"trusted answers are in {sorted(known)} of the strata {sorted(self.sizes)}; expected one shape, and a "
                "trusted answer in every stratum"
            )

    @property
    def asked(self) -> Bools:
        """(n,) whether a document has a trusted answer."""
        return np.asarray((self.trusted != NOT_ASKED).any(axis=1))

    def __len__(self) -> int:
        return len(self.cheap)


def powered_multilabel_figures(sample: PoweredSets, labels: Sequence[str], *, seed: int, least: int = LEAST) -> Figures:
    """Return all figures of a multilabel model, measured against the trusted oracle's answers.

    Figures of documents and pairs come from `powered_ratio`, those of labels from `powered_limits`, and the interval of
    the macro-F1 from a bootstrap over documents. The calibration error, and the mean number of predicted labels, are
    measured without the cheap answers.

    Args:
        sample: documents with both oracles' answers and the model's predictions.
        labels: the k label names, in the order of the columns.
        seed: seeds the bootstrap.
        least: as in `multilabel_figures`; a label's documents are counted by the best answer of each.
    """
    shares = Shares(sample.strata, sample.asked, sample.sizes)
    by_trusted = _Counts(sample, sample.trusted, sample.trusted_precision)
    by_cheap = _Counts(sample, sample.cheap, sample.cheap_precision)

    def ratio(one: Ratio, other: Ratio) -> Estimate:
        return powered_ratio(shares, one, other).estimate

    f1 = powered_ratio(shares, by_trusted.f1, by_cheap.f1)
    exact = ratio(by_trusted.exact, by_cheap.exact)
    best = np.where(sample.asked[:, None], sample.trusted, sample.cheap)
    averaged = np.flatnonzero((best == APPLIES).sum(axis=0) >= least)
    macro = _macro_f1(sample, shares, averaged, f1.factor, f1.estimate, seed)
    asked = Sample(
        np.zeros(len(sample), np.int64), np.zeros(len(sample), np.int64), sample.confidence, sample.strata, sample.sizes
    )
    most = max(float(by_trusted.true.max()), float(by_cheap.true.max()), 1.0)
    found = MultilabelFigures(
        n=len(sample),
        micro_precision=ratio(by_trusted.precision, by_cheap.precision),
        micro_recall=ratio(by_trusted.recall, by_cheap.recall),
        micro_f1=f1.estimate,
        macro_f1=macro,
        macro_labels=len(averaged),
        exact_match=exact,
        ranking=ratio(by_trusted.ranking, by_cheap.ranking) if by_trusted.ranking[1].any() else None,
        true_labels=times(ratio(by_trusted.cardinality(most), by_cheap.cardinality(most)), most),
        predicted_labels=mean_count(asked, sample.predicted.sum(axis=1)),
        least=least,
    )
    rows = _label_rows(sample, shares, labels)
    every = np.arange(len(labels))
    right, known = by_trusted.exact[0] > 0, by_trusted.exact[1] > 0
    return Figures(
        n=len(sample),
        accuracy=exact,
        macro_f1=macro or _macro_f1(sample, shares, every, f1.factor, f1.estimate, seed) or NOTHING,
        calibration_error=calibration_error(sample.confidence[known], right[known], shares.weight_asked[known])
        if known.any()
        else nan,
        per_class=rows,
        trusted=int(sample.asked.sum()),
        absent=len(labels) - len(rows),
        multilabel=found,
    )


class _Counts:
    """The pairs of each document by the answers of one oracle; (n,) arrays."""

    def __init__(self, sample: PoweredSets, answers: Masks, precision: Floats) -> None:
        applies, asked = answers == APPLIES, answers != NOT_ASKED
        given = sample.predicted & asked
        self.both, self.true, self.predicted = (
            one.sum(axis=1).astype(np.float64) for one in (applies & given, applies, given)
        )
        self.whole = asked.all(axis=1)
        self._ranked, self._precision = ~np.isnan(precision), np.nan_to_num(precision)
        self._exact = self.whole & (applies == sample.predicted).all(axis=1)

    @property
    def precision(self) -> Ratio:
        return self.both, self.predicted

    @property
    def recall(self) -> Ratio:
        return self.both, self.true

    @property
    def f1(self) -> Ratio:
        return 2 * self.both, self.true + self.predicted

    @property
    def exact(self) -> Ratio:
        return self._exact.astype(np.float64), self.whole.astype(np.float64)

    @property
    def ranking(self) -> Ratio:
        return self._precision, self._ranked.astype(np.float64)

    def cardinality(self, most: float) -> Ratio:
        return np.where(self.whole, self.true, 0.0), np.where(self.whole, most, 0.0)


def _label_rows(sample: PoweredSets, shares: Shares, labels: Sequence[str]) -> tuple[ClassFigures, ...]:
    """Return the figures of each label, in the order of the k labels; of many labels only those that occur."""
    occurs = np.flatnonzero(((sample.cheap == APPLIES) | (sample.trusted == APPLIES) | sample.predicted).any(axis=0))
    # Last comes a label that no answer and no prediction has.
    trusted, cheap = (
        np.column_stack([one[:, occurs], np.where((one != NOT_ASKED).any(axis=1), DOES_NOT, NOT_ASKED)]).T
        for one in (sample.trusted, sample.cheap)
    )
    predicted = np.column_stack([sample.predicted[:, occurs], np.zeros(len(sample), np.bool_)]).T
    found = []
    for first in range(0, len(predicted), _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        found += _rows(shares, trusted[some], cheap[some], predicted[some])
    return class_rows(found, labels, Occurring.of(len(labels), occurs))


def _rows(shares: Shares, trusted: Masks, cheap: Masks, predicted: Bools) -> list[ClassFigures]:
    """Return the figures of s labels, without names, from (s, n) answers and predictions."""
    of, known = (trusted == APPLIES, cheap == APPLIES), (trusted != NOT_ASKED, cheap != NOT_ASKED)
    estimates = class_estimates(shares, of, (predicted & known[0], predicted & known[1]), known)
    support = np.where(shares.asked, *of).sum(axis=1).tolist()
    return [
        ClassFigures("", count, one.precision.value, one.recall.value, one.f1.value, said, one)
        for count, said, one in zip(support, predicted.sum(axis=1).tolist(), estimates, strict=True)
    ]


def _macro_f1(
    sample: PoweredSets, shares: Shares, averaged: Indices, factor: float, micro: Estimate, seed: int
) -> Estimate | None:
    """Return the mean F1 of some labels, with one factor for all of them: that of the micro-F1. None if none occurs.

    As in `powered_figures`, the interval extends at least as far from its value on either side as that of the micro-F1,
    because the bootstrap cannot produce an error of the cheap oracle that is not in the sample.
    """
    k, n, stratum = len(averaged), len(sample), shares.stratum
    sides = []
    for answers, weight in (
        (sample.cheap, factor * (shares.weight - shares.weight_asked)),
        (sample.trusted, shares.weight_asked),
    ):
        said = answers[:, averaged]
        applies, given = said == APPLIES, sample.predicted[:, averaged] & (said != NOT_ASKED)
        sides.append((weight, [np.nonzero(one) for one in (applies & given, applies, given)]))

    def mean_f1(rows: Indices) -> float:
        times = np.bincount(rows, minlength=n)
        hits, true, predicted = (
            sum(
                (np.bincount(pairs[i][1], (times * weight)[pairs[i][0]], minlength=k) for weight, pairs in sides),
                np.zeros(k),
            )
            for i in range(3)
        )
        hits = hits.clip(0)
        whole = np.maximum(true + predicted, 2 * hits)
        occurs = whole > TINY * shares.sizes.sum()
        return mean_ratio(2 * hits[occurs], whole[occurs])

    value = mean_f1(np.arange(n))
    if np.isnan(value):
        return None
    best = np.where(sample.asked[:, None], sample.trusted, sample.cheap)[:, averaged] == APPLIES
    replicates = replicates_for(best, sample.predicted[:, averaged])
    return widened_to(bootstrap(value, 2 * stratum + sample.asked, mean_f1, seed=seed, replicates=replicates), micro)
