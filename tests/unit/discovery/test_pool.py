"""Choose the documents that are grouped."""

import numpy as np
import pytest

from laud_ray.discovery.pool import Pool, pool, size_of


def test_far_documents_of_both_kinds_are_chosen() -> None:
    earlier, new = np.arange(100.0), np.array([10.0, 85.0, 200.0])
    found = pool(new, earlier, np.random.default_rng(0))
    assert found is not None
    assert (found.new.tolist(), found.earlier.tolist()) == ([1, 2], list(range(80, 100)))
    # 3 new documents beside 100 earlier ones, all of which could be chosen.
    assert found.share == pytest.approx(3 / 103)
    assert found.chosen == 1


def test_where_there_are_more_some_are_chosen_at_random_and_the_share_says_so() -> None:
    rng = np.random.default_rng(0)
    earlier, new = rng.random(1000), rng.random(10_000)
    found = pool(new, earlier, np.random.default_rng(0), most=200)
    assert found is not None
    assert (len(found.new), len(found.earlier)) == (100, 100)
    # Both kinds are alike, so that the share is that of the pool, but for chance.
    assert found.share == pytest.approx(0.5, abs=0.02)
    assert found.chosen == pytest.approx(100 / 2000, abs=0.005)
    again = pool(new, earlier, np.random.default_rng(0), most=200)
    assert again is not None
    assert again.new.tolist() == found.new.tolist()


def test_without_far_documents_there_is_no_pool() -> None:
    rng = np.random.default_rng(0)
    assert pool(np.zeros(0), np.ones(3), rng) is None
    assert pool(np.ones(3), np.zeros(0), rng) is None
    assert pool(np.zeros(3), np.ones(3), rng) is None


def test_the_size_of_a_group() -> None:
    every = Pool(np.arange(50), np.arange(50), 0.5, 1.0)
    assert size_of(7, every) == (7, 7, 7)
    some = Pool(np.arange(1000), np.arange(50), 0.5, 0.1)
    # 10 of 1000, of 10,000 documents: Wilson's interval of 1 % is [0.54 %, 1.83 %].
    assert size_of(10, some) == (100, 54, 183)
