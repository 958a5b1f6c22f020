"""A promise from a pass and the answers for evaluation: what counts as right, what each document weighs."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from laud_ray.errors import RunError
from laud_ray.evaluation.promise import LEAST, Evaluated, compare, dump, on_path, predicted, thresholds_in
from laud_ray.stats.hierarchy import Depth, answer, climb, promise
from laud_ray.storage.folder import Folder
from laud_ray.store.store import Sampled
from laud_ray.taxonomy import read_lines
from laud_ray.types import Bools, Floats

FOOD = read_lines("Food > Tea\nFood > Milk > Cow\nFood > Milk > Goat\nTools", "t.txt")
NAN = np.nan


@pytest.fixture
def scores(tmp_path: Path) -> Folder:
    """A pass over four documents: a leaf at level 3, one at level 2, an error, a leaf at the top."""
    folder = Folder(str(tmp_path))
    table = {
        "label": ["Food > Milk > Cow", "Food > Tea", None, "Tools"],
        "confidences": pa.array([[0.875, 0.5, 0.25], [0.75, 0.5], None, [0.5]], pa.list_(pa.float32())),
    }
    folder.write_table("part-00000", pa.table(table))
    return folder


def rows(*strata: int) -> list[Sampled]:
    return [Sampled("part-00000", i, f"d{i}", stratum, 100 * (stratum + 1)) for i, stratum in enumerate(strata)]


def test_a_pass_is_read_with_its_paths(scores: Folder) -> None:
    leaf, confidences = predicted(scores, rows(0, 0, 0, 0), FOOD)
    assert [FOOD.label(int(FOOD.leaves[i])) for i in leaf[[0, 1, 3]]] == ["Food > Milk > Cow", "Food > Tea", "Tools"]
    assert leaf[2] == -1
    np.testing.assert_array_equal(confidences, [[0.875, 0.5, 0.25], [0.75, 0.5, NAN], [NAN] * 3, [0.5, NAN, NAN]])


@pytest.mark.parametrize(
    ("true", "right"),
    [
        ("Food > Milk > Cow", [True, True, True]),
        ("Food > Milk > Goat", [False, True, True]),
        ("Food > Tea", [False, False, True]),
        ("Tools", [False, False, False]),
        # Of an inner node only what is not below it is known to be right.
        ("Food > Milk", [False, True, True]),
        ("Food", [False, False, True]),
    ],
)
def test_the_true_node_and_those_above_it_are_right(true: str, right: list[bool]) -> None:
    cow = FOOD.find("Food > Milk > Cow")
    assert on_path(FOOD, np.array([cow]), np.array([FOOD.find(true)])).tolist() == [right]


def test_a_leaf_at_the_top_has_no_more_steps_and_an_unknown_label_is_never_right() -> None:
    tools = FOOD.find("Tools")
    assert on_path(FOOD, np.array([tools, tools]), np.array([tools, -1])).tolist() == [
        [True, False, False],
        [False] * 3,
    ]


def test_only_answered_documents_count_and_each_weighs_its_share_of_the_stratum(scores: Folder) -> None:
    answers = {"d0": "Food > Milk > Goat", "d1": "Food > Tea", "d2": "Tools", "d3": None}
    found = compare(FOOD, scores, rows(0, 1, 1, 1), answers)
    np.testing.assert_array_equal(found.masses, np.array([[0.25, 0.5, 0.875], [0.5, 0.75, NAN]], np.float32))
    assert found.right.tolist() == [[False, True, True], [True, True, False]]
    assert found.weights.tolist() == [100, 200]


def many(n: int = 600, seed: int = 0) -> Evaluated:
    rng = np.random.default_rng(seed)
    masses: Floats = np.sort(rng.beta(3, 1, (n, 3)), axis=1)
    right: Bools = rng.random(n)[:, None] < masses
    return Evaluated(masses, right, np.ones(n))


def test_the_same_seed_promises_the_same() -> None:
    found = many()
    assert found.promise(0.8, seed=7) == found.promise(0.8, seed=7)
    assert found.promise(0.8, seed=7) == promise(found.masses, found.right, 0.8, weights=found.weights, seed=7)


def test_too_few_answers_promise_nothing() -> None:
    with pytest.raises(
        RunError, match=r"^accuracy: 0.9 cannot be promised from 19 answers for evaluation; expected at"
    ):
        many(LEAST - 1).promise(0.9, seed=0)


def test_what_is_stored_answers_the_same(tmp_path: Path) -> None:
    from laud_ray.storage.checksums import dump_json, parse_json

    found = many().promise(0.8, seed=0)
    stored = parse_json(dump_json(dump(found)), "promise", dict)
    assert thresholds_in(stored) == found.thresholds
    assert stored["text"] == str(found)
    assert stored["verified"]


def test_a_promise_that_is_not_verified_is_stored_too() -> None:
    found = many(40).promise(0.999, seed=0)
    stored = dump(found)
    assert not stored["verified"]
    assert stored["thresholds"] == [None] * 3
    assert thresholds_in(stored) == (np.inf,) * 3


def test_the_promise_and_the_answers_agree_on_every_document() -> None:
    rng = np.random.default_rng(3)
    leaves = rng.integers(0, len(FOOD.leaves), 50)
    reach = FOOD.depths[FOOD.leaves[leaves]]
    confidences = np.sort(rng.random((50, 3)), axis=1)[:, ::-1]
    confidences = np.where(np.arange(3) < reach[:, None], confidences, NAN)
    thresholds = (0.6, 0.5, 0.4)
    found = answer(FOOD, leaves, confidences, Depth(thresholds))
    masses = np.full((50, 3), NAN)
    for i in range(50):
        masses[i, : reach[i]] = confidences[i, : reach[i]][::-1]
    steps = climb(masses, np.array(thresholds))
    np.testing.assert_array_equal(found.depth, np.maximum(reach - steps, 0))
