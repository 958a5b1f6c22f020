"""Sums over users, and the click-through rate with its variance by the delta method.

A user has the values CLICKS, IMPRESSIONS and, before the test, PRE_CLICKS and PRE_IMPRESSIONS. They are whole numbers,
and their sums are exact, so that no digits cancel and the order of users does not matter.
"""

from dataclasses import dataclass

CLICKS, IMPRESSIONS, PRE_CLICKS, PRE_IMPRESSIONS = range(4)
VALUES = 4


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over the users of an arm.

    Attributes:
        users: their number.
        sums: (4,) sums of each value.
        products: (4, 4) sums of the products of two values; symmetric.
    """

    users: int
    sums: tuple[int, ...]
    products: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if len(self.sums) != VALUES or [len(row) for row in self.products] != [VALUES] * VALUES:
            raise ValueError(
                f"got {len(self.sums)} sums and {len(self.products)} rows of products; expected {VALUES} of each"
            )

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(
            self.users + other.users,
            tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)),
            tuple(
                tuple(a + b for a, b in zip(row, more, strict=True))
                for row, more in zip(self.products, other.products, strict=True)
            ),
        )

    def mean(self, one: int) -> float:
        """Return the mean of a value."""
        return self.sums[one] / self.users

    def covariance(self, one: int, other: int) -> float:
        """Return the sample covariance of two values, with N - 1 in the denominator.

        Raises:
            ValueError: with fewer than two users.
        """
        if self.users < 2:
            raise ValueError(f"{self.users} users have no variance; expected at least 2")
        exact = self.users * self.products[one][other] - self.sums[one] * self.sums[other]
        return exact / (self.users * (self.users - 1))


NOBODY = Moments(0, (0,) * VALUES, ((0,) * VALUES,) * VALUES)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A click-through rate, and the variance of one user's contribution d; that of the rate is `variance` / `users`."""

    value: float
    variance: float
    users: int

    @property
    def error(self) -> float:
        """The variance of the rate itself."""
        return self.variance / self.users


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A regression on the period before the test: `slope` on d, around the `centre`, the rate of all users in it."""

    slope: float
    centre: float


def ratio(arm: Moments, adjusted: Adjustment | None = None) -> Ratio:
    """Return the click-through rate R = sum c / sum n, and the variance of d_i = (c_i - R n_i) / mean n.

    With an adjustment, R is reduced by slope (R_pre - centre), and d_i by slope times the d_i of the period before.

    Deng, Knoblich and Lu (2018), section 3.1, for the variance; Deng, Xu, Kohavi and Walker (2013), "Improving the
    Sensitivity of Online Controlled Experiments by Utilizing Pre-Experiment Data" (CUPED), and its form for ratios in
    section 3.3 of the former.

    Raises:
        ValueError: with fewer than two users, or without impressions.
    """
    value, variance = _rate(arm, CLICKS, IMPRESSIONS), _covariance(arm, NOW, NOW)
    if adjusted is not None:
        value -= adjusted.slope * (_rate(arm, PRE_CLICKS, PRE_IMPRESSIONS) - adjusted.centre)
        variance += adjusted.slope**2 * _covariance(arm, BEFORE, BEFORE)
        variance -= 2 * adjusted.slope * _covariance(arm, NOW, BEFORE)
    return Ratio(value, max(variance, 0.0), arm.users)


def adjustment(everyone: Moments) -> Adjustment | None:
    """Return the regression of d on the d of the period before, over the users of both arms.

    None if nobody had an impression then, or everybody the same rate: there is nothing to learn from it.
    """
    if not everyone.sums[PRE_IMPRESSIONS]:
        return None
    spread = _covariance(everyone, BEFORE, BEFORE)
    if spread <= 0:
        return None
    return Adjustment(
        _covariance(everyone, NOW, BEFORE) / spread,
        _rate(everyone, PRE_CLICKS, PRE_IMPRESSIONS),
    )


def before(arm: Moments) -> Ratio:
    """Return the click-through rate of the period before the test, and its variance."""
    return Ratio(_rate(arm, PRE_CLICKS, PRE_IMPRESSIONS), _covariance(arm, BEFORE, BEFORE), arm.users)


NOW, BEFORE = (CLICKS, IMPRESSIONS), (PRE_CLICKS, PRE_IMPRESSIONS)


def _rate(arm: Moments, part: int, whole: int) -> float:
    if arm.sums[whole] <= 0:
        raise ValueError(f"{arm.users} users have {arm.sums[whole]} impressions; expected at least 1")
    return arm.sums[part] / arm.sums[whole]


def _covariance(arm: Moments, one: tuple[int, int], other: tuple[int, int]) -> float:
    """Return the covariance of two linearised ratios (c - R n) / mean n."""
    r, s = _rate(arm, *one), _rate(arm, *other)
    found = (
        arm.covariance(one[0], other[0])
        - s * arm.covariance(one[0], other[1])
        - r * arm.covariance(one[1], other[0])
        + r * s * arm.covariance(one[1], other[1])
    )
    return found / (arm.mean(one[1]) * arm.mean(other[1]))
