"""What a pass keeps of probabilities is the same in one piece and in chunks, and as by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laud_ray.passes.summary import TOP_LEAVES, Summing, likeliest, summarise
from laud_ray.query import Margin
from laud_ray.stats.multilabel.rules import Rules
from laud_ray.taxonomy import read_found

TREE = read_found([(path, 1) for path in ("F > Tea > a", "F > Tea > b", "F > Milk > c", "F > Rice", "Tools")], "t")


def test_the_confidences_are_sums_from_the_top_to_the_likeliest_leaf() -> None:
    # In depth-first order, siblings by name: Milk > c, Rice, Tea > a, Tea > b, Tools.
    proba = np.array([[0.1, 0.1, 0.4, 0.3, 0.1], [0.0, 0.6, 0.1, 0.1, 0.2], [0.1, 0.1, 0.1, 0.1, 0.6]], np.float32)
    found = summarise(proba, taxonomy=TREE)
    assert found.confidences == pytest.approx(
        np.array([[0.9, 0.7, 0.4], [0.8, 0.6, np.nan], [0.6, np.nan, np.nan]]), abs=1e-6, nan_ok=True
    )
    assert found.order[:, 0].tolist() == [2, 1, 4]
    assert found.best.shape == (3, 5)


@given(st.integers(1, 40), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_chunks_give_what_one_piece_gives(n: int, size: int, seed: int) -> None:
    proba = np.random.default_rng(seed).dirichlet(np.full(len(TREE.leaves), 0.3), n).astype(np.float32)
    whole = summarise(proba, strategy=Margin(), taxonomy=TREE)
    summing = Summing(n, proba.shape[1], strategy=Margin(), taxonomy=TREE)
    for start in range(0, n, size):
        summing.add(start, proba[start : start + size])
    for name in ("order", "best", "entropy", "utility", "confidences"):
        np.testing.assert_array_equal(getattr(summing.summary, name), getattr(whole, name))


def test_no_texts_have_a_row_of_zeros() -> None:
    found = Summing(0, 3, strategy=Margin()).summary
    assert (found.order.shape, found.best.tolist(), found.confidences) == ((1, 3), [[0, 0, 0]], None)
    assert found.utility is not None


def test_many_places_are_those_of_a_full_sort() -> None:
    proba = np.random.default_rng(0).dirichlet(np.full(3000, 0.05), 50).astype(np.float32)
    order, best, _ = likeliest(proba, TOP_LEAVES)
    assert best.tolist() == (-np.sort(-proba, axis=1))[:, :TOP_LEAVES].tolist()
    assert np.take_along_axis(proba, order, axis=1).tolist() == best.tolist()


@given(st.integers(1, 40), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_chunks_of_independent_labels_give_what_one_piece_gives(n: int, size: int, seed: int) -> None:
    proba = np.random.default_rng(seed).random((n, 70)).astype(np.float32)
    rules = Rules(np.full(70, 0.8), at_most=9)
    whole, summing = summarise(proba, rules=rules), Summing(n, 70, rules=rules)
    for start in range(0, n, size):
        summing.add(start, proba[start : start + size])
    assert whole.decided is not None
    assert summing.summary.order.shape == (n, TOP_LEAVES)
    for name in ("counts", "columns", "whole", "margin"):
        np.testing.assert_array_equal(getattr(summing.summary.decided, name), getattr(whole.decided, name))
    applies = rules.applies(proba)
    assert whole.decided.counts.tolist() == applies.sum(1).tolist()
    first = whole.decided.columns[: whole.decided.counts[0]].tolist()
    assert first == sorted(np.flatnonzero(applies[0]), key=lambda column: -proba[0, column])
    expected = -np.where(proba < 1, proba * np.log(proba) + (1 - proba) * np.log1p(-proba), 0).sum(1)
    assert whole.entropy == pytest.approx(expected, rel=1e-4)


def test_a_text_that_never_arrives_has_the_empty_set() -> None:
    summing = Summing(3, 2, rules=Rules(np.array([0.5, 0.5])))
    summing.add(2, np.array([[0.2, 0.9]], np.float32))
    decided = summing.summary.decided
    assert decided is not None
    assert (decided.counts.tolist(), decided.columns.tolist()) == ([0, 0, 1], [1])
