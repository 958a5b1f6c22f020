"""Stopping rules over hand-made histories."""

import pytest

from laud_ray.errors import ConfigError
from laud_ray.stopping import RULES, Budget, Kappa, Plateau, PoolExhausted, Rounds, first_verdict
from laud_ray.types import Estimate, Figures, RoundResult, StoppingRule


def closed(
    number: int, *, f1: float = 0.5, kappa: float | None = None, annotations: int = 100, pool: int = 900
) -> RoundResult:
    """Return the result of a round with a budget of 500."""
    estimate = Estimate(f1, f1 - 0.1, f1 + 0.1, 300)
    return RoundResult(
        number=number,
        model=f"round-{number:04}",
        annotations=annotations,
        budget=500,
        pool=pool,
        figures=Figures(300, estimate, estimate, 0.05, ()),
        kappa=kappa,
        accepted=True,
        seconds={},
    )


def with_kappas(*kappas: float | None) -> list[RoundResult]:
    return [closed(number, kappa=kappa) for number, kappa in enumerate(kappas)]


def with_f1(*values: float) -> list[RoundResult]:
    return [closed(number, f1=value) for number, value in enumerate(values)]


def test_budget_stops_when_it_is_spent() -> None:
    assert Budget().verdict([closed(1, annotations=499)]) is None
    assert Budget().verdict([closed(1, annotations=500)]) == "budget: 500 of 500 annotations are spent"
    assert Budget().verdict([closed(1, annotations=503)]) == "budget: 503 of 500 annotations are spent"


def test_rounds_do_not_count_zero_shot() -> None:
    assert Rounds(2).verdict([closed(0), closed(1)]) is None
    assert Rounds(2).verdict([closed(0), closed(1), closed(2)]) == "rounds: 2 of 2 rounds are trained"


def test_kappa_needs_the_mean_of_the_last_rounds() -> None:
    rule = Kappa(threshold=0.99, window=3)
    assert rule.verdict(with_kappas(None, 0.995, 0.995)) is None
    assert rule.verdict(with_kappas(None, 0.2, 0.995, 0.98, 0.994)) is None
    assert rule.verdict(with_kappas(None, 0.2, 0.995, 0.985, 0.996)) == (
        "kappa: the mean agreement of the last 3 rounds is 0.9920, at least 0.99"
    )


def test_kappa_at_the_threshold_stops() -> None:
    assert Kappa().verdict(with_kappas(0.99, 0.99, 0.99)) is not None


def test_kappa_that_stops_changing_does_not_stop() -> None:
    assert Kappa().verdict(with_kappas(None, *[0.5] * 20)) is None


def test_kappa_ignores_rounds_without_one() -> None:
    assert Kappa(window=2).verdict(with_kappas(None, 1.0, None, 0.99)) is not None
    assert Kappa(window=2).verdict(with_kappas(None, None, 1.0)) is None


def test_plateau_compares_with_the_best_before() -> None:
    rule = Plateau(gain=0.01, patience=2)
    assert rule.verdict(with_f1(0.5, 0.5)) is None
    assert rule.verdict(with_f1(0.5, 0.7, 0.6, 0.72)) is None
    assert rule.verdict(with_f1(0.5, 0.7, 0.6, 0.705)) == (
        "plateau: the best macro-F1 of the last 2 rounds is 0.7050, not more than 0.01 above 0.7000 before them"
    )


def test_plateau_counts_round_zero_among_the_rounds_before() -> None:
    assert Plateau(gain=0.01, patience=2).verdict(with_f1(0.9, 0.5, 0.6)) is not None


def test_plateau_at_exactly_the_gain_stops() -> None:
    assert Plateau(gain=0.25, patience=1).verdict(with_f1(0.5, 0.75)) is not None


def test_pool_exhausted_stops_at_zero() -> None:
    assert PoolExhausted().verdict([closed(1, pool=1)]) is None
    assert PoolExhausted().verdict([closed(1, pool=0)]) == (
        "pool_exhausted: 0 documents are left to ask about after 100 annotations"
    )


def test_first_verdict_is_that_of_the_first_rule_that_stops() -> None:
    history = [closed(3, annotations=500, pool=0)]
    assert first_verdict([], history) is None
    assert first_verdict([Rounds(9), Kappa()], history) is None
    assert first_verdict([Rounds(9), PoolExhausted(), Budget()], history) == PoolExhausted().verdict(history)
    assert first_verdict([Rounds(9), Budget(), PoolExhausted()], history) == Budget().verdict(history)


@pytest.mark.parametrize("rule", [Budget(), Rounds(1), Kappa(window=1), Plateau(patience=1), PoolExhausted()])
def test_no_rule_stops_before_the_first_round(rule: StoppingRule) -> None:
    assert rule.verdict([]) is None
    assert rule.verdict([closed(0)]) is None


def test_rules_are_known_by_name() -> None:
    assert list(RULES) == sorted(RULES)
    assert RULES["rounds"](maximum=3) == Rounds(3)
    assert set(RULES.values()) == {Budget, Kappa, Plateau, PoolExhausted, Rounds}


def test_errors_name_the_value_and_the_bound() -> None:
    with pytest.raises(ConfigError, match="rounds: maximum is 0, expected at least 1"):
        Rounds(0)
    with pytest.raises(ConfigError, match=r"kappa: threshold is 1.2, expected above 0 and at most 1"):
        Kappa(threshold=1.2)
    with pytest.raises(ConfigError, match="kappa: window is 0, expected at least 1"):
        Kappa(window=0)
    with pytest.raises(ConfigError, match=r"plateau: gain is -0.1, expected at least 0"):
        Plateau(gain=-0.1)
    with pytest.raises(ConfigError, match="plateau: patience is 0, expected at least 1"):
        Plateau(patience=0)
