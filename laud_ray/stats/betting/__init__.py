"""Notice that new documents differ from a reference, by bets that stay valid however often one looks. Pure.

A test starts with a wealth of 1 and bets, batch by batch, against its null hypothesis. While that holds, the wealth is
a nonnegative supermartingale, so that it ever reaches 1 / alpha with a probability of at most alpha (Ville 1939). There
is no number of batches to plan, and no looking too often.

Ville (1939), "Étude critique de la notion de collectif"; Waudby-Smith and Ramdas (2024), "Estimating Means of Bounded
Random Variables by Betting", JRSS B, arXiv 2010.09686; Shekhar and Ramdas (2023), "Nonparametric Two-Sample Testing by
Betting", arXiv 2112.09162; Podkopaev and Ramdas (2022), "Tracking the Risk of a Deployed Model and Detecting Harmful
Distribution Shifts", arXiv 2110.06177. Figures: benchmarks/drift.py.
"""

from laud_ray.stats.betting.accuracy import Bounds, accuracy_bounds
from laud_ray.stats.betting.reference import FAR, Batch, Reference
from laud_ray.stats.betting.watch import TESTS, Tolerance, Watch
from laud_ray.stats.betting.wealth import Wealth

__all__ = ["FAR", "TESTS", "Batch", "Bounds", "Reference", "Tolerance", "Watch", "Wealth", "accuracy_bounds"]
