"""Query strategies of multilabel tasks on hand-made probabilities, and against the papers' formulas."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from laud_ray.query import Cardinality, Cvirs, Diverse, LabelEntropy, build
from laud_ray.query.multilabel import inconsistency

PROBA = np.array([[0.5, 0.5, 0.0], [0.9, 0.1, 0.5], [0.0, 1.0, 0.0]], np.float32)
HALF = np.full(3, 0.5)


def test_a_rare_label_weighs_more_and_does_not_decide_alone() -> None:
    weights = np.array([1, 1 / 2, 1 / 10])
    weights /= weights.sum()
    expected = np.array([[entropy([p, 1 - p]) for p in row] for row in PROBA.tolist()]) @ weights
    expected[1] /= 1.5  # labels are expected
    found = LabelEntropy((0, 3, 99)).utility(PROBA)
    assert found.dtype == np.float32
    assert found[:, 0] == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ValueError, match="proba has 3 labels; expected 2"):
        LabelEntropy((1, 2)).utility(PROBA)
    with pytest.raises(ValueError, match="expected at least 0"):
        LabelEntropy((1, -2))


def test_cardinality_is_the_distance_from_the_mean_number_of_labels() -> None:
    assert Cardinality(1.5, HALF).utility(PROBA)[:, 0].tolist() == [0.5, 0.5, 0.5]
    assert Cardinality(1.5, np.full(3, 0.05)).utility(PROBA)[:, 0].tolist() == [0.5, 1.5, 0.5]


def test_cvirs_prefers_undecided_documents_whose_sets_are_new() -> None:
    answers = np.array([[1, 0, 0], [1, 0, 0], [0, 0, 1]], np.int8)
    proba = np.array([[0.95, 0.05, 0.02], [0.6, 0.55, 0.45], [0.9, 0.03, 0.1]], np.float32)
    utility = Cvirs(answers, HALF).utility(proba)[:, 0]
    assert utility.argmax() == 1
    assert ((utility >= 0) & (utility <= 1)).all()
    assert Cvirs(answers, HALF).utility(proba[:0]).shape == (0, 1)


def pair(mine: np.ndarray, theirs: np.ndarray) -> float:
    """The inconsistency of two sets, by the entropies of Reyes, Morell and Ventura (2018)."""
    table = np.array([[np.mean((mine == a) & (theirs == b)) for b in (0, 1)] for a in (0, 1)])
    joint = entropy(table.ravel())
    hamming = float(np.mean(mine != theirs))
    if joint == 0 or hamming == 0:
        return hamming
    distance = (2 * joint - entropy(table.sum(0)) - entropy(table.sum(1))) / joint
    return 1.0 if distance > 1 - 1e-9 else hamming


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_inconsistencies_are_those_of_all_pairs(n: int, m: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mine, theirs = rng.random((n, k)) < 0.4, (rng.random((m, k)) < 0.4).astype(np.int8)
    expected = [np.mean([pair(one, other == 1) for other in theirs]) for one in mine]
    assert inconsistency(mine, theirs) == pytest.approx(expected, abs=1e-6)
    assert inconsistency(mine, theirs[:0]).tolist() == [1.0] * n


def test_they_are_built_from_the_answers() -> None:
    answers = np.array([[1, 1, 0], [1, 0, -1]], np.int8)
    strategy = build("cardinality", counts=[2, 1, 0], answers=answers, thresholds=HALF)
    assert isinstance(strategy, Cardinality)
    assert strategy.mean == 1.5
    strategy = build("label_entropy", counts=[2, 1, 0], diversity="kmeans")
    assert isinstance(strategy, Diverse)
    assert strategy.inner == LabelEntropy((2, 1, 0))
    parts = {"cvirs": 0.5, "random": 0.5}
    mixed = build("mix", counts=[2, 1, 0], mix=parts, answers=answers, thresholds=HALF)
    assert mixed.utility(PROBA).shape == (3, 2)
