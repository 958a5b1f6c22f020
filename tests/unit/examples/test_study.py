"""The study's arithmetic: what its tables claim must follow from the curves."""

import ast
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laud_ray.types import Label, Task
from tests.endpoint import Reply, chat, endpoint

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)


@pytest.mark.parametrize("script", sorted(BENCHMARKS.glob("*.py")), ids=lambda path: path.stem)
def test_benchmarks_import_what_there_is(script: Path) -> None:
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("laud_ray", "serve"):
            module = import_module(str(node.module))
            for one in node.names:
                assert hasattr(module, one.name) or find_spec(f"{node.module}.{one.name}"), one.name


def test_labels_needed_lie_on_the_line_between_two_points() -> None:
    from study_report import labels_needed

    n, curve = np.array([100.0, 200, 300]), np.array([0.4, 0.6, 0.5])
    assert labels_needed(n, curve, 0.5) == pytest.approx(150)
    assert labels_needed(n, curve, 0.3) == 100
    assert labels_needed(n, curve, 0.7) is None


def test_a_table_compares_with_random_on_its_grid() -> None:
    from study_report import table

    keys = {"data": "d", "learner": "linear", "budget": 200, "batch": 100}
    runs = [
        {**keys, "strategy": "random", "seed": seed, "curve": [[100, 0.5, 0.3], [200, 0.6, 0.4 + seed / 100]]}
        for seed in range(2)
    ]
    runs += [
        {**keys, "strategy": "margin", "seed": seed, "curve": [[100, 0.5, 0.28], [200, 0.7, 0.6 + seed / 50]]}
        for seed in range(2)
    ]
    best = table([*runs, {**keys, "strategy": "all", "seed": 0, "curve": [[900, 0.9, 0.6]]}])[0]
    assert best["strategy"] == "margin"
    assert best["worst point"] == "-2.0 at 100"
    # margin goes from 0.28 to 0.61 and passes 0.54, nine tenths of all, and 0.405, what random ends with.
    assert best["labels for 90% of all"] == f"{100 + 100 * 26 / 33:.0f}"
    assert best["annotations / random's"] == f"{(100 + 100 * 12.5 / 33) / 200:.2f}"


def test_a_torn_line_costs_no_other(tmp_path: Path) -> None:
    import results

    path = tmp_path / "results.jsonl"
    results.append(path, {"seed": 0})
    with open(path, "ab") as file:
        file.write(b'{"seed": 1, "cur')
    results.append(path, {"seed": 2})
    assert results.read(path) == [{"seed": 0}, {"seed": 2}]


def test_one_file_is_split_without_a_text_on_both_sides(tmp_path: Path) -> None:
    from labelled_sets import read_set

    texts = [f"name {i % 40}" for i in range(80)]
    pq.write_table(pa.table({"text": texts, "label": ["a", "b"] * 40}), tmp_path / "one.parquet")
    found = read_set(tmp_path / "one.parquet", seed=3)
    assert (len(found.texts), len(found.test_texts)) == (32, 8)
    assert not set(found.texts) & set(found.test_texts)


def test_a_threshold_is_the_least_that_keeps_the_bound() -> None:
    from known_answers import threshold

    # 20 right ones in a row: Wilson's bound at one standard error is 20 / 21 = 0.952; with a wrong one, 0.882.
    score = np.linspace(1, 0.5, 25)
    positive = np.arange(25) < 20
    assert threshold(score, positive, 0.95) == score[19]
    assert threshold(score, positive, 0.88) == score[20]


def test_what_is_checked_thins_out_down_the_ranking() -> None:
    from known_answers import to_check

    score, free = np.linspace(1, 0, 1000), np.arange(1000) >= 50
    rows = to_check(score, free, 50, np.random.default_rng(0))
    assert sorted(rows[:10]) == list(range(50, 60))  # the head of what is free, whole
    for h, (low, high) in enumerate([(60, 80), (80, 120), (120, 200), (200, 1000)], 1):
        part = rows[10 * h : 10 * (h + 1)]
        assert len(set(part)) == 10
        assert part.min() >= low
        assert part.max() < high


def test_a_table_counts_the_categories_that_reach_the_target() -> None:
    from table_report import COLUMNS, tables

    def run(category: str, seed: int, precision: float | None) -> dict[str, object]:
        cell = {"precision": precision, "recall": 0.5, "named": 4, "threshold": 0.5}
        facts = {"share": 0.01, "positives": 9, "seed_asked": 20, "wrong": 0.04, "budget": 500, "checked": 150}
        return {"category": category, "seed": seed, "oracle": 0.05, **facts, "cells": dict.fromkeys(COLUMNS, cell)}

    runs = [run("a", 0, 1.0), run("a", 1, 0.9), run("b", 0, 0.94), run("b", 1, None), run("c", 0, None)]
    text = tables([*runs, run("d", 0, 1.0), run("d", 1, None)], 0.95)
    assert "5% of answers wrong: precision / recall, %; 2 seeds, 500 annotations and 150 checked" in text
    assert "| a | 1.0 % | 9 | 20 | 95 / 50 |" in text
    assert "| b | 1.0 % | 9 | 20 | 94 / 50 |" in text
    assert "| c | 1.0 % | 9 | 20 | - / 50 |" in text
    assert "| d | 1.0 % | 9 | 20 | 100 / 50 |" in text
    assert "1 of 4; 50" in text  # only a: in a seed of d nothing is named


def test_a_model_answers_for_a_table_once_and_may_abstain(tmp_path: Path) -> None:
    from labelled_sets import LabelledSet
    from llm_answers import LlmAnswers
    from simulation import ABSTAINED

    texts = ["red wine", "white wine", "bread", "hm"]
    task = Task("wine", "binary", (Label("wine"), Label("other", rest=(Label("bread"),))))
    data = LabelledSet("food", task, texts, np.array([0, 0, 1, 1]), [], np.empty(0, np.int64))

    def script(body: dict, before: int) -> Reply:
        text = body["messages"][0]["content"].rsplit("<text>", 1)[1]
        return chat("A" if "wine" in text else "B" if "bread" in text else "C", probability=0.9)

    with endpoint(script) as server:
        answers = LlmAnswers("m", data, tmp_path / "llm.db", server.url)
        assert answers(np.array([2, 0, 2])).tolist() == [1, 0, 1]
        assert answers(np.array([3, 1])).tolist() == [ABSTAINED, 0]
        again = LlmAnswers("m", data, tmp_path / "llm.db", server.url)
        assert again(np.arange(4)).tolist() == [0, 0, 1, ABSTAINED]
        assert len(server.seen) == 4
