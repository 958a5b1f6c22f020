"""Stopping rules over hand-made histories."""

from dataclasses import replace

import numpy as np
import pytest

from laud_ray import config
from laud_ray.config import GainRule, TargetRule
from laud_ray.errors import ConfigError
from laud_ray.steps.stop import verdict
from laud_ray.stopping import RULES, Budget, DeltaF, Gain, Kappa, Plateau, PoolExhausted, Rounds, Target, first_verdict
from laud_ray.stopping.power_law import EXPONENTS, Saturation, fit
from laud_ray.types import Estimate, Figures, MultilabelFigures, RoundResult, StoppingRule


def closed(
    number: int,
    *,
    f1: float = 0.5,
    kappa: float | None = None,
    annotations: int = 100,
    pool: int = 900,
    width: float = 0.2,
    accepted: bool = True,
    delta_f: float | None = None,
) -> RoundResult:
    """Return the result of a round with a budget of 500."""
    estimate = Estimate(f1, f1 - width / 2, f1 + width / 2, 300)
    return RoundResult(
        number=number,
        model=f"round-{number:04}",
        annotations=annotations,
        budget=500,
        pool=pool,
        figures=Figures(300, estimate, estimate, 0.05, ()),
        kappa=kappa,
        accepted=accepted,
        seconds={},
        delta_f=delta_f,
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
        "pool_exhausted: no document is left to annotate after 100 annotations"
    )


def test_first_verdict_is_that_of_the_first_rule_that_stops() -> None:
    history = [closed(3, annotations=500, pool=0)]
    assert first_verdict([], history) is None
    assert first_verdict([Rounds(9), Kappa()], history) is None
    assert first_verdict([Rounds(9), PoolExhausted(), Budget()], history) == PoolExhausted().verdict(history)
    assert first_verdict([Rounds(9), Budget(), PoolExhausted()], history) == Budget().verdict(history)


@pytest.mark.parametrize(
    "rule",
    [Budget(), Rounds(1), Kappa(window=1), Plateau(patience=1), PoolExhausted(), DeltaF(window=1), Gain(), Target()],
)
def test_no_rule_stops_before_the_first_round(rule: StoppingRule) -> None:
    assert rule.verdict([]) is None
    assert rule.verdict([closed(0)]) is None


def test_rules_are_known_by_name() -> None:
    assert list(RULES) == sorted(RULES)
    assert RULES["rounds"](maximum=3) == Rounds(3)
    assert set(RULES.values()) == {Budget, DeltaF, Gain, Kappa, Plateau, PoolExhausted, Rounds, Target}


def test_delta_f_needs_every_one_of_the_last_rounds() -> None:
    def with_changes(*changes: float | None) -> list[RoundResult]:
        return [closed(number, delta_f=change) for number, change in enumerate(changes)]

    rule = DeltaF(epsilon=0.005, window=3)
    assert rule.verdict(with_changes(None, 0.001, 0.001)) is None
    assert rule.verdict(with_changes(None, 0.001, 0.006, 0.001)) is None
    assert rule.verdict(with_changes(None, 0.1, 0.004, 0.005, 0.001)) == (
        "delta_f: the largest predicted change of F1 in the last 3 rounds is 0.0050, at most 0.005"
    )


def test_target_is_reached_by_the_lower_bound_of_the_last_accepted_model() -> None:
    rule = Target(metric="macro_f1", value=0.8)
    assert rule.verdict([closed(1, f1=0.95, width=0.32)]) is None
    assert rule.verdict([closed(1, f1=0.9, width=0.2), closed(2, f1=0.85, width=0.2)]) is None
    reached = [closed(1, f1=0.875, width=0.125), closed(2, f1=0.5, accepted=False)]
    assert rule.verdict(reached) == (
        "target: macro-F1 of round-0001 is 0.8750, 95 % interval [0.8125, 0.9375], n = 300: at least 0.8"
    )
    assert rule.verdict([closed(0, f1=float("nan"))]) is None


def on_curve(*annotations: int, ceiling: float = 0.9, scale: float = 2.0, exponent: float) -> list[RoundResult]:
    """Return trained rounds whose macro-F1 lies on an inverse power law, after a zero-shot round far from it."""
    curve = Saturation(ceiling, scale, exponent)
    trained = [closed(i, f1=curve.at(n), annotations=n) for i, n in enumerate(annotations, 1)]
    return [closed(0, f1=0.1, annotations=0), *trained]


def test_the_curve_is_found_again() -> None:
    exponent = float(EXPONENTS[40])
    x = np.asarray([50.0, 100.0, 150.0, 300.0])
    found = fit(x, 0.9 - 2.0 * x**-exponent, np.full(4, 0.05))
    assert (found.ceiling, found.scale, found.exponent) == pytest.approx((0.9, 2.0, exponent))
    assert found.gain(100, 100) == pytest.approx(2.0 * (100**-exponent - 200**-exponent))


def test_the_curve_follows_what_is_known_well() -> None:
    exponent = float(EXPONENTS[40])
    x = np.asarray([50.0, 100.0, 150.0, 200.0, 300.0])
    y = 0.9 - 2.0 * x**-exponent
    y[2] -= 0.2
    near = fit(x, y, np.asarray([0.01, 0.01, 1.0, 0.01, 0.01])).at(500)
    far = fit(x, y, np.full(5, 0.01)).at(500)
    truth = 0.9 - 2.0 * 500**-exponent
    assert abs(near - truth) < 0.001 < abs(far - truth)


def test_the_curve_never_falls_nor_passes_one() -> None:
    x = np.asarray([50.0, 100.0, 150.0, 200.0])
    falling = fit(x, np.asarray([0.8, 0.7, 0.6, 0.5]), np.full(4, 0.05))
    assert (falling.ceiling, falling.scale) == pytest.approx((0.65, 0.0))
    steep = fit(x, np.asarray([0.2, 0.5, 0.75, 0.99]), np.full(4, 0.05))
    assert steep.ceiling == 1
    with pytest.raises(ValueError, match="three different"):
        fit(x[:2], x[:2], x[:2])


def test_gain_extrapolates_the_curve() -> None:
    exponent = float(EXPONENTS[40])
    history = on_curve(50, 100, 150, 200, 250, exponent=exponent)
    expected = 2.0 * (250**-exponent - 350**-exponent)
    assert Gain().expected(history) == pytest.approx(expected)
    assert Gain(below=expected * 0.99).verdict(history) is None
    # The round before expects more: one fit alone does not stop.
    before = 2.0 * (200**-exponent - 300**-exponent)
    assert Gain(below=(expected + before) / 2).verdict(history) is None
    assert Gain(below=(expected + before) / 2, patience=1).verdict(history) is not None
    assert Gain(below=before * 1.01).verdict(history) == (
        f"gain: 100 more annotations are expected to add {100 * expected:.2f} points of macro-F1, "
        f"less than {100 * before * 1.01:.2f}"
    )


def test_gain_waits_for_four_rounds_at_each_of_its_looks() -> None:
    flat = [closed(i, annotations=50 * i) for i in range(6)]
    assert Gain().verdict(flat[:5]) is None
    assert Gain().verdict(flat) is not None
    assert Gain().verdict([closed(i, annotations=100) for i in range(9)]) is None


def test_a_point_that_costs_more_than_it_is_worth_is_not_bought() -> None:
    exponent = float(EXPONENTS[40])
    history = on_curve(50, 100, 150, 200, 250, exponent=exponent)
    before = 100 * 2.0 * (200**-exponent - 300**-exponent)
    price = 100 * 0.02 / before  # dollars for a point, in the dearest round that counts
    assert Gain(cost_per_annotation=0.02, value_per_point=price * 1.3).verdict(history) is None
    assert Gain(cost_per_annotation=0.02, value_per_point=price * 0.99).verdict(history) == (
        f"gain: 100 more annotations are expected to add {200 * (250**-exponent - 350**-exponent):.2f} points of "
        f"macro-F1 for $2.00, more than they are worth at ${price * 0.99:,.2f} a point"
    )


def test_every_rule_of_the_configuration_is_built() -> None:
    text = "task: {name: t, labels: [a, b]}\ncorpus: {path: x.csv, text: text}\nstorage: x\n"
    text += "oracle: {kind: replay, label: label}\nstop: "
    stop = "[{kind: target, value: 0.4, metric: macro_f1}, {kind: gain}, {kind: delta_f}, {kind: kappa}]"
    parsed = config.parse(text + stop)
    assert isinstance(parsed.stop[0], TargetRule)
    assert isinstance(parsed.stop[1], GainRule)
    assert verdict(parsed, [closed(0), closed(1, f1=0.49)]) is None
    assert "target" in str(verdict(parsed, [closed(0), closed(1, f1=0.5)]))
    with pytest.raises(ConfigError, match=r"config: stop\[0\]: value_per_point: 3 needs cost_per_annotation too"):
        config.parse(text + "[{kind: gain, value_per_point: 3}]")
    with pytest.raises(ConfigError, match=r"config: stop\[0\].value: 90"):
        config.parse(text + "[{kind: target, value: 90}]")
    with pytest.raises(ConfigError, match=r"stop\[0\].kind: 'gian' is unknown.*did you mean 'gain'"):
        config.parse(text + "[{kind: gian}]")


def test_rules_of_a_multilabel_task_look_at_micro_f1() -> None:
    none = Estimate(0.0, 0.0, 1.0, 0)

    def of_sets(number: int, micro: float, macro: float) -> RoundResult:
        one = closed(number, f1=macro)
        found = Estimate(micro, micro - 0.05, micro + 0.05, 300)
        sets = MultilabelFigures(300, none, none, found, one.figures.macro_f1, 5, none, none, none, none)
        return replace(one, figures=replace(one.figures, multilabel=sets))

    history = [of_sets(0, 0.5, 0.5), of_sets(1, 0.7, 0.5), of_sets(2, 0.7, 0.9)]
    assert Plateau(gain=0.01, patience=1).verdict(history) == (
        "plateau: the best micro-F1 of the last 1 rounds is 0.7000, not more than 0.01 above 0.7000 before them"
    )
    assert Target(metric="micro_f1", value=0.64).verdict(history) is not None
    assert Target(metric="micro_f1", value=0.66).verdict(history) is None
