"""The report: what people and scripts read about a run."""

import html
import json
import math
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser

import pytest
from rich.console import Console, RenderableType

from laud_ray.evaluation.buy import Bought
from laud_ray.evaluation.labelled_file import LabelledFigures
from laud_ray.quality.diagnosis import Finding
from laud_ray.quality.noise import LeftOut
from laud_ray.quality.raters import Agreement, Confused, PairAgreement
from laud_ray.query.auto import Choice
from laud_ray.report import formatting
from laud_ray.report.bought import bought_json, bought_view
from laud_ray.report.labelled import labelled_json, labelled_view
from laud_ray.report.run import figures, page, tables, terminal
from laud_ray.report.run.curve import curve
from laud_ray.report.run.json_form import to_json
from laud_ray.report.run.summary import (
    AuditShown,
    DisputeShown,
    ModelShown,
    QueryShown,
    RunSummary,
    measured,
    next_commands,
    unmeasured,
)
from laud_ray.report.run.updates import UpdatesShown
from laud_ray.stats.legibility import Legibility
from laud_ray.store import round_results
from laud_ray.store.updates.alarms import Alarm
from laud_ray.store.updates.decisions import Decision
from laud_ray.store.updates.evidence import Evidence
from laud_ray.store.updates.generations import Updated
from laud_ray.types import ClassEstimates, ClassFigures, Estimate, Figures, Promotion, RoundResult

LABELS = ("Yogurt", "Milk", "Cheese")
MADE = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)> \" & {{ 7 * 7 }}"


def result(number: int, accuracy: float, *, accepted: bool = True, labels: Sequence[str] = LABELS) -> RoundResult:
    per_class = tuple(
        ClassFigures(label, support=1 + i % 9, precision=0.5, recall=0.25, f1=(i % 11) / 10)
        for i, label in enumerate(labels)
    )
    measured_on_300 = Figures(
        n=300,
        accuracy=Estimate(accuracy, accuracy - 0.05, accuracy + 0.04, 300),
        macro_f1=Estimate(accuracy - 0.1, accuracy - 0.16, accuracy - 0.04, 300),
        calibration_error=0.125,
        per_class=per_class,
    )
    return RoundResult(
        number=number,
        model=f"round-{number:04d}",
        annotations=50 * number,
        budget=500,
        pool=1000 - 50 * number,
        figures=measured_on_300,
        kappa=None if number == 0 else 0.5 + 0.04 * number,
        accepted=accepted,
        seconds={"train": 60.0, "score": 12.5},
    )


def run_of(history: tuple[RoundResult, ...], labels: tuple[str, ...] = LABELS) -> RunSummary:
    current = history[-1].model if history else None
    return RunSummary(
        name="food",
        kind="multiclass",
        labels=labels,
        state="finished",
        stop_reason="the budget is spent",
        current_model=current,
        history=history,
        corpus={"documents": 9213, "unique": 8874, "errors": 3, "truncated": 12},
        annotations={"seed": 60, "query": 200, "evaluation": 300, "abstained": 9},
        budget=500,
        cost=1.25,
        not_found=("Cheese",),
        queries=(
            QueryShown("d1", "greek yogurt", "seed", 0, "walk down Yogurt", "Yogurt", 0.9, "Yogurt"),
            QueryShown("d2", "kefir, plain", "query", 1, "margin 0.02", "Milk", 0.41, "Yogurt"),
            QueryShown("d3", "something", "query", 1, "margin 0.03", None, None, None),
        ),
        models=tuple(
            ModelShown(r.model, r.model == current, r.number, "encoder", r.accepted, MADE, r.figures.accuracy)
            for r in history
        ),
        config_yaml="seed: 0\n",
        versions={"laud_ray": "0.1.0"},
        storage="runs/food",
    )


HISTORIES = {
    "empty": (),
    "zero-shot only": (result(0, 0.406),),
    "ten rounds": tuple(result(number, 0.4 + 0.03 * number) for number in range(11)),
    "a rejected round": (result(0, 0.406), result(1, 0.3, accepted=False), result(2, 0.767)),
}


class Page(HTMLParser):
    """The visible text of a page and its start tags."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside_style = 0
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside_style += tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._inside_style -= tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._inside_style:
            self.words.extend(data.split())

    @property
    def text(self) -> str:
        return " ".join(self.words)


@cache
def rendered(name: str) -> str:
    return page.render(run_of(HISTORIES[name]))


@pytest.fixture
def rejected_page() -> str:
    return rendered("a rejected round")


def shown(view: RenderableType, width: int = 110) -> str:
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(view)
    return capture.get()


# The page


@pytest.mark.parametrize("name", HISTORIES)
def test_every_length_of_history_renders(name: str) -> None:
    history = HISTORIES[name]
    text = Page(rendered(name)).text
    assert ("No round has closed yet" in text) == (not history)
    assert all(result.model in text for result in history)


def test_the_same_summary_gives_the_same_bytes(rejected_page: str) -> None:
    assert page.render(run_of(HISTORIES["a rejected round"])) == rejected_page


def test_the_page_loads_nothing_and_runs_nothing(rejected_page: str) -> None:
    tags = Page(rejected_page).tags
    assert not {"script", "link", "iframe", "img", "object", "base"} & {tag for tag, _ in tags}
    names = {name for _, attributes in tags for name in attributes}
    assert "src" not in names
    assert not [name for name in names if name.startswith("on")]
    links = [value or "" for _, attributes in tags for name, value in attributes.items() if name == "href"]
    assert all(link.startswith("#") for link in links)
    assert "http:" not in rejected_page
    assert "https:" not in rejected_page
    assert "@import" not in rejected_page
    assert "url(#" in rejected_page
    assert not re.search(r"url\((?!#)", rejected_page)


def test_references_inside_plots_have_exactly_one_target(rejected_page: str) -> None:
    ids = re.findall(r' id="([^"]+)"', rejected_page)
    used = set(re.findall(r'(?:url\(#|href="#)([\w-]+)', rejected_page))
    assert len(ids) == len(set(ids))
    assert used == set(ids)


def test_hostile_text_is_shown_not_obeyed() -> None:
    history = tuple(
        replace(item, model=HOSTILE, seconds={HOSTILE: 1.0})
        for item in (result(0, 0.4, labels=[HOSTILE]), result(1, 0.5, labels=[HOSTILE]))
    )
    query = QueryShown(HOSTILE, HOSTILE, "query", 1, HOSTILE, HOSTILE, 0.5, HOSTILE)
    summary = replace(
        run_of(history),
        name=HOSTILE,
        stop_reason=HOSTILE,
        current_model=HOSTILE,
        not_found=(HOSTILE,),
        not_found_in={HOSTILE: 3},
        diagnosis=(Finding(HOSTILE, HOSTILE, HOSTILE),),
        queries=(query,),
        config_yaml=HOSTILE,
        versions={HOSTILE: HOSTILE},
        corpus={HOSTILE: 1},
        notes=(HOSTILE,),
        storage=HOSTILE,
    )
    parsed = Page(page.render(summary))
    assert not {"script", "img"} & {tag for tag, _ in parsed.tags}
    assert parsed.text.count("<script>alert('x')</script>") >= 12
    assert "{{ 7 * 7 }}" in parsed.text


@pytest.mark.parametrize("name", ["zero-shot only", "ten rounds", "a rejected round"])
def test_accuracy_never_stands_without_n_and_interval(name: str) -> None:
    source = rendered(name)
    text = Page(source).text + " ".join(re.findall(r'aria-label="([^"]*)"', source))
    places = [match.start() for match in re.finditer("accuracy", text, re.IGNORECASE)]
    assert len(places) >= 3
    for place in places:
        around = text[max(place - 20, 0) : place + 80]
        assert re.search(r"\bn\b", around), around
        assert "95 % interval" in around, around


def test_the_headline_gives_the_current_model(rejected_page: str) -> None:
    text = Page(rejected_page).text
    assert "With 100 annotations, the current model round-0002 labels 76.7 % of the documents" in text
    assert "(n = 300, 95 % interval [71.7, 80.7])" in text
    assert "it was 40.6 % [35.6, 44.6]" in text
    assert "laud report runs/food" in text


def test_questions_are_grouped_by_round_with_reason_and_answer(rejected_page: str) -> None:
    text = Page(rejected_page).text
    assert text.index("Round 1 2 questions, 1 answer; 1 differ") < text.index("Round 0 1 question, 1 answer")
    assert "kefir, plain Milk 41.0 % → Yogurt query · margin 0.02" in text
    assert "something no prediction → no answer" in text


def test_a_long_round_shows_its_first_questions() -> None:
    query = QueryShown("d", "TEXT", "query", 1, "margin", "Milk", 0.4, "Milk")
    summary = replace(run_of(()), queries=(query,) * 50)
    text = Page(page.render(summary)).text
    assert text.count("TEXT") == page.ASKED_PER_ROUND
    assert f"{50 - page.ASKED_PER_ROUND} more questions" in text


def test_167_classes_fit() -> None:
    labels = tuple(f"class {number:03d}" for number in range(167))
    text = Page(page.render(run_of((result(0, 0.4, labels=labels),), labels))).text
    assert all(label in text for label in labels)
    assert "137 more classes" in text


def test_the_never_found_classes_are_named(rejected_page: str) -> None:
    assert "1 class never found." in Page(rejected_page).text


def test_the_diagnosis_and_the_queries_spent_on_a_class_stand_everywhere() -> None:
    finding = Finding("early_plateau", "the figures stand still", "ask about other things")
    summary = replace(run_of(HISTORIES["ten rounds"]), diagnosis=(finding,), not_found_in={"Cheese": 12})
    text = Page(page.render(summary)).text
    assert "Early plateau. The figures stand still. Remedy: ask about other things." in text
    assert "Cheese (in 12 queries)" in text
    seen = shown(terminal.status_view(summary))
    assert re.search(r"early plateau +the figures stand still\.\n *remedy +ask about other things\.", seen)
    assert re.search(r"never found +Cheese \(in 12 queries\)", seen)
    report = to_json(summary)
    assert report["not_found_in"] == {"Cheese": 12}
    assert report["diagnosis"] == [
        {"name": "early_plateau", "evidence": "the figures stand still", "remedy": "ask about other things"}
    ]
    assert "Diagnosis" not in Page(rendered("ten rounds")).text


def test_auto_is_told_of_where_it_changes_and_json_has_every_choice() -> None:
    choices = {
        1: Choice({"typiclust": 1.0}, "it errs on 60%", "many errors"),
        2: Choice({"typiclust": 1.0}, "it errs on 50%", "many errors"),
        3: Choice({"typiclust": 1.0}, "it is as sure of its errors", "blind"),
        4: Choice({"margin": 1.0}, "it errs on 20%", "few errors"),
    }
    summary = replace(run_of(HISTORIES["ten rounds"]), choices=choices)
    for text in (Page(page.render(summary)).text, shown(terminal.status_view(summary))):
        assert [choice.why in text for choice in choices.values()] == [True, False, True, True]
    assert to_json(summary)["choices"] == [
        {"round": number, "shares": choice.shares, "why": choice.why} for number, choice in choices.items()
    ]


# The plots


def test_a_plot_is_an_svg_for_inside_html() -> None:
    svg = figures.learning_curve(HISTORIES["a rejected round"], "accuracy")
    assert svg.startswith('<svg role="img" aria-label="Learning curve: accuracy 76.7 % [71.7, 80.7], n = 300')
    assert "var(--accent" in svg
    assert "zero-shot 40.6 %" in html.unescape(svg)


def test_only_a_rejected_round_is_marked() -> None:
    good = tuple(replace(item, accepted=True) for item in HISTORIES["a rejected round"])
    assert "var(--warn" in figures.learning_curve(HISTORIES["a rejected round"], "accuracy")
    assert "var(--warn" not in figures.learning_curve(good, "accuracy")


def test_plots_bear_figures_that_are_not_numbers() -> None:
    nothing = Estimate(math.nan, math.nan, math.nan, 0)
    broken = result(0, 0.4)
    broken = replace(
        broken,
        figures=replace(broken.figures, accuracy=nothing, macro_f1=nothing, calibration_error=math.nan),
    )
    text = Page(page.render(run_of((broken,)))).text
    assert "nan" not in text.lower()


# JSON


def test_dollars_of_a_model_without_prices_are_unknown_not_zero() -> None:
    def one_line(view: RenderableType) -> str:
        return " ".join(shown(view).split())

    run = replace(run_of(HISTORIES["a rejected round"]), unpriced=("m",))
    assert to_json(run)["cost"] is None
    assert to_json(run)["unpriced"] == ["m"]
    assert "300 evaluation; $1.25 known, the rest unknown (no prices for m)" in one_line(terminal.status_view(run))
    free = replace(run, cost=0.0)
    assert "300 evaluation; dollars unknown (no prices for m)" in one_line(terminal.status_view(free))
    text = Page(page.render(free)).text
    assert "unknown" in text
    assert "without m, which has no prices;" in text


def test_json_has_the_stable_structure() -> None:
    history = HISTORIES["a rejected round"]
    report = to_json(run_of(history))
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert list(report) == [
        "run", "kind", "state", "stop_reason", "current_model", "rounds", "hierarchy", "multilabel", "leaves",
        "candidates", "classes", "promoted", "annotations", "audit", "agreement", "left_out", "oracle_error", "people",
        "feedback", "budget", "cost", "unpriced", "not_found", "not_found_in", "choices", "diagnosis", "corpus",
        "notes", "legibility", "generations", "drift", "decisions", "alarm", "models", "labels", "storage", "versions",
    ]  # fmt: skip
    assert isinstance(report["rounds"], list)
    assert report["rounds"][2] == {
        "round": 2,
        "model": "round-0002",
        "annotations": 100,
        "feedback": 0,
        "pool": 900,
        "accuracy": {"value": 0.767, "low": 0.767 - 0.05, "high": 0.767 + 0.04, "n": 300},
        "macro_f1": {"value": 0.767 - 0.1, "low": 0.767 - 0.16, "high": 0.767 - 0.04, "n": 300},
        "hierarchy": None,
        "multilabel": None,
        "calibration_error": 0.125,
        "kappa": 0.58,
        "delta_f": None,
        "trusted": None,
        "unanswered": {},
        "accepted": True,
        "seconds": {"train": 60.0, "score": 12.5},
    }
    assert report["models"][2] == {  # type: ignore[index]
        "name": "round-0002",
        "kind": "encoder",
        "round": 2,
        "accepted": True,
        "current": True,
        "created_at": "2026-01-02T03:04:00+00:00",
        "accuracy": {"value": 0.767, "low": 0.767 - 0.05, "high": 0.767 + 0.04, "n": 300},
        "micro_f1": None,
    }


def test_promotions_and_feedback_are_told_apart_from_what_was_bought() -> None:
    history = (result(0, 0.4), result(1, 0.6), replace(result(2, 0.7), feedback=7))
    told = replace(
        run_of(history),
        current_model="round-0001",
        promoted=Promotion("round-0001", "round-0002", MADE),
        feedback={"answers": 8, "wrong": 2},
    )
    report = to_json(told)
    assert report["promoted"] == {"from": "round-0002", "at": "2026-01-02T03:04:00+00:00"}
    assert report["feedback"] == {"answers": 8, "wrong": 2}
    assert report["annotations"] == run_of(history).annotations
    seen = shown(terminal.status_view(told), width=120)
    assert "in place of round-0002, 2026-01-0" in seen
    assert "8 labels by people, not counted in the budget; 2 marked wrong, without a label yet" in seen
    assert "100 + 7" in seen
    text = Page(page.render(told)).text
    assert re.search(r"labelled by people, not counted in the budget\s*8", text)
    assert "100 + 7" in text
    untouched = shown(terminal.status_view(run_of(history[:2])), width=120)
    assert "promoted" not in untouched
    assert "feedback" not in untouched


def test_the_models_table_names_the_current_and_the_rejected() -> None:
    summary = run_of(HISTORIES["a rejected round"])
    seen = shown(tables.models_table(summary.models), width=100)
    rows = {line.split()[0]: line for line in seen.splitlines() if line.startswith("round-")}
    assert "current" in rows["round-0002"]
    assert "76.7 % [71.7, 80.7]" in rows["round-0002"]
    assert "rejected" in rows[next(r.model for r in summary.history if not r.accepted)]
    assert "no round has closed yet" in shown(tables.models_table(()), width=100)


def test_json_knows_no_nan() -> None:
    broken = replace(result(1, math.nan), kappa=math.inf, seconds={"train": math.nan})
    report = to_json(run_of((broken,)))
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["rounds"][0]["accuracy"]["value"] is None  # type: ignore[index]


def with_intervals(figures_of: Figures) -> Figures:
    """The same figures as this version measures them."""
    found = ClassEstimates(*(Estimate(v, v - 0.01, v + 0.02, 300) for v in (0.07, 0.5, 0.25, 0.4)))
    return replace(figures_of, per_class=tuple(replace(row, estimates=found) for row in figures_of.per_class))


def test_figures_of_classes_come_with_their_intervals() -> None:
    before = result(1, 0.8)
    summary = run_of((replace(before, figures=with_intervals(before.figures)),))
    shown_rows = to_json(summary)["classes"]
    assert shown_rows[0] == {  # type: ignore[index]
        "label": "Yogurt",
        "documents": 1,
        "prevalence": {"value": 0.07, "low": 0.07 - 0.01, "high": 0.07 + 0.02, "n": 300},
        "precision": {"value": 0.5, "low": 0.5 - 0.01, "high": 0.5 + 0.02, "n": 300},
        "recall": {"value": 0.25, "low": 0.25 - 0.01, "high": 0.25 + 0.02, "n": 300},
        "f1": {"value": 0.4, "low": 0.4 - 0.01, "high": 0.4 + 0.02, "n": 300},
    }
    text = Page(page.render(summary)).text
    for interval in ("[49, 52]", "[24, 27]", "[39, 42]", "[6.0, 9.0]"):
        assert text.count(interval) == 3
    old = to_json(run_of((before,)))["classes"]
    assert old[0] == {"label": "Yogurt", "documents": 1, **dict.fromkeys(("prevalence", "precision", "recall", "f1"))}  # type: ignore[index]


# The terminal


def test_a_binary_run_shows_its_positive_label() -> None:
    before = result(1, 0.8, labels=("Milk", "other"))
    run = run_of((replace(before, figures=with_intervals(before.figures)),), ("Milk", "other"))
    said = " ".join(shown(terminal.status_view(replace(run, kind="binary"))).split())
    assert "Milk precision 50.0 % [49.0, 52.0], recall 25.0 % [24.0, 27.0] in 1 of 300 F1 40.0 %" in said
    assert "precision" not in shown(terminal.status_view(run))


def test_what_was_left_out_is_said() -> None:
    run = replace(run_of(HISTORIES["zero-shot only"]), left_out=LeftOut(5, 31, 500, 0.132))
    said = (
        "31 of 500 answers are probably wrong, and are left out of training; a model estimates that 13% of all answers "
        "are wrong"
    )
    assert said in " ".join(shown(terminal.status_view(run)).split())
    assert said in Page(page.render(run)).text
    assert to_json(run)["left_out"] == {"round": 5, "documents": 31, "judged": 500, "rate": 0.132}


def test_rounds_table() -> None:
    lines = shown(tables.rounds_table(HISTORIES["a rejected round"])).splitlines()
    rows = [" ".join(line.split()) for line in lines if re.match(r"\d", line)]
    assert rows[0] == "0 round-0000 0 300 40.6 % [35.6, 44.6] – 30.6 % [24.6, 36.6] – 72.5"
    assert rows[1] == "1 round-0001 50 300 30.0 % [25.0, 34.0] -10.6 20.0 % [14.0, 26.0] 0.540 72.5"
    assert rows[2].startswith(
        "2 round-0002 100 300 76.7 % [71.7, 80.7] +36.1"
    )  # against zero-shot: round 1 was rejected
    assert any("against the last accepted model before it" in line for line in lines)
    below = lines[[line.startswith("1 ") for line in lines].index(True) + 1]
    assert below.split() == ["rejected"]
    assert any("n evaluation documents, with 95 % intervals" in line for line in lines)


def test_eighty_columns_cut_no_figure() -> None:
    text = shown(tables.rounds_table(HISTORIES["ten rounds"]), width=80)
    assert "…" not in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.count("[") == 22
    assert "[65.0, 74.0]" in text


@pytest.mark.parametrize("name", HISTORIES)
def test_status_view(name: str) -> None:
    text = shown(terminal.status_view(run_of(HISTORIES[name])))
    assert "food  multiclass, 3 classes  finished: the budget is spent" in text
    assert "260 of 500: 60 seed, 200 query; apart: 300 evaluation; $1.25 in all" in text
    assert "never found  Cheese" in text
    assert "laud evaluate runs/food DATA --label COLUMN" in text
    if HISTORIES[name]:
        assert re.search(r"accuracy \d+\.\d % \[\d+\.\d, \d+\.\d], n = 300", text)


def test_markup_in_names_is_text() -> None:
    summary = replace(run_of((replace(result(0, 0.4), model="[red]m[/red]"),)), name="[bold]x[/bold]")
    text = shown(terminal.status_view(summary))
    assert "[red]m[/red]" in text
    assert "[bold]x[/bold]" in text


def test_figures_table_starts_with_the_weakest() -> None:
    labels = ("good", "bad", "unseen")
    figures_of = result(0, 0.4, labels=labels).figures
    good, bad, unseen = figures_of.per_class
    per_class = (replace(good, f1=0.9), replace(bad, f1=0.2), replace(unseen, support=0, f1=math.nan))
    figures_of = replace(figures_of, per_class=per_class)
    assert [row.label for row in measured(figures_of)] == ["bad", "good"]
    assert unmeasured(figures_of) == ("unseen",)
    text = shown(tables.figures_table(figures_of, limit=1))
    assert re.search(r"bad\s+2\s+50.0 %\s+25.0 %\s+20.0 %", text)
    assert "good" not in text
    assert "1 more classes with higher F1" in text
    assert "1 classes without evaluation documents" in text


def test_curve_puts_rounds_at_their_heights() -> None:
    lines = curve(HISTORIES["a rejected round"], width=60, height=16).splitlines()
    assert lines[0].strip() == "round-0002: accuracy 76.7 % [71.7, 80.7], n = 300, 95 % interval"
    assert "zero-shot 40.6 %" in lines[-1]
    assert all(len(line) <= 60 for line in lines[1:-1])
    dots = {line.index("●"): row for row, line in enumerate(lines[1:-1]) if "●" in line}
    zero_shot, second, third = (row for _, row in sorted(dots.items()))  # rows count downward
    assert third < zero_shot < second
    assert "\033" not in "".join(lines)


def test_the_curve_speaks_of_the_current_model() -> None:
    rejected_last = (*HISTORIES["zero-shot only"], result(1, 0.5), result(2, 0.3, accepted=False))
    assert curve(rejected_last).startswith(" round-0001: accuracy 50.0 %")
    assert curve(rejected_last, current=rejected_last[0]).startswith(" round-0000: accuracy 40.6 %")
    assert "Learning curve: accuracy 50.0 %" in figures.learning_curve(rejected_last, "accuracy")


def test_a_better_model_before_the_current_one_is_named() -> None:
    history = (result(0, 0.4), result(1, 0.8), result(2, 0.9, accepted=False), result(3, 0.7))
    text = shown(terminal.status_view(run_of(history)))
    assert re.search(r"better model\s+round-0001, accuracy 80.0 % \[75.0, 84.0\], n = 300", text)
    assert "better model" not in shown(terminal.status_view(run_of(history[:2])))


def test_the_headline_names_the_positive_label() -> None:
    binary = replace(run_of(()), kind="binary", labels=("Milk", "other"))
    assert "food  binary, positive: Milk  finished" in shown(terminal.status_view(binary))
    assert "binary task, positive: Milk" in Page(page.render(binary)).text


def test_a_stopped_run_says_how_to_go_on() -> None:
    stopped = replace(run_of(HISTORIES["zero-shot only"]), state="stopped", stop_reason=None)
    assert to_json(stopped)["state"] == "stopped"
    assert next_commands(stopped) == (("Resume it", "laud run runs/food/config.yaml"),)
    assert "Resume it" in shown(terminal.status_view(stopped))


def test_errors_of_the_corpus_stand_behind_their_sum() -> None:
    counts = {"documents": 1200, "unique": 1100, "duplicates": 25, "errors": 75, "truncated": 0}
    kinds = {"null text": 74, "empty text": 1}
    assert formatting.corpus_line({**counts, **kinds}) == (
        "1,200 documents, 1,100 unique, 25 duplicates, 75 errors (74 null, 1 empty), 0 truncated"
    )


def test_what_evaluate_shows() -> None:
    seen, rare = result(0, 0.4, labels=("seen", "rare")).figures.per_class
    per_class = (seen, replace(rare, support=0, f1=0.0, predicted=3), replace(rare, label="x", support=0, predicted=0))
    found = LabelledFigures(
        replace(result(0, 0.4).figures, per_class=per_class), {"without a label": 2}, unknown_labels=7
    )
    text = shown(labelled_view(found, "round-0001", "test.csv", binary=False))
    assert text.startswith("round-0001 on test.csv, 300 documents\n")
    assert "1 class was only predicted and counts 0 in macro-F1" in " ".join(text.split())
    assert "7 documents have a label that is not the task's: counted as wrong answers, not as classes" in text
    assert "counted as other" in shown(labelled_view(found, "round-0001", "test.csv", binary=True))
    report = labelled_json(found, "round-0001")
    assert (report["n"], report["skipped"], report["unknown_labels"]) == (300, 2, 7)
    assert report["left_out"] == {"without a label": 2}
    assert report["legibility"] is None
    foreign = replace(found, legibility=Legibility(10, 9, 100, 60))
    assert "60 % of the tokens" in shown(labelled_view(foreign, "round-0001", "test.csv", binary=False))
    assert "multilingual" in str(labelled_json(foreign, "round-0001")["legibility"])
    flat = " ".join(text.split())
    assert (
        "accuracy 40.0 % [35.0, 44.0], n = 300 of 302 rows, 2 are left out: 2 without a label; macro-F1 30.0 %" in flat
    )
    assert "accuracy 40.0 % [35.0, 44.0], n = 300; macro-F1" in shown(
        labelled_view(replace(found, left_out={}), "round-0001", "test.csv", binary=False)
    )


SHORT = "n = 280 of 300 sampled documents; 20 have no answer: 14 abstained, 6 pending"


def short(number: int, **more: object) -> RoundResult:
    """A round of whose sample 20 documents have no answer."""
    whole = result(number, 0.8)
    measured = replace(whole.figures, n=280, unanswered={"abstained": 14, "pending": 6}, **more)
    return replace(whole, figures=replace(measured, accuracy=replace(measured.accuracy, n=280)))


def test_figures_say_what_they_leave_out_wherever_they_stand() -> None:
    history = (result(0, 0.4), short(1))
    seen = " ".join(shown(terminal.status_view(run_of(history))).split())
    assert f"accuracy 80.0 % [75.0, 84.0], {SHORT}" in seen
    assert f"round 1: {SHORT}" in " ".join(shown(tables.rounds_table(history)).split())
    text = " ".join(Page(page.render(run_of(history))).text.split())
    assert "Of the sampled documents, 20 have no answer: 14 abstained, 6 pending." in text
    assert text.count(SHORT) == 3
    rounds = to_json(run_of(history))["rounds"]
    assert [one["unanswered"] for one in rounds] == [{}, {"abstained": 14, "pending": 6}]
    figures_of = history[1].figures
    bought = Bought("round-0001", figures_of, 3, 0, "", False, ("accuracy", figures_of.accuracy), None, None)
    assert SHORT in " ".join(shown(bought_view(bought)).split())
    assert bought_json(bought)["unanswered"] == {"abstained": 14, "pending": 6}
    assert round_results.from_json(asdict(history[1])) == history[1]


def test_an_encoder_that_does_not_read_the_texts_is_said_wherever_figures_stand() -> None:
    foreign = Legibility(texts=100, unread=73, tokens=1000, unknown=310)
    run = replace(run_of((result(0, 0.31),)), legibility=foreign)
    words = (
        "31 % of the tokens of these texts are unknown to this encoder, and 73 % of the texts have at least a quarter "
        "of such tokens: the encoder does not support this script; choose a multilingual encoder (zero_shot.model, "
        "learner.model)"
    )
    assert words in " ".join(shown(terminal.status_view(run)).split())
    assert words in Page(page.render(run)).text
    found = to_json(run)["legibility"]
    assert found == {"texts": 100, "unknown_tokens": 0.31, "unread_tokens": 0.31, "unread_texts": 0.73, "remark": words}
    fine = replace(run, legibility=Legibility(texts=100, tokens=1000, unknown=9))
    assert "multilingual" not in shown(terminal.status_view(fine)) + page.render(fine)
    assert to_json(run_of(()))["legibility"] is None


def test_what_is_left_out_of_trusted_answers_and_of_what_could_not_be_scored() -> None:
    assert formatting.measured_on(short(1, trusted=90).figures) == (
        "n = 280; 20 have no trusted answer: 14 abstained, 6 pending"
    )
    one = replace(result(1, 0.5).figures, unanswered={"not scored": 1})
    assert formatting.measured_on(one) == "n = 300 of 301 sampled documents; 1 is left out: 1 not scored"


def test_curve_compares_with_random_queries() -> None:
    random = (result(0, 0.406), result(1, 0.5), result(2, 0.55))
    text = curve(HISTORIES["a rejected round"], random)
    assert "x random queries 55.0 %" in text
    assert "x" in "".join(text.splitlines()[1:-1])


def test_curve_without_rounds() -> None:
    assert curve(()) == "No round has closed yet."
    assert "zero-shot 40.6 %" in curve(HISTORIES["zero-shot only"])


# Words and numbers


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(8.13, "8.1 s"), (59.97, "1 min 00 s"), (125, "2 min 05 s"), (12000, "3 h 20 min"), (math.nan, "–")],
)
def test_duration(seconds: float, text: str) -> None:
    assert formatting.duration(seconds) == text


def test_numbers() -> None:
    assert formatting.percent(0.7666) == "76.7 %"
    assert formatting.points(-0.0123) == "-1.2"
    assert formatting.dollars(0.0123) == "$0.0123"
    assert formatting.dollars(1234.5) == "$1,234.50"
    assert formatting.interval(Estimate(0.5, math.nan, 0.6, 3)) == "[–, –]"


def test_commands_quote_the_storage() -> None:
    waiting = replace(run_of(()), state="waiting", storage="my runs/food")
    assert next_commands(waiting) == (("Resume it when the oracle can answer", "laud run 'my runs/food/config.yaml'"),)


def test_the_report_needs_neither_ray_nor_torch() -> None:
    code = (
        "import sys, laud_ray.report.run.page, laud_ray.report.run.terminal\n"
        "print(sorted({'ray', 'torch', 'transformers', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Asking again, and agreement


def disagreeing() -> RunSummary:
    return replace(
        run_of(HISTORIES["ten rounds"]),
        annotations={"seed": 60, "query": 200, "audit": 40, "evaluation": 300, "abstained": 9},
        audit=AuditShown(40, 17, (DisputeShown("d9", HOSTILE, (("llm:m", "Milk"), ("expert", "Cheese"))),)),
        agreement=Agreement(
            41, 0.4567, (PairAgreement("expert", "llm:m", 41, 0.61, 0.5432),), (Confused("Cheese", "Milk", 7),)
        ),
    )


def test_agreement_and_audit_are_said_in_words() -> None:
    summary = disagreeing()
    assert summary.spent == 300
    text = " ".join(shown(terminal.status_view(summary), width=200).split())
    assert "300 of 500: 60 seed, 200 query, 40 asked again" in text
    assert "40 further answers, which changed 17 labels; 1 document in dispute, to be settled by a third answer" in text
    assert "Krippendorff's alpha 0.457 on 41 documents with several answers; most of these had doubtful answers" in text
    assert "expert and llm:m: 61.0 % the same, Cohen's kappa 0.543, n = 41" in text
    assert "Cheese or Milk: 7 documents got both" in text
    rendered_page = Page(page.render(summary))
    assert "Do the annotators agree?" in rendered_page.text
    assert "expert : Cheese" in rendered_page.text or "expert: Cheese" in rendered_page.text
    assert "img" not in [tag for tag, _ in rendered_page.tags]


def test_agreement_and_audit_in_json() -> None:
    found = json.loads(json.dumps(to_json(disagreeing()), allow_nan=False))
    assert found["audit"] == {
        "answered": 40,
        "changed": 17,
        "disputed": [{"id": "d9", "said": [["llm:m", "Milk"], ["expert", "Cheese"]]}],
    }
    assert found["agreement"] == {
        "documents": 41,
        "alpha": 0.4567,
        "pairs": [{"one": "expert", "other": "llm:m", "n": 41, "share": 0.61, "kappa": 0.5432}],
        "confused": [{"label": "Cheese", "other": "Milk", "documents": 7}],
    }
    without = to_json(run_of(HISTORIES["ten rounds"]))
    assert (without["audit"], without["agreement"]) == (None, None)
    assert "Do the annotators agree?" not in rendered("ten rounds")


def test_updates_are_a_timeline() -> None:
    source = "names/<night>.parquet"
    generations = tuple(
        Updated(number, source, MADE, 1000 * number, "decided" if number == 3 else "quiet", "round-0002")
        for number in (2, 3)
    )
    told = tuple(
        Evidence(number, test, len(test) - 2.5 * number, "{}", alarm=number == 3 and test == "novelty")
        for number in (2, 3)
        for test in ("confidence", "labels", "novelty")
    )
    decision = Decision(3, 2, "round-0002", "promote", "promote: better on <new> documents", MADE)
    known = {1: Estimate(0.91, 0.87, 0.94, 300), 3: Estimate(0.72, 0.58, 0.83, 50)}
    summary = run_of(HISTORIES["a rejected round"])
    shown = page.render(replace(summary, updates=UpdatesShown(generations, told, (decision,), known)))
    section = shown[shown.index("<h2>Updates</h2>") :].split("</section>")[0]
    assert section.count("alarm</span>") == 1
    assert "promote: better on &lt;new&gt; documents" in section
    assert "91.0 % <small>" in section
    assert section.count("<svg") == 2
    assert section.count("–</td>") == 1  # generation 2 has no answers
    assert "<h2>Updates</h2>" not in page.render(summary)


def test_an_alarm_calls_for_a_person_until_it_is_settled() -> None:
    generation = Updated(2, "names.parquet", MADE, 1000, "decided", "round-0002")
    alarm = Alarm((2,), ("novelty",), "round-0002", MADE.isoformat(), "generation 2 raised <an> alarm", "round-0003")
    summary = replace(run_of(HISTORIES["a rejected round"]), state="finished", storage="runs/food")
    called = replace(summary, updates=UpdatesShown((generation,), (), (), alarm=alarm))
    assert [command for _, command in next_commands(called)][:2] == [
        "laud promote runs/food round-0003",
        "laud update runs/food --acknowledge",
    ]
    assert "generation 2 raised &lt;an&gt; alarm" in page.render(called)
    assert shown(terminal.status_view(called), width=200).count("a person must decide") == 1
    told = to_json(called)["alarm"]
    assert isinstance(told, dict)
    assert (told["open"], told["kept"]) == (True, "round-0003")
    settled = replace(called, updates=UpdatesShown((generation,), (), (), alarm=replace(alarm, settled="acknowledged")))
    assert "a person must decide" not in page.render(settled) + shown(terminal.status_view(settled), width=200)
    assert next_commands(settled) == next_commands(summary)
