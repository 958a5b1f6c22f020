"""The people of a run, in the terminal, in JSON and on the page."""

import json
from dataclasses import replace

from laud_ray.quality.anchoring import Anchoring
from laud_ray.quality.annotators import Annotator, PeopleFigures
from laud_ray.quality.raters import Agreement, Confused
from laud_ray.report.run.json_form import to_json
from laud_ray.report.run.page import render
from laud_ray.report.run.people import people_lines, waiting_line
from laud_ray.report.run.summary import next_commands
from laud_ray.types import Estimate
from tests.unit.report.test_report import run_of

ANN = Annotator("<ann>", 120, 3, Estimate(0.93, 0.85, 0.98, 40), 12, 11, 4.2, 4.9, 6, (Confused("tea", "milk", 4),))
BOB = Annotator("bob", 1, 0, None, 0, 0, None, 0.0, 0, ())
PEOPLE = PeopleFigures(
    open=7,
    disputed=2,
    done=114,
    votes=121,
    late=1,
    annotators=(ANN, BOB),
    anchoring=Anchoring(Estimate(0.05, -0.01, 0.11, 121), Estimate(0.2, 0.1, 0.3, 121), 109, 12),
    agreement=Agreement(15, 0.81, (), ()),
    dollars=4.9,
)


def test_people_are_described_in_sentences() -> None:
    lines = [text for _, text in people_lines(PEOPLE)]
    assert lines == [
        "114 questions answered, 7 open, 2 with different answers wait for an adjudicator; 1 answers came after their "
        "question was settled; $4.90 for the time",
        "<ann>: 120 answers, 3 without a label, median 4.2 s, accuracy 93.0 % [85, 98], n = 40, 11 of 12 known answers "
        "right, 6 answers in a row in under a second each",
        "bob: 1 answer, accuracy not known: no known answers and no questions answered twice",
        "Krippendorff's alpha 0.810 on 15 questions drawn at random for two people",
        "shown suggestions are followed +5.0 points more often than hidden ones are met [-1.0, +11.0], and save 20.0 % "
        "[10, 30] of time; 109 shown, 12 hidden",
    ]


def test_json_and_page_hold_the_same() -> None:
    run = replace(run_of(()), asks_people=True, people=PEOPLE)
    found = json.loads(json.dumps(to_json(run)))["people"]
    assert (found["open"], found["annotators"][0]["accuracy"]["n"], found["suggestions"]["hidden"]) == (7, 40, 12)
    page = render(run)
    assert "&lt;ann&gt;" in page
    assert "wait for an adjudicator" in page
    assert json.loads(json.dumps(to_json(run_of(()))))["people"] is None


def test_the_page_says_what_people_have_to_answer() -> None:
    waiting = replace(run_of(()), state="waiting", stop_reason=None, asks_people=True, people=PEOPLE)
    assert waiting_line(PEOPLE) in render(waiting)
    over = replace(waiting, people_over="the answers of people have cost $5.00 of max_dollars: 5")
    assert "The answers of people have cost $5.00 of max_dollars: 5." in render(over)
    answered = replace(waiting, people=replace(PEOPLE, open=0, disputed=0))
    assert "All questions are answered" in render(answered)
    assert [command for _, command in next_commands(answered)] == [f"laud run {answered.storage}/config.yaml"]
    assert "laud annotate" in next_commands(replace(waiting, state="running"))[0][1]
