"""The lift of a ratio: reference values, an independent computation, and properties."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from laud_ray.stats.uplift import Lift, adjustment, compare, design_effect, rate, ratio, smallest_lift
from laud_ray.stats.uplift.moments import Moments, Ratio
from tests.experiments import Users, draw, moments

EXAMPLE = Path(__file__).parents[4] / "examples" / "audience" / "exposures.parquet"
# From tea-tasting 2.0.0, RatioOfMeans("clicks", "impressions"), and with the two columns of before, on EXAMPLE.
PLAIN = (0.0032487367578954256, 0.0011682926713546824, 0.005329180844436169, 0.2250581959735416)
PLAIN += (0.0753861339258528, 0.3955615905546215, 0.002214205540252717)
CUPED = (0.003454463202190788, 0.0014833871076282016, 0.0054255392967533745, 0.2410144067723734)
CUPED += (0.09639717585003327, 0.4047069727469319, 0.0005950934421559174)


def example() -> Users:
    table = pq.read_table(EXAMPLE)
    treated = np.array([arm == "new" for arm in table["arm"].to_pylist()]).astype(np.int64)
    names = ("clicks", "impressions", "pre_clicks", "pre_impressions")
    return Users(treated, *(table[name].to_numpy().astype(np.int64) for name in names))


def shown(lift: Lift) -> list[float]:
    assert lift.relative is not None
    absolute, relative = lift.absolute, lift.relative
    return [absolute.value, absolute.low, absolute.high, relative.value, relative.low, relative.high, lift.p]


def both(users: Users) -> tuple[Lift, Lift]:
    control, treatment = users.arms()
    slope = adjustment(control + treatment)
    return compare(ratio(control), ratio(treatment)), compare(ratio(control, slope), ratio(treatment, slope))


def test_the_example_has_the_figures_of_tea_tasting() -> None:
    plain, adjusted = both(example())
    assert shown(plain) == pytest.approx(PLAIN, rel=1e-9)
    assert shown(adjusted) == pytest.approx(CUPED, rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_tea_tasting(seed: int) -> None:
    tea = pytest.importorskip("tea_tasting", reason="tea-tasting needs Python 3.12")
    import pyarrow as pa

    users = draw(3000, lift=0.2 * seed, tail=0.5 + 0.3 * seed, seed=seed)
    names = ("clicks", "impressions", "pre_clicks", "pre_impressions")
    table = pa.table({"variant": users.treated} | dict(zip(names, users.values.T, strict=True)))
    found = tea.Experiment(plain=tea.RatioOfMeans("clicks", "impressions"), cuped=tea.RatioOfMeans(*names)).analyze(
        table, control=0
    )
    for lift, name in zip(both(users), ("plain", "cuped"), strict=True):
        theirs = found[name]._asdict()
        keys = ("effect_size", "effect_size_ci_lower", "effect_size_ci_upper", "rel_effect_size")
        keys += ("rel_effect_size_ci_lower", "rel_effect_size_ci_upper", "pvalue")
        assert shown(lift) == pytest.approx([theirs[key] for key in keys], rel=1e-6)


def test_the_variance_is_that_of_what_users_contribute() -> None:
    users = draw(400, seed=1)
    arm = users.values[users.treated == 1]
    clicks, impressions = arm[:, 0], arm[:, 1]
    value = clicks.sum() / impressions.sum()
    d = (clicks - value * impressions) / impressions.mean()
    found = ratio(moments(arm))
    assert (found.value, found.variance, found.users) == pytest.approx((value, d.var(ddof=1), len(arm)))
    # The jackknife needs no formula for a ratio; both agree to first order.
    left_out = (clicks.sum() - clicks) / (impressions.sum() - impressions)
    jackknife = (len(arm) - 1) / len(arm) * ((left_out - left_out.mean()) ** 2).sum()
    assert found.error == pytest.approx(jackknife, rel=0.1)


def test_cuped_is_a_regression_on_what_users_contributed_before() -> None:
    users = draw(500, seed=2)
    everyone = users.values

    def contribution(c: int, n: int) -> np.ndarray:  # type: ignore[type-arg]
        clicks, impressions = everyone[:, c], everyone[:, n]
        return (clicks - clicks.sum() / impressions.sum() * impressions) / impressions.mean()

    now, before = contribution(0, 1), contribution(2, 3)
    control, treatment = users.arms()
    found = adjustment(control + treatment)
    assert found is not None
    assert found.slope == pytest.approx(np.polyfit(before, now, 1)[0])
    assert ratio(control + treatment, found).variance == pytest.approx((now - found.slope * before).var(ddof=1))


def test_cuped_narrows_the_interval_of_users_who_stay_alike() -> None:
    plain, adjusted = both(draw(4000, lift=0.1, rate=0.3, seed=3))
    assert plain.log_error is not None
    assert adjusted.log_error is not None
    assert adjusted.log_error < 0.8 * plain.log_error


def test_nothing_is_learned_from_a_period_without_impressions_or_differences() -> None:
    users = draw(50, seed=4).values
    users[:, 2:] = 0
    assert adjustment(moments(users)) is None
    users[:, 3] = 7
    assert adjustment(moments(users)) is None


def test_exchanged_arms_have_the_inverse_quotient() -> None:
    control, treatment = (ratio(arm) for arm in draw(1000, lift=0.3, seed=5).arms())
    one, other = compare(control, treatment), compare(treatment, control)
    assert one.relative is not None
    assert other.relative is not None
    assert 1 + one.relative.low == pytest.approx(1 / (1 + other.relative.high))
    assert (one.absolute.low, one.p) == pytest.approx((-other.absolute.high, other.p))


def test_large_counts_lose_no_digits() -> None:
    """Sums of squares of 10**12 exceed the digits of a float; those of users with the same rate vary by nothing."""
    values = np.array([[3, 10, 0, 0], [5, 12, 0, 0], [1, 7, 0, 0]], np.int64)
    small = ratio(moments(values))
    factor = 10**10
    products = tuple(tuple(cell * factor**2 for cell in row) for row in (values.T @ values).tolist())
    big = Moments(3, tuple(one * factor for one in values.sum(axis=0).tolist()), products)
    assert ratio(big).value == small.value
    assert ratio(big).variance == pytest.approx(small.variance, rel=1e-12)


def test_a_user_with_one_impression_each_has_no_design_effect() -> None:
    rng = np.random.default_rng(6)
    clicks = rng.binomial(1, 0.2, 20_000)
    values = np.stack([clicks, np.ones_like(clicks), 0 * clicks, 0 * clicks], axis=1)
    arms = [moments(values[:10_000]), moments(values[10_000:])]
    lift = compare(*map(ratio, arms))
    assert design_effect(lift, (10_000, 10_000)) == pytest.approx(1, rel=1e-3)


def test_the_same_impressions_of_fewer_users_have_a_design_effect() -> None:
    """Users who always or never click are one observation each, however many impressions they have."""
    values = np.array([[9, 9, 0, 0], [0, 9, 0, 0]] * 500, np.int64)
    lift = compare(ratio(moments(values)), ratio(moments(values)))
    assert design_effect(lift, (9000, 9000)) == pytest.approx(9, rel=1e-2)


def test_the_smallest_lift_is_found_four_times_of_five() -> None:
    found, smallest = 0, 0.0
    for seed in range(300):
        plain, _ = both(draw(800, lift=0.55, tail=0.7, seed=seed))
        assert plain.relative is not None
        found += plain.relative.low > 0
        smallest += (smallest_lift(plain) or 0) / 300
    assert smallest == pytest.approx(0.55, abs=0.12)
    assert found / 300 == pytest.approx(0.8, abs=0.12)


def test_without_clicks_there_is_no_relative_lift() -> None:
    nothing, some = Ratio(0.0, 0.0, 50), Ratio(0.1, 0.2, 50)
    lift = compare(nothing, some)
    assert (lift.relative, lift.log_error, smallest_lift(lift)) == (None, None, None)
    assert compare(nothing, nothing).p == 1
    assert (rate(nothing).low, rate(nothing).high) == (0, 1)
    assert 0 < rate(some).low < 0.1 < rate(some).high <= 1


def test_a_ratio_needs_two_users_and_an_impression() -> None:
    zero = ((0,) * 4,) * 4
    with pytest.raises(ValueError, match="at least 1"):
        ratio(Moments(5, (0, 0, 0, 0), zero))
    with pytest.raises(ValueError, match="at least 2"):
        ratio(Moments(1, (1, 2, 0, 0), zero))
    with pytest.raises(ValueError, match="expected 4"):
        Moments(1, (1,), zero)


def test_an_a_a_test_is_wrong_in_five_percent_and_intervals_cover() -> None:
    """A small version of benchmarks/audience.py: 600 experiments, so that 5 % is within 3 and 7."""
    wrong, covered = 0, 0
    for seed in range(600):
        plain, _ = both(draw(1500, tail=1.2, seed=seed))
        assert plain.relative is not None
        wrong += not plain.relative.low <= 0 <= plain.relative.high
        lifted, _ = both(draw(1500, lift=0.3, tail=1.2, seed=10_000 + seed))
        assert lifted.relative is not None
        covered += lifted.relative.low <= 0.3 <= lifted.relative.high
    assert 0.03 <= wrong / 600 <= 0.07
    assert 0.93 <= covered / 600 <= 0.97
