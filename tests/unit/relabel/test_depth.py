"""How deep rows are answered: which options fit, and that a resume answers by the thresholds of the beginning."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from laud_ray.cluster.workers import Workers
from laud_ray.errors import RunError
from laud_ray.relabel.depth import depth_of, promised, settle
from laud_ray.relabel.inputs.cutting import inventory
from laud_ray.relabel.plan import Options, open_plan, read_plan
from laud_ray.relabel.source import Source
from laud_ray.stats.hierarchy import Depth
from laud_ray.storage.folder import Folder
from laud_ray.taxonomy import read_lines
from tests.relabeling import LABELS, NAMED, hashing, write

TREE = read_lines("Food > Tea\nFood > Milk > Cow\nTools", "t.txt")
PROMISE = {"accuracy": 0.9, "thresholds": [0.5, None, 0.75], "verified": True, "text": "90 % right"}
FLAT = Source(
    "run", "round-0001", Folder("model"), "sum", LABELS, Workers(), 2000, "text", "id", lambda _: None, hashing
)
TREED = replace(FLAT, taxonomy=TREE, promise=lambda accuracy: {**PROMISE, "accuracy": accuracy})
OPTIONS = Options(NAMED, 100)


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        (
            FLAT,
            {"accuracy": 0.9},
            "--accuracy: is not valid, because the labels of round-0001 are no taxonomy; expected",
        ),
        (FLAT, {"level": 1}, "--level: is not valid, because the labels of round-0001 are no taxonomy; expected none"),
        (TREED, {"accuracy": 0.9, "level": 1}, "--accuracy: is not valid together with --level; expected one of them"),
        (TREED, {"level": 4}, "--level 4: is not valid; expected 1 to 3, the levels of the taxonomy"),
        (TREED, {"accuracy": 1.0}, "--accuracy 1: is not valid; expected a share above 0 and below 1, such as 0.9"),
        (
            TREED,
            {"accuracy": 0.9, "cascade": 0.99},
            "--cascade: is not valid with a promised accuracy of 0.9, which is",
        ),
        (replace(TREED, accuracy=0.8), {"cascade": 0.99}, "--cascade: is not valid with a promised accuracy of 0.8"),
    ],
)
def test_what_does_not_fit_is_refused(source: Source, options: dict[str, Any], said: str) -> None:
    with pytest.raises(RunError) as refused:
        settle(source, replace(OPTIONS, **options))
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


def test_the_promise_of_the_run_holds_unless_another_is_stated() -> None:
    source = replace(TREED, accuracy=0.8)
    assert settle(source, OPTIONS).accuracy == 0.8
    assert settle(source, replace(OPTIONS, accuracy=0.9)).accuracy == 0.9
    assert settle(source, replace(OPTIONS, level=2)).accuracy is None
    assert settle(replace(FLAT, accuracy=0.8), OPTIONS) == OPTIONS
    assert settle(TREED, OPTIONS) == OPTIONS


@pytest.mark.parametrize(
    ("promise", "said"),
    [
        (
            None,
            "--accuracy 0.9: run is the folder of a model, without an evaluation sample to verify it on; expected a",
        ),
        (
            lambda _: {"verified": False, "text": "no thresholds are verified"},
            "--accuracy 0.9: no thresholds are verified; expected a lower accuracy, more answers for evaluation, or",
        ),
    ],
)
def test_nothing_is_labelled_without_a_promise(promise: Any, said: str) -> None:
    with pytest.raises(RunError) as refused:
        promised(replace(TREED, promise=promise), replace(OPTIONS, accuracy=0.9))()
    assert str(refused.value).startswith(said)


def test_a_resume_answers_by_the_thresholds_of_the_beginning(tmp_path: Path) -> None:
    data = write(tmp_path / "in.parquet", {"id": ["1"], "text": ["tea"]})
    out, options = Folder(str(tmp_path / "out")), replace(OPTIONS, accuracy=0.9)
    inputs = inventory(str(data), NAMED)

    def begin(options: Options, source: Source = TREED) -> Any:
        making = promised(source, options)
        return open_plan(out, "run", str(data), "round-0001", "sum", options, inputs, making)

    first = begin(options)
    assert depth_of(first) == Depth((0.5, float("inf"), 0.75))
    # More answers for evaluation have come meanwhile, or the run is gone.
    assert begin(options, replace(TREED, promise=lambda _: {**PROMISE, "thresholds": [0, 0, 0]})) == first
    assert begin(options, replace(TREED, promise=None)) == first
    assert read_plan(out)["promise"] == {**PROMISE, "accuracy": 0.9}
    for changed, line in (
        (replace(options, accuracy=0.8), "accuracy 0.9, now 0.8"),
        (OPTIONS, "accuracy 0.9, now missing"),
        (replace(OPTIONS, level=2), "level missing, now 2"),
    ):
        with pytest.raises(RunError, match="holds a different relabel") as refused:
            begin(changed)
        assert line in str(refused.value)


def test_a_level_needs_no_promise(tmp_path: Path) -> None:
    data = write(tmp_path / "in.parquet", {"id": ["1"], "text": ["tea"]})
    options, inputs = replace(OPTIONS, level=2), inventory(str(data), NAMED)
    making = promised(TREED, options)
    plan = open_plan(Folder(str(tmp_path / "out")), "run", str(data), "m", "sum", options, inputs, making)
    assert (plan.promise, depth_of(plan)) == (None, Depth(level=2))


def test_plans_of_earlier_versions_state_neither(tmp_path: Path) -> None:
    data = write(tmp_path / "in.parquet", {"id": ["1"], "text": ["tea"]})
    out = Folder(str(tmp_path / "out"))
    open_plan(out, "run", str(data), "m", "sum", OPTIONS, inventory(str(data), NAMED))
    assert {"accuracy", "level"}.isdisjoint(read_plan(out)["identity"]["options"])
