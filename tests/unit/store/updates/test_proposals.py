"""Proposed labels in a run's database."""

from pathlib import Path

import pytest

from laud_ray.errors import RunError
from laud_ray.store.database.connection import write
from laud_ray.store.store import Store
from laud_ray.store.updates.proposals import Cluster, Proposed, add, decide, every, find, of_generation, was_made

RICE = Cluster("rice", None, ("basmati", "risotto"), 120, 100, 140)
TEA = Cluster("green tea", "Tea", ("sencha",), 30, 30, 30)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'laud.db'}")


def test_proposals_are_numbered_through_all_generations(store: Store) -> None:
    add(store.engine, 2, [RICE, TEA])
    add(store.engine, 3, [TEA])
    assert every(store.engine) == [
        Proposed(1, 2, RICE, "open", None),
        Proposed(2, 2, TEA, "open", None),
        Proposed(3, 3, TEA, "open", None),
    ]
    assert [one.number for one in of_generation(store.engine, 3)] == [3]


def test_a_generation_has_its_proposals_once(store: Store) -> None:
    assert not was_made(store, 2)
    add(store.engine, 2, [RICE])
    add(store.engine, 2, [TEA, RICE])
    assert [one.cluster for one in every(store.engine)] == [RICE]
    assert was_made(store, 2)
    add(store.engine, 3, [])
    assert was_made(store, 3), "none is an answer, too"


def test_a_decision_is_kept_with_its_label(store: Store) -> None:
    add(store.engine, 2, [RICE, TEA])
    write(store.engine, lambda connection: decide(connection, 2, "merged", "Tea"))
    assert find(store.engine, 2) == Proposed(2, 2, TEA, "merged", "Tea")
    assert find(store.engine, 1).state == "open"


def test_an_unknown_number_is_refused(store: Store) -> None:
    with pytest.raises(RunError, match=r"proposal 1: is unknown; expected one of none: nothing was proposed yet"):
        find(store.engine, 1)
    add(store.engine, 2, [RICE, TEA])
    with pytest.raises(RunError, match=r"proposal 7: is unknown; expected one of 1, 2"):
        find(store.engine, 7)
