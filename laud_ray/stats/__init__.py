"""Unbiased figures with 95 % intervals from a stratified random sample. Pure NumPy and SciPy."""

from laud_ray.stats.accuracy import estimate_accuracy, estimate_share
from laud_ray.stats.classes import estimate_classes
from laud_ray.stats.figures import figures
from laud_ray.stats.macro import estimate_macro_f1
from laud_ray.stats.powered_figures import PoweredSample, powered_figures
from laud_ray.stats.sample import Sample
from laud_ray.stats.shares import share_limits
from laud_ray.stats.strata import allocate, boundaries, share_out

__all__ = [
    "PoweredSample",
    "Sample",
    "allocate",
    "boundaries",
    "estimate_accuracy",
    "estimate_classes",
    "estimate_macro_f1",
    "estimate_share",
    "figures",
    "powered_figures",
    "share_limits",
    "share_out",
]
