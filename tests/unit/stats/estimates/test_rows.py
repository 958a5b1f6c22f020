"""Thousands of classes: only those that occur are counted, and nothing changes by that."""

import resource
from dataclasses import replace

import numpy as np
import pytest

from laud_ray.stats import PoweredSample, Sample, figures, powered_figures
from laud_ray.stats.estimates.rows import Occurring, class_rows
from laud_ray.types import ClassFigures

NAMES = tuple(f"class {i}" for i in range(40))


def sampled(k: int, n: int, seed: int = 0) -> Sample:
    rng = np.random.default_rng(seed)
    true = rng.integers(k + 1, size=n)
    predicted = np.where(rng.random(n) < 0.6, np.minimum(true, k - 1), rng.integers(k, size=n))
    return Sample(true, predicted, rng.random(n), np.arange(n) % 3, {0: 9000, 1: 5000, 2: 4000})


def test_places() -> None:
    occurring = Occurring.of(9, np.array([3, 7, -1]), np.array([9, 3, 5]))
    assert occurring.classes.tolist() == [3, 5, 7]
    assert occurring.place(np.array([7, 3, -1, 9, 5])).tolist() == [2, 0, -1, 3, 1]


def test_beyond_a_bound_only_classes_that_occur_have_a_row() -> None:
    row, missing = ClassFigures("", 3, 1.0, 0.5, 0.6, 4), ClassFigures("", 0, 0.0, 0.0, 0.0, 0)
    occurring = Occurring(3, np.array([1]))
    few = class_rows([row, missing], "abc", occurring, all_rows=2)
    assert few == (replace(row, label="b"),)
    every = class_rows([row, missing], "abc", occurring, all_rows=3)
    assert every == (replace(missing, label="a"), replace(row, label="b"), replace(missing, label="c"))


def test_classes_that_do_not_occur_change_nothing() -> None:
    sample = sampled(40, 60)
    few = figures(sample, NAMES, seed=0)
    among = tuple(name for i in range(4000) for name in (f"other {i}", *NAMES[i : i + 1]))
    index = np.array([among.index(name) for name in NAMES] + [len(among)])
    many = figures(replace(sample, true=index[sample.true], predicted=index[sample.predicted]), among, seed=0)
    occurring = tuple(row for row in few.per_class if row.support or row.predicted)
    assert many.per_class == occurring
    assert many.absent == len(among) - len(occurring)
    assert replace(many, per_class=(), absent=0) == replace(few, per_class=())
    assert few.absent == 0
    missing = next(row for row in few.per_class if not row.support and not row.predicted)
    assert missing.estimates is not None
    assert (missing.f1, missing.estimates.recall.low, missing.estimates.recall.high) == (0, 0, 1)


def test_trusted_answers_among_thousands_of_classes() -> None:
    rng = np.random.default_rng(1)
    cheap, n = rng.integers(40, size=90), 90
    trusted = np.where(rng.random(n) < 0.8, cheap, rng.integers(40, size=n))
    predicted = np.where(rng.random(n) < 0.6, trusted, rng.integers(40, size=n))
    trusted[np.arange(n) % 3 > 0] = -1
    found = []
    for offset, names in ((0, NAMES), (3000, tuple(map(str, range(3000))) + NAMES)):
        moved = (np.where(one < 0, one, one + offset) for one in (cheap, trusted, predicted))
        sample = PoweredSample(*moved, rng.random(n) * 0, np.zeros(n, int), {0: 5000})
        found.append(powered_figures(sample, names, seed=0, replicates=50))
    few, many = found
    assert many.per_class == tuple(row for row in few.per_class if row.support or row.predicted)
    assert replace(many, per_class=(), absent=0) == replace(few, per_class=())


@pytest.mark.parametrize("n", [3000])
def test_thirty_thousand_classes_take_little_memory(n: int) -> None:
    # A (k, k) matrix of 30,000 classes would take 7 GB.
    names = tuple(map(str, range(30_000)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = figures(sampled(30_000, n), names, seed=0)
    assert found.absent + len(found.per_class) == 30_000
    assert len(found.per_class) <= 2 * n
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KiB
