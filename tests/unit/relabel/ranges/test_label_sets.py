"""Rows of a multilabel model: sets of labels, the same whether they are scored, looked up or carried over."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from laud_ray.compare.canary import LIKELIEST, decide
from laud_ray.label_sets import LabelSet
from laud_ray.passes.scoring import load_rules
from laud_ray.relabel.inputs import carried, previous
from laud_ray.relabel.inputs.catalog import Catalog
from laud_ray.relabel.ranges import repeats
from laud_ray.relabel.ranges.records import read_record
from laud_ray.relabel.ranges.work import score_repeats
from laud_ray.relabel.sample import SampleJob, label_sample, read_sample
from laud_ray.relabel.sets import MOST, Sets, size_of
from laud_ray.stats.multilabel.rules import Rules, whole_set
from laud_ray.storage.folder import Folder
from tests.multilabels import LABELS, Independent, independent, model_folder
from tests.relabeling import cut, job, relabel, write

N = 300
IDS = [f"d{i}" for i in range(N)]
TEXTS = [f"text {i % 200}" for i in range(N - 2)] + ["poison", ""]


@pytest.fixture
def found(tmp_path: Path) -> Catalog:
    data = write(tmp_path / "data.parquet", {"id": IDS, "text": TEXTS}, row_group_size=100)
    return cut(data, tmp_path / "work", size=70)


@pytest.fixture
def model(tmp_path: Path) -> Folder:
    return Folder(str(model_folder(tmp_path / "model")))


def labelled(found: Catalog, out: Path, model: Folder, **changed: object) -> pa.Table:
    return relabel(found, out, **{"model": model, "load": independent, **changed})


def records(found: Catalog, out: Path) -> list:
    return [read_record(Folder(str(out)), part.name) for part in found.ranges]


def test_rows_have_the_labels_that_the_rules_give(found: Catalog, model: Folder, tmp_path: Path) -> None:
    rows = labelled(found, tmp_path / "out", model, threshold=0.02).to_pylist()
    assert "label" not in rows[0]
    proba = Independent().score(TEXTS[:-2])
    rules = load_rules(model, Independent())
    assert rules is not None
    applies = rules.applies(proba)
    sure = whole_set(proba, applies)
    assert {sum(one) for one in applies.tolist()} == {0, 1, 2, 3}
    for i, row in enumerate(rows[:-2]):
        wanted = sorted(np.flatnonzero(applies[i]), key=lambda j: -proba[i, j])
        assert row["labels"] == [LABELS[j] for j in wanted]
        assert row["confidences"] == pytest.approx([proba[i, j] for j in wanted])
        assert row["confidence"] == pytest.approx(sure[i], rel=1e-5)
        assert row["margin"] == pytest.approx(np.abs(proba[i] - rules.thresholds).min(), abs=1e-6)
        assert row["abstained"] == (sure[i] < 0.02)
        assert row["top_labels"] == [LABELS[j] for j in np.argsort(-proba[i], kind="stable")[:5]]
    for row in rows[-2:]:
        assert [row[name] for name in ("labels", "confidences", "confidence", "margin")] == [None] * 4
        assert (row["top_labels"], row["abstained"]) == ([], False)
        assert row["error"]
    counted, sizes = {}, {}
    for record in records(found, tmp_path / "out"):
        counted = {name: counted.get(name, 0) + record.labels.get(name, 0) for name in {*counted, *record.labels}}
        sizes = {size: sizes.get(size, 0) + record.sizes.get(size, 0) for size in {*sizes, *record.sizes}}
    assert counted == {LABELS[j]: int(n) for j, n in enumerate(applies.sum(0)) if n}
    assert sizes == {str(s): int((applies.sum(1) == s).sum()) for s in range(4)}


def test_sets_that_are_looked_up_are_those_that_are_scored(found: Catalog, model: Folder, tmp_path: Path) -> None:
    whole = labelled(found, tmp_path / "whole", model)
    place = Folder(str(tmp_path / "repeats"))
    todo = replace(job(found, tmp_path / "out"), repeats=place, model=model, load=independent)
    for name in repeats.find(found, place, 40):
        score_repeats(name, todo)
    assert labelled(found, tmp_path / "out", model, repeats=place).equals(whole)
    assert sum(one.looked_up for one in records(found, tmp_path / "out")) > 100


def test_sets_that_are_carried_over_are_those_that_are_scored(found: Catalog, model: Folder, tmp_path: Path) -> None:
    whole = labelled(found, tmp_path / "one", model, hashed=True)
    to = Folder(str(tmp_path / "kept"))
    assert carried.carry(found, str(tmp_path / "one"), to, 2000, LABELS) == N - 2
    assert labelled(found, tmp_path / "two", model, hashed=True, carried=to).equals(whole)
    assert sum(one.scored for one in records(found, tmp_path / "two")) == 1


def test_earlier_sets_stand_beside_the_new_ones(found: Catalog, model: Folder, tmp_path: Path) -> None:
    whole = labelled(found, tmp_path / "one", model)
    previous.align(found, str(tmp_path / "one"), to := Folder(str(tmp_path / "to")))
    other = Folder(str(model_folder(tmp_path / "other", at_most=1)))
    made = labelled(found, tmp_path / "two", other, previous=to)
    assert [None if one is None else sorted(one) for one in whole["labels"].to_pylist()] == made[
        "previous_labels"
    ].to_pylist()
    differ = sum(len(one) > 1 for one in whole["labels"].to_pylist() if one is not None)
    kept = records(found, tmp_path / "two")
    assert (sum(one.compared for one in kept), sum(one.changed for one in kept)) == (N - 2, differ)


def test_a_sample_is_compared_by_sets(found: Catalog, model: Folder, tmp_path: Path) -> None:
    labelled(found, tmp_path / "one", model)
    previous.align(found, str(tmp_path / "one"), to := Folder(str(tmp_path / "to")))
    other = Folder(str(model_folder(tmp_path / "other", at_most=1)))
    todo = replace(job(found, tmp_path / "two"), model=other, load=independent, previous=to)
    for part in found.ranges:
        label_sample(part.name, SampleJob(todo, 1.0, Folder(str(tmp_path / "sample")), with_probabilities=False))
    sample = read_sample(Folder(str(tmp_path / "sample")))
    assert {LIKELIEST, "label", "previous_label", "confidence"} <= set(sample.column_names)
    assert all(LabelSet.parse(text).no is None for text in sample["label"].drop_null().to_pylist())
    verdict = decide(sample, max_change=0.01)
    assert verdict.stop
    assert "sampled documents changed their set of labels" in verdict.reason
    assert "; " in verdict.reason
    assert "[" not in verdict.reason.split("mostly")[1]


def test_a_set_has_places_for_as_many_labels_as_it_may_have() -> None:
    thresholds = np.full(100, 0.5)
    assert [size_of(Rules(thresholds, most)) for most in (None, 3, 200)] == [MOST, 3, MOST]
    sets = Sets.empty(1, MOST)
    proba = np.linspace(0.6, 0.9, 100, dtype=np.float32)[None]
    sets.add(0, proba, Rules(thresholds))
    assert sets.labels[0].tolist() == list(range(99, 99 - MOST, -1))
