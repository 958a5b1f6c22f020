"""Estimates with 95 % intervals, metrics, calibration, drift and legibility. Pure NumPy and SciPy."""

from laud_ray.stats.estimates.accuracy import estimate_accuracy, estimate_share
from laud_ray.stats.estimates.classes import estimate_classes
from laud_ray.stats.estimates.figures import figures
from laud_ray.stats.estimates.macro import estimate_macro_f1
from laud_ray.stats.estimates.powered_figures import PoweredSample, powered_figures
from laud_ray.stats.estimates.sample import Sample
from laud_ray.stats.estimates.shares import share_limits
from laud_ray.stats.estimates.strata import allocate, allocate_robustly, boundaries

__all__ = [
    "PoweredSample",
    "Sample",
    "allocate",
    "allocate_robustly",
    "boundaries",
    "estimate_accuracy",
    "estimate_classes",
    "estimate_macro_f1",
    "estimate_share",
    "figures",
    "powered_figures",
    "share_limits",
]
