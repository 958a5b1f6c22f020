"""What a person sees while a run goes, on a terminal and in a file."""

import io
import time
from pathlib import Path

import pytest
from rich.console import Console

from laud_ray import config
from laud_ray.cli.console import Show
from laud_ray.loop import Event
from laud_ray.store.run import claim
from laud_ray.types import Estimate, Figures, RoundResult


@pytest.fixture
def storage(tmp_path: Path) -> str:
    """A run that has closed two rounds: zero-shot and one more."""
    settings = config.parse(f"""
task: {{name: drinks, labels: [Tea, Coffee]}}
corpus: {{path: drinks.csv, text: text}}
storage: {tmp_path / "run"}
oracle: {{kind: replay, label: label}}
""")
    figure = Estimate(0.5, 0.4, 0.6, 20)
    with claim(settings) as folder:
        for number, model in enumerate(("zero-shot", "round-0001")):
            measured = Figures(20, figure, figure, 0.1, ())
            folder.store.close_round(
                RoundResult(number, model, number, 500, 90, measured, None, True, {}), "linear", None
            )
    return str(tmp_path / "run")


EVENTS = (
    Event("begin", "score", 2),
    Event("progress", "score", 2, 10, 40),
    Event("note", "score", 2, note="a remark"),
    Event("end", "score", 2, seconds=2.0),
)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_step_from_its_beginning_to_its_end(storage: str, terminal: bool) -> None:
    out = io.StringIO()
    show = Show(Console(file=out, force_terminal=terminal, width=200, highlight=False), storage)
    assert out.getvalue() == ""
    for event in EVENTS:
        show(event)
    text = out.getvalue()
    assert "1 round is closed." in text
    assert text.count("Resuming") == 1
    assert "[round 2] scoring every document: 10 documents in 2.0 s, 5/s" in text
    assert "note: a remark" in text
    assert ("\x1b" in text) == terminal


def test_no_rate_is_zero_and_none_counts_what_was_done_before(monkeypatch: pytest.MonkeyPatch) -> None:
    now, out = [0.0], io.StringIO()
    monkeypatch.setattr("laud_ray.cli.console.time.monotonic", lambda: now[0])
    show = Show(Console(file=out, force_terminal=False, width=200), None)
    show(Event("begin", "relabel", 0))
    for at, done in ((1.0, 900), (60.0, 900), (80.0, 920), (90.0, 932), (100.0, 1900)):
        now[0] = at
        show(Event("progress", "relabel", 0, done, 2000))
    show(Event("end", "repeats", 0, total=4, seconds=40.0))
    said = [line.strip() for line in out.getvalue().splitlines()]
    # While the model loads, nothing is done and nothing said.
    assert [line.rpartition(",")[0] for line in said[:3]] == [
        "920 of 2,000, 0.25 rows/s",
        "932 of 2,000, 0.36 rows/s",
        "1,900 of 2,000, 10 rows/s",
    ]
    assert said[3].endswith(": 4 documents in 40.0 s, 0.1/s")


def test_a_pass_that_goes_on_counts_and_times_only_what_it_did_itself() -> None:
    out = io.StringIO()
    show = Show(Console(file=out, force_terminal=False, width=200), None)
    show(Event("begin", "score", 5))
    for done in (6000, 7000):
        show(Event("progress", "score", 5, done, 7000))
    show(Event("end", "score", 5, seconds=2.0))
    assert out.getvalue().strip() == "scoring every document: 1,000 of 7,000 documents in 2.0 s, 500/s"


def test_an_interrupted_step_leaves_no_bar_behind(storage: str) -> None:
    out = io.StringIO()
    with Show(Console(file=out, force_terminal=True, width=100), storage) as show:
        show(EVENTS[0])
        show(EVENTS[1])
    written = out.getvalue()
    assert "[round 2] scoring every document" in written
    time.sleep(0.3)  # longer than a bar stays as it is
    assert out.getvalue() == written
