"""The effect on a ratio of sums, such as click-through rate, in an experiment on users. Pure NumPy and SciPy.

Users are assigned at random, and each contributes clicks c and impressions n. So users are the independent units, and
impressions are not: Deng, Knoblich and Lu (2018), "Applying the Delta Method in Metric Analytics", KDD.
"""

from laud_ray.stats.uplift.dilution import undiluted
from laud_ray.stats.uplift.lift import Lift, compare, rate
from laud_ray.stats.uplift.moments import Moments, Ratio, adjustment, ratio
from laud_ray.stats.uplift.multiple import holm
from laud_ray.stats.uplift.power import design_effect, smallest_lift
from laud_ray.stats.uplift.sample_ratio import sample_ratio_p

__all__ = [
    "Lift",
    "Moments",
    "Ratio",
    "adjustment",
    "compare",
    "design_effect",
    "holm",
    "rate",
    "ratio",
    "sample_ratio_p",
    "smallest_lift",
    "undiluted",
]
