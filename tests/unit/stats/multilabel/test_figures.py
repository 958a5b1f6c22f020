import numpy as np
import pytest
from sklearn.metrics import f1_score, label_ranking_average_precision_score, precision_score, recall_score

from laud_ray.label_sets import NOT_ASKED
from laud_ray.stats.multilabel import macro
from laud_ray.stats.multilabel.figures import multilabel_figures
from laud_ray.stats.multilabel.sample import MultilabelSample, ranking_precision
from laud_ray.types import Floats, Indices, MultilabelFigures

NAMES = ("a", "b", "c", "d", "e")


def drawn(n: int = 300, *, strata: int = 3, seed: int = 0) -> tuple[MultilabelSample, Floats]:
    """A stratified sample of documents with five labels, and the model's probabilities."""
    rng = np.random.default_rng(seed)
    proba = np.round(rng.random((n, len(NAMES))), 2)  # with ties
    true = (rng.random(proba.shape) < proba**2).astype(np.int8)
    stratum = rng.integers(0, strata, n)
    sizes = {h: int((stratum == h).sum()) * (10 - 3 * h) for h in range(strata)}
    return MultilabelSample(true, proba > 0.5, ranking_precision(true, proba), rng.random(n), stratum, sizes), proba


def of(sample: MultilabelSample) -> MultilabelFigures:
    found = multilabel_figures(sample, NAMES, seed=0).multilabel
    assert found is not None
    return found


def test_the_values_are_those_of_scikit_learn() -> None:
    sample, proba = drawn()
    true, predicted, weights = sample.true, sample.predicted, sample.weights
    found, figures = of(sample), multilabel_figures(sample, NAMES, seed=0)
    for one, metric in (
        (found.micro_precision, precision_score),
        (found.micro_recall, recall_score),
        (found.micro_f1, f1_score),
    ):
        assert one.value == pytest.approx(metric(true, predicted, average="micro", sample_weight=weights))
    assert found.macro_f1 is not None
    assert found.macro_f1.value == pytest.approx(f1_score(true, predicted, average="macro", sample_weight=weights))
    assert [row.f1 for row in figures.per_class] == pytest.approx(
        f1_score(true, predicted, average=None, sample_weight=weights)
    )
    has = true.any(axis=1)  # scikit-learn counts a document without a label as 1
    assert found.ranking is not None
    assert found.ranking.value == pytest.approx(
        label_ranking_average_precision_score(true[has], proba[has], sample_weight=weights[has])
    )
    assert found.ranking.n == has.sum()
    exact = np.average((true == predicted).all(axis=1), weights=weights)
    assert figures.accuracy.value == found.exact_match.value == pytest.approx(exact)
    assert found.true_labels.value == pytest.approx(np.average(true.sum(axis=1), weights=weights))
    assert found.predicted_labels.value == pytest.approx(np.average(predicted.sum(axis=1), weights=weights))
    assert figures.compared == found.micro_f1


def test_every_interval_has_its_value_inside() -> None:
    found = of(drawn()[0])
    for one in (found.micro_precision, found.micro_f1, found.macro_f1, found.ranking, found.true_labels):
        assert one is not None
        assert one.low < one.value < one.high


def test_pairs_that_were_not_asked_about_do_not_count() -> None:
    true = np.array([[1, 0, NOT_ASKED], [1, NOT_ASKED, NOT_ASKED], [0, 1, 1]], np.int8)
    predicted = np.array([[1, 0, 1], [1, 1, 1], [0, 1, 0]], np.bool_)
    proba = np.array([[0.5, 0.1, 0.9], [0.5, 0.9, 0.9], [0.1, 0.9, 0.3]])
    precision = ranking_precision(true, proba)
    assert precision.tolist() == [1.0, 1.0, 1.0]
    sample = MultilabelSample(true, predicted, precision, np.full(3, 0.5), np.zeros(3, np.int64), None)
    figures = multilabel_figures(sample, NAMES[:3], seed=0)
    found = figures.multilabel
    assert found is not None
    assert found.micro_precision.value == 1.0
    assert found.micro_recall.value == 3 / 4
    assert (found.exact_match.value, found.exact_match.n) == (0.0, 1)  # the only document that was asked about whole
    assert [(row.support, row.predicted) for row in figures.per_class] == [(2, 2), (1, 1), (1, 0)]


def test_documents_are_the_units_not_pairs() -> None:
    """A sample with each document twice is worth as much as a half of it, whatever the number of labels."""
    sample, _ = drawn(100, strata=1)
    wide = MultilabelSample(
        np.tile(sample.true, 20),
        np.tile(sample.predicted, 20),
        sample.precision,
        sample.confidence,
        sample.strata,
        None,
    )
    narrow = MultilabelSample(sample.true, sample.predicted, sample.precision, sample.confidence, sample.strata, None)
    one = multilabel_figures(wide, [str(i) for i in range(100)], seed=0).multilabel
    other = of(narrow)
    assert one is not None
    assert one.micro_f1.low == pytest.approx(other.micro_f1.low)


def test_no_label_at_all() -> None:
    nothing = np.zeros((20, 3), np.int8)
    sample = MultilabelSample(
        nothing, nothing > 0, ranking_precision(nothing, np.zeros((20, 3))), np.ones(20), np.zeros(20, np.int64), None
    )
    figures = multilabel_figures(sample, NAMES[:3], seed=0)
    found = figures.multilabel
    assert found is not None
    assert found.ranking is None
    assert found.macro_f1 is None
    assert figures.accuracy.value == 1.0
    assert (figures.macro_f1.low, figures.macro_f1.high) == (0.0, 1.0)
    assert found.true_labels.value == 0.0
    assert 0 < found.true_labels.high < 0.5


def test_without_an_error_the_macro_f1_has_a_width() -> None:
    sample, _ = drawn()
    perfect = MultilabelSample(
        sample.true, sample.true == 1, sample.precision, sample.confidence, sample.strata, sample.sizes
    )
    found = of(perfect).macro_f1
    assert found is not None
    assert found.value == 1.0
    assert 0.9 < found.low < 1.0


def test_rare_labels_are_not_in_the_macro_f1() -> None:
    sample, _ = drawn(60)
    sample.true[:, 0] = 0
    sample.true[:9, 0] = 1
    found = of(sample)
    supports = (sample.true == 1).sum(axis=0)
    assert found.macro_labels == (supports >= 10).sum() == 4


def test_shapes_must_agree() -> None:
    sample, _ = drawn(10, strata=1)
    with pytest.raises(ValueError, match="expected \\(n, k\\), \\(n, k\\) and \\(n,\\)"):
        MultilabelSample(
            sample.true, sample.predicted[:, :2], sample.precision, sample.confidence, sample.strata, sample.sizes
        )
    with pytest.raises(ValueError, match="3 labels; expected 5"):
        multilabel_figures(sample, NAMES[:3], seed=0)


def test_intervals_cover_what_they_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The full simulation is benchmarks/multilabel_coverage.py. 250 samples show a coverage to about 1.4 %."""
    monkeypatch.setattr(macro, "_REPLICATES", (10, 10))
    rng = np.random.default_rng(3)
    n, drawn_per_stratum = 3000, (60, 60)
    many = rng.normal(size=(n, 1))  # documents differ in how many labels they have, so that pairs depend on each other
    true = (rng.random((n, 5)) < 1 / (1 + np.exp(1.5 - many))).astype(np.int8)
    proba = 1 / (1 + np.exp(-rng.normal(size=true.shape) * 1.5 - 2 * (true - 0.5)))
    predicted, precision = proba > 0.5, ranking_precision(true, proba)
    stratum = (proba.max(axis=1) > 0.9).astype(np.int64)
    sizes = {h: int((stratum == h).sum()) for h in (0, 1)}
    names = ("micro_precision", "micro_recall", "micro_f1", "exact_match", "ranking", "true_labels")

    def measured(rows: Indices) -> MultilabelFigures:
        sample = MultilabelSample(
            true[rows], predicted[rows], precision[rows], np.ones(len(rows)), stratum[rows], sizes
        )
        return of(sample)

    truth = measured(np.arange(n))
    covered = dict.fromkeys(names, 0)
    for _ in range(250):
        rows = np.concatenate(
            [rng.choice(np.flatnonzero(stratum == h), m, replace=False) for h, m in enumerate(drawn_per_stratum)]
        )
        found = measured(rows)
        for name in names:
            one, right = getattr(found, name), getattr(truth, name).value
            covered[name] += one.low <= right <= one.high
    shares = {name: count / 250 for name, count in covered.items()}
    assert all(0.91 <= share <= 0.99 for share in shares.values()), shares
    assert 0.93 <= np.mean(list(shares.values())) <= 0.98
