import numpy as np
import pytest

from laud_ray.label_sets import NOT_ASKED
from laud_ray.stats.multilabel.figures import multilabel_figures
from laud_ray.stats.multilabel.powered import PoweredSets, powered_multilabel_figures
from laud_ray.stats.multilabel.sample import MultilabelSample, ranking_precision
from laud_ray.types import Figures

K, N, ASKED = 6, 1500, 300
NAMES = tuple("abcdef")


def answered(wrong: float, seed: int = 0) -> tuple[PoweredSets, Figures]:
    """Answers of a cheap oracle that errs on a share of the pairs, and the figures if all truths were known."""
    rng = np.random.default_rng(seed)
    proba = rng.random((N, K))
    true = (rng.random(proba.shape) < proba**2).astype(np.int8)
    cheap = np.where(rng.random(true.shape) < wrong, 1 - true, true).astype(np.int8)
    told = np.arange(N) < ASKED
    trusted = np.where(told[:, None], true, NOT_ASKED).astype(np.int8)
    predicted, stratum, sizes = proba > 0.5, np.arange(N) % 2, {0: 5 * N, 1: 2 * N}
    confidence = rng.random(N)
    sets = PoweredSets(
        cheap,
        trusted,
        predicted,
        ranking_precision(cheap, proba),
        ranking_precision(trusted, proba),
        confidence,
        stratum,
        sizes,
    )
    every = MultilabelSample(true, predicted, ranking_precision(true, proba), confidence, stratum, sizes)
    return sets, multilabel_figures(every, NAMES, seed=0)


def alone(sets: PoweredSets) -> Figures:
    told = sets.asked
    sample = MultilabelSample(
        sets.trusted[told],
        sets.predicted[told],
        sets.trusted_precision[told],
        sets.confidence[told],
        sets.strata[told],
        sets.sizes,
    )
    return multilabel_figures(sample, NAMES, seed=0)


@pytest.mark.parametrize("name", ["micro_f1", "micro_precision", "macro_f1", "exact_match", "ranking", "true_labels"])
def test_good_cheap_answers_narrow_the_interval(name: str) -> None:
    sets, truth = answered(0.02)
    found, by_trusted = powered_multilabel_figures(sets, NAMES, seed=0), alone(sets)
    one, other, right = (getattr(figures.multilabel, name) for figures in (found, by_trusted, truth))
    assert one.high - one.low < other.high - other.low
    assert one.low < right.value < one.high
    assert abs(one.value - right.value) < abs(one.high - one.low)


def test_useless_cheap_answers_leave_the_trusted_ones() -> None:
    sets, _ = answered(0.5)
    found, by_trusted = powered_multilabel_figures(sets, NAMES, seed=0), alone(sets)
    assert found.multilabel is not None
    assert by_trusted.multilabel is not None
    assert found.multilabel.micro_f1.value == pytest.approx(by_trusted.multilabel.micro_f1.value, abs=0.02)
    assert (found.n, found.trusted) == (N, ASKED)


def test_with_a_trusted_answer_everywhere_the_figures_are_the_plain_ones() -> None:
    sets, _ = answered(0.3)
    true = np.where(sets.trusted == NOT_ASKED, sets.cheap, sets.trusted)
    proba = np.random.default_rng(0).random((N, K))
    precision = ranking_precision(true, proba)
    every = PoweredSets(
        sets.cheap, true, sets.predicted, sets.cheap_precision, precision, sets.confidence, sets.strata, sets.sizes
    )
    plain = MultilabelSample(true, sets.predicted, precision, sets.confidence, sets.strata, sets.sizes)
    one, other = (
        powered_multilabel_figures(every, NAMES, seed=0).multilabel,
        multilabel_figures(plain, NAMES, seed=0).multilabel,
    )
    assert one is not None
    assert other is not None
    for name in ("micro_precision", "micro_recall", "micro_f1", "ranking", "true_labels", "macro_f1"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert mine.value == pytest.approx(theirs.value)
        assert mine.low == pytest.approx(theirs.low, abs=0.01)


def test_rows_of_labels_are_those_of_the_trusted_oracle() -> None:
    sets, truth = answered(0.05)
    found = powered_multilabel_figures(sets, NAMES, seed=0)
    assert [row.label for row in found.per_class] == list(NAMES)
    for row, right in zip(found.per_class, truth.per_class, strict=True):
        assert row.estimates is not None
        assert row.estimates.f1.low <= right.f1 <= row.estimates.f1.high


def test_a_stratum_without_a_trusted_answer_is_refused() -> None:
    sets, _ = answered(0.1)
    nothing = sets.trusted.copy()
    nothing[sets.strata == 1] = NOT_ASKED
    with pytest.raises(ValueError, match="a trusted answer in every stratum"):
        PoweredSets(
            sets.cheap,
            nothing,
            sets.predicted,
            sets.cheap_precision,
            sets.trusted_precision,
            sets.confidence,
            sets.strata,
            sets.sizes,
        )
