"""Auto: what it asks by follows from what was measured, and every choice says why."""

import numpy as np
import pytest

from laud_ray.query import Auto, Choice, build
from laud_ray.query.auto import PARTS, Batch, Evidence, choose, confidence_auc
from laud_ray.stats.metrics import error_auc
from laud_ray.types import Candidates, Space


def evidence(errors: float, confidence_auc: float | None = 0.8, batches: tuple[Batch, ...] = ()) -> Evidence:
    return Evidence(counts=(3, 0, 2), errors=errors, confidence_auc=confidence_auc, batches=batches)


@pytest.mark.parametrize(
    ("errors", "shares"),
    [
        (0.8, {"typiclust": 1.0}),
        (0.61, {"typiclust": 1.0}),
        (0.6, {"typiclust": 0.5, "margin": 0.5}),
        (0.41, {"typiclust": 0.5, "margin": 0.5}),
        (0.4, {"margin": 1.0}),
        (0.0, {"margin": 1.0}),
    ],
)
def test_it_moves_to_uncertainty_as_the_errors_fall(errors: float, shares: dict[str, float]) -> None:
    choice = choose(evidence(errors))
    assert choice.shares == shares
    assert f"{errors:.0%}" in choice.why


def test_a_model_that_does_not_know_its_errors_is_not_asked_what_it_is_unsure_of() -> None:
    assert choose(evidence(0.1, confidence_auc=0.5)).shares == {"typiclust": 1.0}
    assert "0.50" in choose(evidence(0.1, confidence_auc=0.5)).why
    assert choose(evidence(0.0, confidence_auc=None)).shares == {"margin": 1.0}


def test_a_batch_that_taught_less_than_chance_brings_random_questions() -> None:
    choice = choose(evidence(0.2, batches=(Batch(50, 30), Batch(50, 9))))
    assert choice.shares == {"margin": 0.5, "random": 0.5}
    assert choice.name == "50 % margin, 50 % random"
    assert "9 of the last 50" in choice.why
    # As many as chance would find, or an empty batch, change nothing.
    assert choose(evidence(0.2, batches=(Batch(50, 9), Batch(50, 10)))).shares == {"margin": 1.0}
    assert choose(evidence(0.2, batches=(Batch(0, 0),))).shares == {"margin": 1.0}


def test_a_choice_differs_by_how_it_asks_or_by_its_kind_of_reason_and_not_by_its_figures() -> None:
    many, more, blind = choose(evidence(0.7)), choose(evidence(0.8)), choose(evidence(0.8, confidence_auc=0.5))
    assert many.why != more.why
    assert many.differs(None)
    assert not more.differs(many)
    assert blind.name == more.name
    assert blind.differs(more)
    assert choose(evidence(0.3)).differs(many)


def test_the_shortlist_serves_every_choice() -> None:
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(3), 60)
    vectors = rng.normal(size=(60, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    space = Space(vectors, proba, vectors[:2], proba[:2], np.array([0, 1]))
    made = Auto()
    pool = Candidates([str(i) for i in range(60)], [str(i) for i in range(60)], made.utility(proba), space)
    assert pool.utility.shape == (60, len(PARTS))
    for choice in (None, choose(evidence(0.5)), choose(evidence(0.3)), choose(evidence(0.1))):
        strategy = build("auto", counts=[1, 1, 1], choice=choice)
        assert strategy.utility(proba).shape == (60, len(PARTS))
        assert len(set(strategy.pick(pool, 10, rng=np.random.default_rng(1)).tolist())) == 10
    # With all shares at margin it picks what margin, spread, picks.
    margins = Auto(Choice({"margin": 1.0}, "")).pick(pool, 10, rng=np.random.default_rng(1))
    alone = PARTS["margin"].pick(pool.take(np.arange(60), 1), 10, rng=np.random.default_rng(1))
    assert sorted(margins.tolist()) == sorted(alone.tolist())
    # Even where margin's shortlist is exhausted the places are filled.
    assert len(Auto(Choice({"margin": 1.0}, "")).pick(pool, 60, rng=rng)) == 60


def test_few_errors_tell_nothing_of_a_models_sight() -> None:
    confidence, correct = np.linspace(0, 1, 300), np.ones(300, np.bool_)
    correct[-29:] = False
    assert confidence_auc(confidence, correct) is None
    correct[-30:] = False
    assert confidence_auc(confidence, correct) == 0.0
    assert confidence_auc(confidence, ~correct) == 1.0
    assert confidence_auc(confidence[:59], correct[-59:]) is None, "29 hits"


def test_error_auc() -> None:
    confidence = np.array([0.9, 0.8, 0.7, 0.7, 0.2])
    # Right: 0.9, 0.7; wrong: 0.8, 0.7, 0.2. Of six pairs four are in order, one is tied, one is not.
    assert error_auc(confidence, np.array([True, False, True, False, False])) == pytest.approx(4.5 / 6)
    assert error_auc(confidence, np.ones(5, np.bool_)) is None
