"""Figures from many answers of a cheap oracle and few of a trusted one: by hand, against plain ones, and simulated."""

import numpy as np
import pytest

from laud_ray.stats import PoweredSample, Sample, estimate_accuracy, estimate_classes, figures, powered_figures
from laud_ray.stats.estimates.powered import MISS, powered_factor, powered_limits, unseen_events
from laud_ray.stats.metrics import confusion, macro_f1, precision_recall_f1
from laud_ray.types import Bools, Estimate, Floats, Indices

LABELS = ("Tea", "Coffee", "Juice", "Milk")
ROUNDING = 1e-9


def share(table: Floats, rest: Floats, sizes: Floats) -> tuple[float, float, float]:
    """A share of all documents, from counts by trusted and cheap answer (no, yes)."""
    cells, alone = np.zeros((*table.shape[:-2], 3, 3)), np.zeros((*rest.shape[:-1], 3))
    cells[..., MISS:, MISS:], alone[..., MISS:] = table, rest
    anywhere = np.ones(table.shape[:-2], np.bool_)
    factor = powered_factor(cells, alone, sizes)
    found = powered_limits(cells, alone, sizes, factor, *unseen_events("prevalence", anywhere, anywhere))
    value, low, high = (float(one) for one in found)
    return value, low, high


def made_up(rng: np.random.Generator, n: int, right: float) -> tuple[Indices, Indices, Indices]:
    """(n,) true labels, those of a model, and those of an oracle that is right so often; they err together at times."""
    true = rng.choice(4, n, p=[0.5, 0.3, 0.15, 0.05])
    other, hard = rng.integers(0, 4, n), rng.random(n) < 0.1
    model = np.where(hard | (rng.random(n) < 0.1), other, true)
    oracle = np.where((hard & (rng.random(n) < 0.5)) | (rng.random(n) > right), rng.integers(0, 4, n), true)
    return true, model, oracle


def powered(true: Indices, model: Indices, oracle: Indices, asked: Bools, size: int) -> PoweredSample:
    n = len(true)
    return PoweredSample(oracle, np.where(asked, true, -1), model, np.full(n, 0.5), np.zeros(n, np.int64), {0: size})


def plain(true: Indices, model: Indices, size: int) -> Sample:
    n = len(true)
    return Sample(true, model, np.full(n, 0.5), np.zeros(n, np.int64), {0: size})


def width(estimate: Estimate) -> float:
    return estimate.high - estimate.low


def test_a_share_is_the_difference_estimator_of_its_factor() -> None:
    # Cheap yes: 30 of the 100 with a trusted answer and 70 of the 300 others. Trusted: 20 agreed, 5 missed, 10 false.
    value, low, high = share(np.array([[[65.0, 10], [5, 20]]]), np.array([[230.0, 70]]), np.array([10_000.0]))
    trusted = (25.5 / 101) * (75.5 / 101)  # half an event each way, the share that its influence is taken at
    factor = (0.20 - 0.25 * 0.30) / (0.30 * 0.70 + trusted / 100)
    assert value == pytest.approx(0.25 + factor * (100 / 400 - 0.30))
    assert low < value < high


def test_strata_count_by_their_size() -> None:
    # Without any error of the cheap answers nothing is corrected: 20 % of 9,000 and 50 % of 1,000.
    table = np.array([[[40.0, 0], [0, 10]], [[25.0, 0], [0, 25]]])
    rest = np.array([[160.0, 40], [75.0, 75]])
    assert share(table, rest, np.array([9000.0, 1000.0]))[0] == pytest.approx(0.9 * 0.2 + 0.1 * 0.5)


def test_perfect_cheap_answers_count_nearly_like_trusted_ones_and_noise_not_at_all() -> None:
    sizes = np.array([1e6])
    _, low, high = share(np.array([[[160.0, 0], [0, 40]]]), np.array([[640.0, 160]]), sizes)
    few = share(np.array([[[160.0, 0], [0, 40]]]), np.zeros((1, 2)), sizes)
    many = share(np.array([[[800.0, 0], [0, 200]]]), np.zeros((1, 2)), sizes)
    assert many[2] - many[1] < high - low < 0.75 * (few[2] - few[1])
    noise = share(np.array([[[80.0, 80], [20, 20]]]), np.array([[1000.0, 3000]]), sizes)
    assert noise == pytest.approx(few, abs=1e-6)


def test_where_all_are_asked_figures_are_those_of_the_trusted_answers() -> None:
    true, model, oracle = made_up(np.random.default_rng(1), 400, 0.6)
    everyone = np.ones(400, np.bool_)
    found = powered_figures(powered(true, model, oracle, everyone, 5000), LABELS, seed=0)
    alone = figures(plain(true, model, 5000), LABELS, seed=0)
    assert (found.n, found.trusted, alone.trusted) == (400, 400, None)
    assert found.accuracy.value == pytest.approx(alone.accuracy.value)
    assert found.macro_f1.value == pytest.approx(alone.macro_f1.value)
    assert found.calibration_error == pytest.approx(alone.calibration_error)
    for one, other in zip(found.per_class, alone.per_class, strict=True):
        assert (one.support, one.predicted) == (other.support, other.predicted)
        assert (one.precision, one.recall, one.f1) == pytest.approx((other.precision, other.recall, other.f1))
        assert one.estimates is not None
        assert other.estimates is not None
        for name in ("prevalence", "precision", "recall", "f1"):
            mine, theirs = getattr(one.estimates, name), getattr(other.estimates, name)
            assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)


@pytest.mark.parametrize(("right", "narrower"), [(0.95, 0.85), (0.25, 1.04)])
def test_intervals_cover_and_a_bad_cheap_oracle_costs_nothing(right: float, narrower: float) -> None:
    """300 repetitions: 600 documents of 20,000 with a cheap answer, 120 of them with a trusted one."""
    rng, size = np.random.default_rng(2), 20_000
    true, model, oracle = made_up(rng, size, right)
    precision, recall, f1 = precision_recall_f1(confusion(true, model, 4))
    prevalence = np.bincount(true) / size
    asked = np.arange(600) < 120
    covered: dict[str, list[bool]] = {}
    ratios: dict[str, list[float]] = {}

    def note(name: str, mine: Estimate, theirs: Estimate, truth: float) -> None:
        covered.setdefault(name, []).append(mine.low - ROUNDING <= truth <= mine.high + ROUNDING)
        ratios.setdefault(name, []).append(width(mine) / width(theirs))

    for _ in range(300):
        drawn = rng.choice(size, 600, replace=False)
        sample = powered(true[drawn], model[drawn], oracle[drawn], asked, size)
        found = powered_figures(sample, LABELS, seed=0, replicates=1)
        alone = plain(true[drawn[asked]], model[drawn[asked]], size)
        note("accuracy", found.accuracy, estimate_accuracy(alone), float(np.mean(true == model)))
        for c, theirs in enumerate(estimate_classes(alone, 4)):
            mine = found.per_class[c].estimates
            assert mine is not None
            note("prevalence", mine.prevalence, theirs.prevalence, float(prevalence[c]))
            note("precision", mine.precision, theirs.precision, float(precision[c]))
            note("recall", mine.recall, theirs.recall, float(recall[c]))
            note("f1", mine.f1, theirs.f1, float(f1[c]))
            between = sorted((mine.precision.value, mine.recall.value))
            assert between[0] - ROUNDING <= mine.f1.value <= between[1] + ROUNDING
    for name, shares in covered.items():
        assert 0.92 <= np.mean(shares) <= 0.995, name
        assert np.mean(ratios[name]) < 1.08, name
    assert np.mean([np.mean(one) for one in ratios.values()]) < narrower


def test_macro_f1_is_covered_also_where_no_error_of_the_cheap_oracle_was_seen() -> None:
    rng, size = np.random.default_rng(4), 20_000
    true, model, oracle = made_up(rng, size, 1.0)
    truth, asked, covered = macro_f1(confusion(true, model, 4)), np.arange(600) < 40, list[bool]()
    for _ in range(60):
        drawn = rng.choice(size, 600, replace=False)
        sample = powered(true[drawn], model[drawn], oracle[drawn], asked, size)
        found = powered_figures(sample, LABELS, seed=0, replicates=100).macro_f1
        covered.append(found.low <= truth <= found.high)
    assert np.mean(covered) > 0.88


def test_a_class_that_nobody_names_says_so() -> None:
    true, model, oracle = made_up(np.random.default_rng(3), 300, 0.9)
    asked = np.arange(300) % 3 == 0
    row = powered_figures(powered(true, model, oracle, asked, 3000), (*LABELS, "Water"), seed=0).per_class[-1]
    assert row.estimates is not None
    assert (row.support, row.predicted, row.f1) == (0, 0, 0)
    assert (row.estimates.recall.low, row.estimates.recall.high) == (0, 1)
    assert row.estimates.prevalence.value == 0
    assert 0 < row.estimates.prevalence.high < 0.05


def test_an_abstention_of_the_cheap_oracle_is_an_answer_that_is_wrong() -> None:
    true = np.zeros(200, np.int64)
    silent = np.full(200, -1)
    found = powered_figures(powered(true, true, silent, np.arange(200) < 50, 2000), LABELS, seed=0)
    assert (found.accuracy.value, found.macro_f1.value) == (pytest.approx(1), pytest.approx(1))
    assert found.macro_f1.low <= found.accuracy.low < 0.99


def test_bad_input_is_refused() -> None:
    two, one = np.zeros(2, np.int64), np.zeros(1, np.int64)
    with pytest.raises(ValueError, match=r"have \[2, 1, 2, 2, 2\] documents"):
        PoweredSample(two, one, two, np.ones(2), two, {0: 9})
    with pytest.raises(ValueError, match=r"trusted answers are in \[0\] of the strata \[0, 1\]"):
        PoweredSample(two, two, two, np.ones(2), two, {0: 9, 1: 9})
    with pytest.raises(ValueError, match="labels range from 4 to 4; expected 0 to 3"):
        powered_figures(PoweredSample(two, two, two + 4, np.ones(2), two, {0: 9}), LABELS, seed=0)
