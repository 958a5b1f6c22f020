"""What the evaluation sample lacks to show the precision of an audience."""

import pytest

from laud_ray.audience.shortfall import Tried, instead, shortfall
from laud_ray.stats.bounds import lower_bound


def test_without_errors_the_least_number_of_documents_is_missing() -> None:
    """72 documents without an error show 95 % with half the error; 12 are there, and a tenth of names is reached."""
    found = shortfall([Tried(12, 1.0, 1.0, 0.1)], 0.95)
    assert found is not None
    assert (found.place, found.documents, found.answers, found.likely) == (0, 60, 600, 1.0)


def test_the_audience_that_takes_the_fewest_answers_is_named() -> None:
    """At a precision of 97 %, more documents are needed than without errors, but the audience is larger."""
    small, large = Tried(0, float("nan"), 1.0, 0.001), Tried(0, float("nan"), 0.97, 0.1)
    found = shortfall([small, large], 0.95)
    assert found is not None
    assert found.place == 1
    n = found.documents
    assert lower_bound(round(0.97 * n), n) >= 0.95
    assert lower_bound(round(0.97 * n * 0.6), round(n * 0.6)) < 0.95
    assert found.answers == pytest.approx(10 * n, rel=0.05)


def test_measurements_outweigh_the_models_confidence() -> None:
    """An overconfident model: 100 of 200 are right, where 99 % are expected."""
    assert shortfall([Tried(200, 0.5, 0.99, 0.1)], 0.95) is None
    assert Tried(200, 0.5, 0.99, 0.1).likely == pytest.approx((100 + 9.9) / 210)


def test_at_least_one_answer_is_missing() -> None:
    found = shortfall([Tried(100, 1.0, 1.0, 1.0)], 0.95)
    assert found is not None
    assert found.answers == 1


def test_a_lower_precision_is_offered_that_the_corpus_can_show() -> None:
    tried = [Tried(40, 0.93, 0.93, 0.5)]
    assert shortfall(tried, 0.95) is None
    found = instead(tried, 0.95, 1000)
    assert found is not None
    assert (found[0], found[1].answers <= 1000) == (0.9, True)
    fewer = instead(tried, 0.95, 200)
    assert fewer is not None
    assert fewer[0] == 0.85
    assert instead([Tried(40, 0.1, 0.1, 0.5)], 0.95, 1000) is None
