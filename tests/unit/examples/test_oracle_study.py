"""Language models and people as oracles: the figures of the study must follow from their definitions."""

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
PRIOR = np.eye(6)[:5] + np.roll(np.eye(6), 1, axis=1)[:5]  # class c lies between c - 1 and c + 1


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)


def test_a_simulated_model_is_as_right_as_asked_and_as_its_confidence_says() -> None:
    from studied_oracles import nearest_classes, simulate

    rng = np.random.default_rng(0)
    gold, hard = rng.integers(5, size=20_000), rng.normal(size=20_000)
    llm = simulate("s", 0.7, gold, hard, PRIOR, 0.01)
    right = llm.said == gold
    assert right.mean() == pytest.approx(0.7, abs=0.015)
    for low in np.arange(0.1, 1, 0.2):
        part = (llm.confidence >= low) & (llm.confidence < low + 0.2)
        assert right[part].mean() == pytest.approx(llm.confidence[part].mean(), abs=0.03)
    by_class = [right[gold == c].mean() for c in range(5)]
    assert max(by_class) - min(by_class) > 0.1, "some classes are harder than others"
    assert right[hard > 1].mean() < right[hard < -1].mean() - 0.2
    near = nearest_classes(PRIOR)
    assert all(said in near[true, :3] for said, true in zip(llm.said[~right], gold[~right], strict=True))


def test_a_cascade_asks_people_only_where_the_model_abstains() -> None:
    from simulation import ABSTAINED
    from studied_oracles import Design, Llm, answers_of

    llm = Llm("m", np.array([0, 1, ABSTAINED, 2]), np.array([0.9, 0.4, 0.9, 0.7]), 0.001, real=True)
    people = np.array([3, 3, 3, 3])
    said, asked = answers_of(Design("m", 0.5, 0.95), llm, people)
    assert said.tolist() == [0, 3, 3, 2]
    assert asked.tolist() == [False, True, True, False]
    alone, nobody = answers_of(Design("m", 0.5), llm, None)
    assert alone.tolist() == [0, ABSTAINED, ABSTAINED, 2]
    assert not nobody.any()
    said, asked = answers_of(Design(people=0.95), None, people)
    assert said.tolist() == people.tolist()
    assert asked.all()


def test_designs_have_distinct_names() -> None:
    from llm_or_people import designs

    names = [one.name for one in designs(["m", "other"])]
    assert len(set(names)) == len(names)
    assert "people 95%" in names
    assert "m at 0.9, then people 95%" in names


def test_dollars_are_counted_from_answers() -> None:
    from llm_or_people_report import at_answers, at_money, price
    from studied_oracles import TokenPrices

    assert TokenPrices(1.0, 0.1, 10.0).answer(1000, 2000, 5) == pytest.approx(0.00125)
    points = [
        {"asked": asked, "by_people": by_people, "macro_f1": f1}
        for asked, by_people, f1 in [(0, 0, 0.5), (100, 20, 0.6), (200, 60, 0.8)]
    ]
    run = {"llm": "m", "points": points}
    price([run], {"m": 0.001}, 0.1, 10)
    assert [point["dollars"] for point in points] == pytest.approx([2.0, 4.1, 8.2])
    assert at_answers(run, 150)["macro_f1"] == 0.6
    assert at_money(run, 2.1) == (pytest.approx(0.6), False)
    assert at_money(run, 4.15) == (pytest.approx(0.7), False)
    assert at_money(run, 100) == (0.8, True)


def test_only_a_trusted_part_of_a_sample_corrects_the_answers_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    import llm_or_people
    from labelled_sets import LabelledSet
    from learners_under_study import View
    from studied_oracles import Llm

    from laud_ray.types import Label, Task

    monkeypatch.setattr(llm_or_people, "DRAWS", 40)
    rng = np.random.default_rng(1)
    gold = rng.integers(5, size=1000)
    said = np.where((gold == 0) | (rng.random(1000) < 0.1), (gold + 1) % 5, gold)  # never right about class 0
    data = LabelledSet("d", Task("d", "multiclass", tuple(map(Label, "abcde"))), [""] * 1000, gold, [], gold[:0])
    llm = Llm("m", said, np.ones(1000), 0.0, real=False)
    bench = llm_or_people.Bench(data, np.arange(0), np.arange(200, 1000), PRIOR, {"m": llm})
    pupil = np.where(rng.random(1000) < 0.9, said, gold)  # a model that learned the errors of its oracle
    view = View(np.eye(5)[pupil], np.empty((0, 5)), np.empty((1000, 0)))
    found = llm_or_people.evaluations(bench, view, Namespace(sample=300, trusted=100), 0)
    assert found["m at 0"]["value"] > found["m at 0"]["truth"] + 0.15
    assert found["m at 0"]["covered"] == 0
    for way in ("trusted alone", "m and trusted"):
        assert found[way]["value"] == pytest.approx(found[way]["truth"], abs=0.02)
        assert found[way]["covered"] > 0.85


def test_a_table_of_estimates_has_a_column_for_each_teacher() -> None:
    from llm_or_people_report import by_design, evaluated

    def run(name: str, llm: str | None, threshold: float, people: float | None, truth: float) -> dict[str, object]:
        ways = ("trusted alone", "people 95%", "m at 0", "m and trusted", "other at 0", "other and trusted")
        one = {"truth": truth, "value": truth - 0.1, "width": 0.08, "covered": 0.25}
        design = {"name": name, "llm": llm, "threshold": threshold, "people": people}
        return {**design, "seed": 0, "evaluated": dict.fromkeys(ways, one)}

    runs = [run("p", None, 0.0, 0.95, 0.9), run("m0", "m", 0.0, None, 0.8), run("m7", "m", 0.7, None, 0.7)]
    runs += [run("c", "m", 0.9, 0.95, 0.85), run("o", "other", 0.0, None, 0.6)]
    lines = evaluated(by_design(runs), "m", Namespace(trusted=100))
    assert [line["sample answered by"] for line in lines] == [
        "the truth", "100 trusted answers alone", "people 95%", "m at 0", "m, and 100 trusted answers",
    ]  # fmt: skip
    assert list(lines[0].values())[1:] == ["90.0%", "80.0%", "85.0%"]
    assert lines[3]["taught by m0"] == "70.0 ± 4.0; 25%"


def test_a_table_has_the_answers_of_a_model() -> None:
    from table_report import COLUMNS, tables

    cell = {"precision": 1.0, "recall": 0.5, "named": 4, "threshold": 0.5}
    facts = {"share": 0.01, "positives": 9, "seed_asked": 20, "wrong": 0.04, "budget": 500, "checked": 150}
    bought = {"answers": 200, "abstained": 20, "positive": 40, "true_positive": 10, "truly_positive": 20}
    run = {"category": "a", "seed": 0, "oracle": "m", **facts, "cells": dict.fromkeys(COLUMNS, cell), "bought": bought}
    text = tables([run], 0.95)
    assert "| a | 1.0 % | 9 | 25 / 50; 10% of 200 | 20 | 100 / 50 |" in text
