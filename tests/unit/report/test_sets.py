"""What people and scripts read about a run with a multilabel task."""

import json
from dataclasses import asdict
from functools import cache

import numpy as np
from rich.console import Console, RenderableType

from laud_ray.evaluation.buy import Bought
from laud_ray.evaluation.labelled_file import LabelledFigures
from laud_ray.labels import Unknown
from laud_ray.report.bought import bought_json, bought_view
from laud_ray.report.labelled import labelled_json, labelled_view
from laud_ray.report.run import page, terminal
from laud_ray.report.run.json_form import to_json
from laud_ray.report.run.summary import QueryShown, RunSummary
from laud_ray.stats.multilabel.figures import multilabel_figures
from laud_ray.stats.multilabel.sample import MultilabelSample, ranking_precision
from laud_ray.store import round_results
from laud_ray.types import Figures, RoundResult

NAMES = ("Coffee", "Milk", "Tea")


@cache
def figures() -> Figures:
    rng = np.random.default_rng(0)
    proba = rng.random((200, 3))
    true = (rng.random(proba.shape) < proba).astype(np.int8)
    sample = MultilabelSample(
        true, proba > 0.5, ranking_precision(true, proba), rng.random(200), np.zeros(200, np.int64), {0: 5000}
    )
    return multilabel_figures(sample, NAMES, seed=0)


def run() -> RunSummary:
    history = tuple(
        RoundResult(i, f"round-000{i}", 50 * i, 100, 900, figures(), 0.5 if i else None, accepted=True, seconds={})
        for i in range(3)
    )
    asked = QueryShown("d1", "with milk", "query", 1, "label_entropy: Tea 0.52", "Milk; Tea", 0.4, "no label")
    return RunSummary(
        name="drinks", kind="multilabel", labels=NAMES, state="finished", stop_reason="budget",
        current_model="round-0002", history=history, corpus={"documents": 1000}, annotations={"query": 100},
        budget=100, cost=0.0, not_found=(), queries=(asked,), models=(), config_yaml="", versions={}, storage="runs/d",
    )  # fmt: skip


def shown(view: RenderableType) -> str:
    console = Console(width=120, color_system=None)
    with console.capture() as capture:
        console.print(view)
    return capture.get()


def test_status_leads_with_micro_f1() -> None:
    sets = figures().multilabel
    assert sets is not None
    text = shown(terminal.status_view(run()))
    assert f"round-0002, micro-F1 {100 * sets.micro_f1.value:.1f} %" in text
    assert "accuracy" not in text
    assert f"exactly the right labels for {100 * sets.exact_match.value:.1f} %" in text
    assert "label ranking average precision" in text
    assert "change: in points of micro-F1" in text
    assert "macro-F1 is over the 3 labels with at least 10 documents of the sample" in text


def test_the_page_shows_sets_and_no_json() -> None:
    text = page.render(run())
    assert "has a micro-F1 of" in text
    assert "label ranking average precision" in text
    assert "<bdi>Milk; Tea</bdi>" in text
    assert '["' not in text
    assert "Accuracy" not in text


def test_the_json_has_all_figures() -> None:
    found = to_json(run())
    sets = found["multilabel"]
    assert isinstance(sets, dict)
    assert set(sets["micro_f1"]) == {"value", "low", "high", "n"}
    assert (sets["labels_in_macro_f1"], sets["documents_of_a_label"]) == (3, 10)
    assert len(json.dumps(found)) > 0
    assert isinstance(found["rounds"], list)
    assert found["rounds"][-1]["multilabel"] == sets


def test_a_closed_round_keeps_them() -> None:
    last = run().history[-1]
    assert round_results.from_json(json.loads(json.dumps(asdict(last)))) == last


def test_a_labelled_file_and_a_purchase() -> None:
    found = LabelledFigures(figures(), {"without labels": 3}, 2, (Unknown("Juice", 2, None),))
    text = shown(labelled_view(found, "round-0002", "test.parquet", binary=False))
    assert "micro-F1" in text
    assert "2 documents have a label that is not the task's" in text
    assert "'Juice' (2)" in text
    assert labelled_json(found, "m")["multilabel"] is not None
    sets = figures().multilabel
    assert sets is not None
    bought = Bought("m", figures(), 10, 0, "", False, ("micro-F1", sets.micro_f1), 0.05, 500)
    assert "95 % interval of micro-F1" in shown(bought_view(bought))
    assert bought_json(bought)["headline"] == "micro-F1"
