"""Trusted answers for a part of the evaluation sample: drawn at random, bought once, and never taken for others."""

import json
from pathlib import Path
from typing import Any

import pytest

from laud_ray import cli, config
from laud_ray.config import RunConfig
from laud_ray.data.sharding.normalise import normalise
from laud_ray.errors import ConfigError, RunError
from laud_ray.evaluation import trusted
from laud_ray.evaluation.buy import buy
from laud_ray.evaluation.measure import evaluate_round, evaluation_answers
from laud_ray.evaluation.trusted import oracle_error
from laud_ray.events import Event, Observer
from laud_ray.planning import plan
from laud_ray.report.run.json_form import to_json
from laud_ray.report.run.page import render
from laud_ray.report.run.read import read
from laud_ray.steps.annotation.annotate import annotate
from laud_ray.steps.annotation.answers import spent
from laud_ray.steps.close import close
from laud_ray.steps.sample import draw_evaluation, trust
from laud_ray.steps.start import start
from laud_ray.store import rechecks
from laud_ray.store.run import RunFolder, claim, look_at
from laud_ray.types import Figures
from tests.rare import truth, write_catalog, write_scores

SIZE, TRUSTED = 300, 60
REPLAY = {"kind": "replay", "label": "label"}


def settings(place: Path, **evaluation: object) -> dict[str, Any]:
    chosen = {"size": SIZE, "stop_set": 20, "oracle": REPLAY, "trusted": TRUSTED, **evaluation}
    return {
        "task": {"name": "x", "kind": "binary", "labels": ["Tea", "Soap"]},
        "corpus": {"path": str(place / "names.parquet"), "text": "text", "id": "id"},
        "storage": str(place / "run"),
        "learner": {"kind": "linear"},
        "oracle": {**REPLAY, "noise": 0.15},
        "evaluation": {name: value for name, value in chosen.items() if value is not None},
    }


@pytest.fixture
def run(tmp_path: Path) -> RunConfig:
    write_catalog(tmp_path / "names.parquet")
    return config.parse(json.dumps(settings(tmp_path)))


def score(folder: RunFolder) -> None:
    """Make up what the zero-shot pass leaves."""
    corpus = normalise(folder.config.corpus, folder.corpus, sealed="label")
    write_scores(corpus, folder.scores(0), 0, folder.config.task.to_task().names)


def first_round(folder: RunFolder, observer: Observer = lambda event: None) -> Figures:
    """Do what the loop does between the zero-shot pass and the seed; it needs no Ray."""
    if not folder.store.queries():
        score(folder)
    work = start(folder, observer)
    draw_evaluation(work)
    trusted.choose_first(folder.store, folder.config)
    annotate(work, "evaluation", 0)
    trust(work)
    if not folder.store.history():
        close(work, 0)
    return folder.store.history()[0].figures


def chosen(folder: RunFolder) -> set[str]:
    return set(rechecks.trusted_answers(folder.store.engine))


def test_a_part_of_each_stratum_is_chosen_once_and_before_anything_is_asked(run: RunConfig) -> None:
    with claim(run) as folder:
        score(folder)
        draw_evaluation(start(folder, lambda event: None))
        trusted.choose_first(folder.store, run)
        once = chosen(folder)
        trusted.choose_first(folder.store, run)
        assert once == chosen(folder)
        assert len(once) == TRUSTED
        drawn = folder.store.sample("evaluation")
        for stratum in {one.stratum for one in drawn}:
            there = {one.document_id for one in drawn if one.stratum == stratum}
            distinct = len({one.document_id for one in drawn})
            assert len(once & there) == pytest.approx(TRUSTED * len(there) / distinct, abs=2)
        assert folder.store.counts()["evaluation"] == 0


def test_a_kill_between_two_answers_buys_nothing_twice(run: RunConfig) -> None:
    def dies(event: Event) -> None:
        if (event.kind, event.step) == ("progress", "annotate") and event.total == TRUSTED:
            raise KeyboardInterrupt

    with claim(run) as folder:
        with pytest.raises(KeyboardInterrupt):
            first_round(folder, dies)
        half = folder.store.counts()
        before = chosen(folder)
        figures = first_round(folder)
        counts = folder.store.counts()
        assert 0 < half["trusted"] <= TRUSTED == counts["trusted"]
        assert chosen(folder) == before
        # Neither audits nor the budget know of them, and nothing of them is settled into what trains.
        assert (counts["audit"], spent(start(folder, lambda event: None))) == (0, 0)
        assert rechecks.opinions(folder.store.engine) == []
        assert rechecks.asked_in(folder.store.engine) == 0
        assert rechecks.pending(folder.store.engine, 0) == []
        assert counts["evaluation"] == len(folder.store.queries("evaluation"))
        assert (figures.n, figures.trusted) == (SIZE, pytest.approx(TRUSTED, abs=10))


def test_figures_are_about_the_trusted_answers(run: RunConfig) -> None:
    with claim(run) as folder:
        found = first_round(folder)
        cheap = evaluation_answers(folder.store)
        error = oracle_error(folder.store, folder.config.task.to_task(), seed=0)
        assert error is not None
        assert error.figures.n == found.trusted
        asked = chosen(folder)
        wrong = sum((cheap[name] == "Tea") != truth(int(name[1:])) for name in asked)
        assert wrong > 0
        assert 0.7 < error.figures.accuracy.value < 1
        assert [(one.label, one.other, one.count) for one in error.confused] == [("Tea", "other", wrong)]
        # 15 % of what is not tea is called tea: by its word prevalence would be about 20 %, where it is 7 %.
        prevalence = found.per_class[0].estimates
        assert prevalence is not None
        assert prevalence.prevalence.low < 1 / 15 < prevalence.prevalence.high < 0.2


def test_what_the_oracle_errs_in_is_said(run: RunConfig, capsys: pytest.CaptureFixture[str]) -> None:
    with claim(run) as folder:
        first_round(folder)
    with look_at(run.storage) as folder:
        summary = read(folder)
    said = json.loads(json.dumps(to_json(summary), allow_nan=False))
    assert said["annotations"]["trusted"] == TRUSTED
    assert said["rounds"][0]["trusted"] == said["oracle_error"]["agreement"]["n"]
    assert {row["label"] for row in said["oracle_error"]["per_class"]} == {"Tea", "other"}
    page = render(summary)
    assert "Is the oracle right?" in page
    assert "agrees with the trusted oracle on" in page
    cli.main(["status", run.storage])
    text = " ".join(capsys.readouterr().out.split())
    assert "agrees with the trusted oracle on" in text
    assert "its recall of other is" in text
    assert f"evaluation and {TRUSTED} trusted" in text


def test_a_purchase_buys_trusted_answers_until_all_documents_have_one(run: RunConfig) -> None:
    def dies(event: Event) -> None:
        if event.kind == "progress":
            raise KeyboardInterrupt

    with claim(run) as folder:
        before = first_round(folder)
        was = chosen(folder)
        with pytest.raises(KeyboardInterrupt):
            buy(folder, 100, observer=dies)
        found = buy(folder, 5)
        assert found.resumed
        assert len(chosen(folder)) == folder.store.counts()["trusted"] == TRUSTED + 100
        assert was < chosen(folder)
        assert found.figures.accuracy.high - found.figures.accuracy.low < before.accuracy.high - before.accuracy.low
        enough = buy(folder, 50, width=0.9)
        assert (enough.bought, enough.resumed) == (0, False)
        rest = buy(folder, 10_000)
        assert rest.bought == len(folder.store.queries("evaluation")) - TRUSTED - 100
        assert len(folder.store.sample("evaluation")) == SIZE
        with pytest.raises(RunError, match="was already asked about all"):
            buy(folder, 1)
        assert evaluate_round(folder, 0).trusted == SIZE


@pytest.mark.parametrize(
    ("evaluation", "message"),
    [
        ({"oracle": None}, "trusted: 60 has no oracle; expected evaluation.oracle"),
        ({"trusted": 301}, "trusted: 301 is not valid; expected at most evaluation.size, 300"),
        ({"oracle": {**REPLAY, "noise": 0.15}}, "is the same as `oracle`; expected a more trusted one"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path: Path, evaluation: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        config.parse(json.dumps(settings(tmp_path, **evaluation)))
    assert "\n" not in str(caught.value)


def test_both_oracles_are_asked_and_priced(run: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(run.asked_oracles()) == ["oracle", "evaluation.oracle"]
    assert run.evaluation_oracle() == ("oracle", run.oracle)
    monkeypatch.setattr(plan, "find_device", lambda gpu: plan.Device("test", 1e12, 80e9))
    steps = {step.name: step.calls for step in plan.plan(run).steps}
    assert (steps["evaluation"], steps["evaluation, trusted"]) == (SIZE, TRUSTED)
