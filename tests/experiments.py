"""Synthetic experiments on users."""

from dataclasses import dataclass

import numpy as np

from laud_ray.stats.uplift import Moments
from laud_ray.types import Indices


@dataclass(frozen=True, slots=True, eq=False)
class Users:
    """(n,) users: whether each is in the treatment, and the counts of each, in the test and before it."""

    treated: Indices
    clicks: Indices
    impressions: Indices
    pre_clicks: Indices
    pre_impressions: Indices

    @property
    def values(self) -> Indices:
        """(n, 4) in the order of `laud_ray.stats.uplift.moments`."""
        return np.stack([self.clicks, self.impressions, self.pre_clicks, self.pre_impressions], axis=1)

    def arms(self) -> tuple[Moments, Moments]:
        """The control and the treatment."""
        control, treatment = (moments(self.values[self.treated == arm]) for arm in (0, 1))
        return control, treatment


def moments(values: Indices) -> Moments:
    """Return the sums of (n, 4) users."""
    products = values.T @ values
    return Moments(len(values), tuple(values.sum(axis=0).tolist()), tuple(map(tuple, products.tolist())))


def draw(n: int, *, lift: float = 0.0, tail: float = 1.0, rate: float = 0.05, seed: int) -> Users:
    """Draw users whose impressions are lognormal with the shape `tail`, and who differ in how often they click."""
    rng = np.random.default_rng(seed)
    treated = rng.integers(0, 2, n)
    visits, taste = rng.lognormal(1.5, tail, n), rng.beta(1.5, 1.5 / rate - 1.5, n)
    before, during = (np.maximum(rng.poisson(visits), 1) for _ in range(2))
    clicks = rng.binomial(during, np.minimum(taste * (1 + lift * treated), 1))
    return Users(treated, clicks, during, rng.binomial(before, taste), before)
