"""What each oracle of a run is worth: read from runs whose answers are known, by hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from laud_ray import cli, config
from laud_ray.evaluation.trusted import oracle_error
from laud_ray.people import questions, votes
from laud_ray.people.votes import Vote
from laud_ray.report.oracle.json_form import oracle_json
from laud_ray.report.oracle.members import members
from laud_ray.report.oracle.page import OraclePage, OracleShown
from laud_ray.report.oracle.read import read_page
from laud_ray.report.oracle.sections import not_tested, sections
from laud_ray.report.run.page import render
from laud_ray.report.run.read import read
from laud_ray.report.section import Section
from laud_ray.store.ledger import Answer, Call, Caps, Ledger
from laud_ray.store.rechecks import SecondQuery, add, record
from laud_ray.store.run import claim, look_at
from laud_ray.store.store import Query
from laud_ray.types import Annotation, Document
from tests.asking import run_with
from tests.endpoint import Reply, chat, endpoint, refusal
from tests.postgres import Server
from tests.rare import truth, write_catalog
from tests.unit.evaluation.test_trusted import REPLAY, first_round

SIZE, TRUSTED = 120, 60
IN, OUT = 1.0, 5.0
CALL = (100 * IN + 2 * OUT) / 1e6


def asked_about(body: dict[str, Any]) -> int:
    """The number of the product that a prompt is about."""
    return int(body["messages"][0]["content"].rsplit("<text>\n", 1)[1].split("\n</text>")[0].split()[1])


def right_answer(number: int) -> str:
    return "A" if truth(number) else "B"


def made(place: Path, script: Callable[[dict[str, Any], int], Reply | None], **changed: object) -> str:
    """A run that has measured zero-shot, with a model at an endpoint as its oracle, and a column as the trusted one."""
    write_catalog(place / "names.parquet")
    with endpoint(script) as server:
        llm = {"kind": "llm", "engine": "openai", "model": "m", "base_url": server.url, "retries": 0}
        llm |= {"input_price": IN, "output_price": OUT, **changed}
        settings = {
            "task": {"name": "x", "kind": "binary", "labels": ["Tea", "Soap"]},
            "corpus": {"path": str(place / "names.parquet"), "text": "text", "id": "id"},
            "storage": str(place / "run"),
            "learner": {"kind": "linear"},
            "oracle": {"kind": "cascade", "oracles": [llm, REPLAY]} if llm.pop("cascade", False) else llm,
            "evaluation": {"size": SIZE, "stop_set": 20, "stratify": False, "oracle": REPLAY, "trusted": TRUSTED},
        }
        with claim(config.parse(json.dumps(settings))) as folder:
            first_round(folder)
    return str(place / "run")


def page_of(run: str, **options: float) -> OraclePage:
    with look_at(run) as folder:
        found = read_page(folder, **options)
    assert found is not None
    return found


def named(page: OraclePage, name: str) -> OracleShown:
    return next(one for one in page.oracles if one.name == name)


def mixed(body: dict[str, Any], before: int) -> Reply:
    """A model that is unsure of some names, cannot be read about others, and errs in a tenth."""
    number = asked_about(body)
    if number % 10 == 3:
        return chat("C", probability=0.9)
    if number % 10 == 5:
        return chat("hm")
    wrong = number % 10 == 7
    return chat("AB"[truth(number) == wrong], probability=0.55 if number % 10 == 9 else 0.7 if wrong else 0.95)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    return made(tmp_path_factory.mktemp("mixed"), mixed, threshold=0.6)


def test_answers_calls_and_dollars_are_counted(run: str) -> None:
    with look_at(run) as folder:
        asked = [int(a.query.document.text.split()[1]) for a in folder.store.queries("evaluation")]
    last = [number % 10 for number in asked]
    unread, unsure, below = last.count(5), last.count(3), last.count(9)
    llm = named(page_of(run), "llm:m")
    assert llm.counts.answers == llm.counts.random == len(asked)
    assert dict(llm.counts.abstained) == {"unsure": unsure, "below": below, "unread": unread}
    assert llm.counts.labels == len(asked) - unread - unsure - below
    assert llm.calls is not None
    assert (llm.calls.total, llm.calls.unread) == (len(asked) + unread, 2 * unread), "unreadable ones are asked again"
    assert (llm.calls.failed, llm.calls.lost, llm.calls.uncertain) == (0, 0, 0)
    assert llm.dollars == llm.calls.dollars == pytest.approx(CALL * llm.calls.total)
    replay = named(page_of(run), "replay")
    assert (replay.trusted, replay.counts.answers, replay.dollars, replay.calls) == (True, TRUSTED, None, None)
    assert replay.unpriced == "a column of labels has no price"


def test_prices_are_of_random_documents_and_of_right_labels(run: str) -> None:
    llm = named(page_of(run), "llm:m")
    assert llm.accuracy is not None
    assert llm.accuracy.powered
    estimate = llm.accuracy.estimate
    assert estimate.low < 8 / 9 < estimate.high
    dollars = llm.dollar_price
    assert dollars is not None
    assert dollars.per_right is not None
    assert dollars.effective is not None
    # Rows with the same text count as often as the sample has them: close to the plain quotient.
    assert dollars.per_label == pytest.approx((llm.dollars or 0) / llm.counts.labels, rel=0.05)
    assert dollars.per_right.value == pytest.approx(dollars.per_label / estimate.value)
    assert dollars.per_right.high == pytest.approx(dollars.per_label / estimate.low)
    assert dollars.effective.value == pytest.approx(dollars.per_label / (1 - 2 * (1 - estimate.value)) ** 2)
    assert llm.second_price is not None
    assert llm.seconds is not None


def test_confidence_and_confusions_are_by_trusted_labels(run: str) -> None:
    page = page_of(run, wanted=0.8)
    llm = named(page, "llm:m")
    assert {(pair.label, pair.other) for pair in llm.confused} <= {("Tea", "other"), ("other", "Tea")}
    found = llm.calibration
    assert found is not None
    assert found.curve[-1].accuracy == 1, "all that it is sure of is right"
    assert found.alone is not None
    assert found.alone.threshold <= 0.95
    assert found.n > (0 if llm.accuracy is None else llm.accuracy.trusted), "answers below the threshold count too"


def test_the_agreement_is_that_of_the_status(run: str) -> None:
    with look_at(run) as folder:
        error = oracle_error(folder.store, folder.config.task.to_task(), seed=0)
    agreement = page_of(run).agreement
    assert error is not None
    assert agreement is not None
    (pair,) = agreement.pairs
    assert (pair.one, pair.other, pair.kappa) == ("llm:m", "replay", pytest.approx(error.kappa))


def test_the_best_mix_needs_both_prices(run: str) -> None:
    unknown = page_of(run)
    assert unknown.split is not None
    assert (unknown.split.worth, unknown.people) == (None, None)
    assert unknown.split.break_even > 1
    stated = page_of(run, people=0.5)
    assert stated.split is not None
    assert stated.split.worth is True
    assert dict(stated.split_prices) == {"oracle": pytest.approx(CALL, rel=0.2), "evaluation.oracle": 0.5}


def test_everything_right_makes_a_right_label_cost_what_an_answer_does(tmp_path: Path) -> None:
    run = made(tmp_path, lambda body, before: chat(right_answer(asked_about(body)), probability=0.9))
    llm = named(page_of(run), "llm:m")
    assert llm.accuracy is not None
    assert llm.accuracy.estimate.value == 1
    assert llm.dollar_price is not None
    assert llm.dollar_price.per_right is not None
    assert llm.dollar_price.effective is not None
    assert llm.dollar_price.per_right.value == pytest.approx(CALL)
    assert llm.dollar_price.effective.value == pytest.approx(CALL)
    assert llm.dollars == pytest.approx(CALL * llm.counts.answers)


def test_calls_that_failed_are_counted_and_so_is_what_they_may_have_cost(tmp_path: Path) -> None:
    """A document is refused: no label and no charge. A connection breaks: it may have been charged."""

    def script(body: dict[str, Any], before: int) -> Reply:
        number = asked_about(body)
        if number % 10 == 2:
            return refusal(400, "the content is not allowed")
        if number % 10 == 4 and before == 0:
            return Reply(body="not JSON")
        return chat(right_answer(number), probability=0.9)

    run = made(tmp_path, script, retries=2)
    with look_at(run) as folder:
        last = [int(a.query.document.text.split()[1]) % 10 for a in folder.store.queries("evaluation")]
    llm = named(page_of(run), "llm:m")
    assert dict(llm.counts.abstained) == {"refused": last.count(2)}
    assert llm.calls is not None
    assert llm.calls.billed == last.count(4)
    assert llm.calls.failed >= last.count(4) + last.count(2)
    assert llm.calls.uncertain > 0
    assert llm.dollars == pytest.approx(CALL * llm.calls.answered + llm.calls.uncertain)
    text = " ".join(line for one in sections(page_of(run)) for line in one.lines)
    assert f"{last.count(4)} of these may have been billed" in text


def test_without_a_price_dollars_are_unknown(tmp_path: Path) -> None:
    run = made(tmp_path, mixed, input_price=0, output_price=0)
    page = page_of(run)
    llm = named(page, "llm:m")
    assert (llm.dollars, llm.dollar_price) == (None, None)
    assert llm.second_price is not None
    assert llm.unpriced is not None
    assert "set input_price and output_price" in llm.unpriced
    (row,) = [row for row in sections(page)[0].rows if row[0] == "llm:m"]
    assert "unknown" in row
    found = oracle_json(page)["oracles"]
    assert isinstance(found, list)
    assert found[0]["dollars"] is None
    assert found[0]["price"]["dollars"] is None
    assert found[0]["calls"]["dollars"] is None


def test_members_of_a_cascade_are_apart(tmp_path: Path) -> None:
    run = made(tmp_path, mixed, threshold=0.6, cascade=True)
    page = page_of(run)
    whole, llm, replay = (named(page, name) for name in ("cascade", "llm:m", "replay"))
    assert replay.trusted
    assert replay.places == ("oracle.oracles[1]", "evaluation.oracle"), "the same settings are one oracle"
    assert whole.counts.labels == whole.counts.answers == llm.counts.answers
    assert replay.counts.answers == whole.counts.answers - llm.counts.labels + TRUSTED
    assert llm.accuracy is not None
    assert whole.accuracy is not None
    assert whole.accuracy.estimate.value > llm.accuracy.estimate.value
    assert (whole.dollars, whole.unpriced) == (None, "one of its members has no price")
    assert llm.dollars is not None
    agreement = page.agreement
    assert agreement is not None
    assert {(pair.one, pair.other) for pair in agreement.pairs} == {("llm:m", "replay"), ("cascade", "replay")}
    assert "cascade: replay, one of its members, is the trusted oracle, so its answers are compared" in told(page)


def told(page: OraclePage) -> str:
    return " ".join(line for section in sections(page) for line in section.lines)


def test_figures_without_examples_say_so(tmp_path: Path) -> None:
    assert "llm:m: its prompts show up to 3 annotated examples, but it was asked about the evaluation sample" in told(
        page_of(made(tmp_path, mixed, examples=3))
    )


def test_the_text_the_page_and_the_json_hold_the_same(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["oracle", run, "--json", "--accuracy", "80%"])
    found = json.loads(capsys.readouterr().out)
    llm, replay = found["oracles"]
    assert (llm["name"], replay["trusted"], found["trusted"]) == ("llm:m", True, TRUSTED)
    assert llm["confidence"]["wanted"] == 0.8
    assert llm["price"]["dollars"]["per_right_label"]["value"] > llm["price"]["dollars"]["per_label"]
    cli.main(["oracle", run, "--accuracy", "0.8"])
    text = " ".join(capsys.readouterr().out.split())
    assert "replay is the trusted oracle" in text
    assert "Not tested" in text
    for line in found["not_tested"]:
        assert line in text
    with look_at(run) as folder:
        html = render(read(folder), sections(page_of(run)))
    assert "What each oracle is worth" in html
    assert "The price of right labels" in html
    assert "What each oracle is worth" not in render_alone(run)
    hostile = Section("A <b>", ("one", "n"), (("<script>", "<i>"),), ("x <img src=x>",))
    with look_at(run) as folder:
        html = render(read(folder), [hostile])
    assert not any(tag in html for tag in ("<script>", "<img", "A <b>"))
    cli.main(["report", run])
    assert "What each oracle is worth" in Path(run, "report.html").read_text()


def render_alone(run: str) -> str:
    with look_at(run) as folder:
        return render(read(folder))


def people_run(place: Path, **changed: Any) -> str:
    """A run whose people were asked about four documents, and answered three: in 10, 20 and 30 seconds."""
    run = run_with(place, ["a", "b", "c", "d"], purpose="evaluation", **changed)
    with look_at(run) as folder:
        rules = questions.rules_of(folder.config)
        assert rules is not None
        for number, (answer, label) in enumerate([("label", "tea"), ("unsure", None), ("label", "milk")], 1):
            sent = [Vote(f"v{number}", number, answer, label, seconds=10.0 * number)]  # type: ignore[arg-type]
            names = folder.config.task.to_task().names
            receipts = votes.cast(folder.store.engine, "ann", sent, rules, names, adjudicator=False)
            assert [one.outcome for one in receipts] == ["counted"]
    return run


def test_people_cost_their_active_time(tmp_path: Path) -> None:
    (people,) = page_of(people_run(tmp_path, hourly=36)).oracles
    assert (people.counts.answers, people.counts.labels, dict(people.counts.abstained)) == (3, 2, {"unsure": 1})
    assert people.dollars == pytest.approx(0.6)
    assert (people.seconds, people.total_seconds) == (20, 60)
    assert people.accuracy is None
    assert people.not_measured is not None
    assert "no trusted oracle" in people.not_measured
    assert page_of(people_run(tmp_path, hourly=36)).people == pytest.approx(0.3), "for each of two labels"
    unpaid = page_of(people_run(tmp_path))
    assert (unpaid.oracles[0].dollars, unpaid.oracles[0].unpriced) == (
        None,
        "no price: set hourly, in dollars for an hour",
    )
    assert unpaid.people is None


def test_a_run_in_postgresql_is_read_too(tmp_path: Path, postgres: Server) -> None:
    run = people_run(tmp_path, hourly=36, store=postgres.url, again=2)
    with look_at(run) as folder:
        folder.store.add_annotations([Annotation("d0", "tea", "people", 0.1), Annotation("d2", "milk", "people", 0.3)])
        add(folder.store.engine, 2, [Annotation("d0", "milk", "people", 0.1)])
    page = page_of(run)
    assert [(one.name, one.counts.answers, one.counts.random) for one in page.oracles] == [("people", 3, 3)]
    assert sections(page)


def test_a_run_without_answers_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_with(tmp_path, ["a"])
    with pytest.raises(SystemExit) as left:
        cli.main(["oracle", run])
    assert left.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"laud: {run}: no oracle has answered yet; expected a run with answers\n"
    cli.main(["report", run])
    for bad, expected in (("1", "expected a share above 0 and below 1"), ("0", "expected a share above 0")):
        with pytest.raises(SystemExit) as left:
            cli.main(["oracle", run, "--accuracy", bad])
        assert left.value.code == 2
        assert expected in capsys.readouterr().err


def test_lost_calls_count_at_their_upper_bound(tmp_path: Path) -> None:
    settings = {
        "task": {"name": "x", "labels": ["Tea", "Soap"]},
        "corpus": {"path": "none.parquet", "text": "text"},
        "storage": str(tmp_path / "run"),
        "oracle": {"kind": "llm", "engine": "openai", "model": "m", "input_price": 2, "base_url": "http://localhost:1"},
    }
    with claim(config.parse(json.dumps(settings))) as folder:
        ledger = Ledger(folder.store)
        documents = [Document(name, name) for name in "abc"]
        folder.store.add_queries("query", 1, [Query(one, "why") for one in documents])
        for name in "ab":
            number = ledger.begin(Call(name, "llm:m", "openai", "m", "v", name, 0, 0, 500, 0.5), Caps())
            assert number is not None
            if name == "a":
                ledger.finish(number, Answer("A", "Tea", 0.9, 100, 2, 0.1, 3.0))
        folder.store.add_annotations([Annotation("a", "Tea", "llm:m", 0.1, 0.9)])
    (llm,) = page_of(str(tmp_path / "run")).oracles
    assert llm.calls is not None
    assert (llm.calls.total, llm.calls.lost, llm.dollars, llm.calls.uncertain) == (2, 1, pytest.approx(0.6), 0.5)
    assert (llm.counts.answers, llm.counts.random, llm.sampled) == (1, 0, 0)


def test_documents_asked_again_because_of_doubts_are_apart(tmp_path: Path) -> None:
    settings = {
        "task": {"name": "x", "labels": ["Tea", "Soap"]},
        "corpus": {"path": "none.parquet", "text": "text"},
        "storage": str(tmp_path / "run"),
        "oracle": {"kind": "replay", "label": "label", "noise": 0.2},
        "audit": {"share": 0.2, "oracle": {"kind": "replay", "label": "label"}},
    }
    with claim(config.parse(json.dumps(settings))) as folder:
        documents = [Document(f"d{i}", str(i)) for i in range(6)]
        folder.store.add_queries("query", 1, [Query(one, "why") for one in documents])
        folder.store.add_annotations([Annotation(one.id, "Tea", "replay") for one in documents])
        again = documents[:3]
        record(folder.store.engine, 1, [SecondQuery(one, 2, "doubt") for one in again])
        add(folder.store.engine, 2, [Annotation(one.id, "Soap", "replay") for one in again])
    page = page_of(str(tmp_path / "run"))
    assert [(one.name, one.counts.answers, one.counts.again) for one in page.oracles] == [
        ("replay (oracle)", 6, 0),
        ("replay (audit.oracle)", 3, 3),
    ]
    assert page.agreement is None
    assert page.doubtful is not None
    assert page.doubtful.documents == 3
    said = " ".join(line for one in sections(page) for line in one.lines)
    assert "which are no random ones" in said


def test_what_is_not_tested_is_said(run: str) -> None:
    assert "Errors of the trusted oracle itself: its answers count as right." in not_tested(page_of(run))


def test_one_oracle_in_two_places_is_one() -> None:
    llm = {"kind": "llm", "engine": "openai", "model": "m", "base_url": "http://localhost:1"}
    settings = {
        "task": {"name": "x", "labels": ["Tea", "Soap"]},
        "corpus": {"path": "none.parquet", "text": "text"},
        "storage": "run",
        "oracle": {"kind": "cascade", "oracles": [llm, {**llm, "model": "large"}]},
        "evaluation": {"oracle": {**llm, "model": "large"}, "trusted": 20},
    }
    found = members(config.parse(json.dumps(settings)))
    assert [(one.name, one.key, one.first) for one in found] == [
        ("cascade", "oracle", True),
        ("llm:m", "oracle.oracles[0]", True),
        ("llm:large", "oracle.oracles[1]", True),
    ]


def test_one_model_with_two_prompts_is_two_oracles(tmp_path: Path) -> None:
    """A guideline for the doubtful ones: the calls of each are found by their prompt."""

    def script(body: dict[str, Any], before: int) -> Reply:
        number, second = asked_about(body), "look twice" in body["messages"][0]["content"]
        return chat(right_answer(number), probability=0.95 if second or number % 2 else 0.5)

    write_catalog(tmp_path / "names.parquet")
    with endpoint(script) as server:
        llm = {"kind": "llm", "engine": "openai", "model": "m", "base_url": server.url, "input_price": IN}
        settings = {
            "task": {"name": "x", "kind": "binary", "labels": ["Tea", "Soap"]},
            "corpus": {"path": str(tmp_path / "names.parquet"), "text": "text", "id": "id"},
            "storage": str(tmp_path / "run"),
            "oracle": {"kind": "cascade", "oracles": [{**llm, "threshold": 0.6}, {**llm, "guideline": "look twice"}]},
            "evaluation": {"size": 40, "stop_set": 20, "stratify": False, "oracle": REPLAY, "trusted": 20},
        }
        with claim(config.parse(json.dumps(settings))) as folder:
            first_round(folder)
            last = [int(a.query.document.text.split()[1]) % 2 for a in folder.store.queries("evaluation")]
    page = page_of(str(tmp_path / "run"))
    first, second = named(page, "llm:m (oracle.oracles[0])"), named(page, "llm:m (oracle.oracles[1])")
    assert (first.counts.answers, first.counts.labels) == (len(last), sum(last))
    assert (second.counts.answers, second.counts.labels) == (last.count(0), last.count(0))
    assert (first.calls is not None, second.calls is not None, first.shares, second.shares) == (True, True, None, None)
    whole = named(page, "cascade")
    assert whole.dollars == pytest.approx((first.dollars or 0) + (second.dollars or 0))
    assert whole.dollar_price is not None
    assert whole.accuracy is not None
    assert second.accuracy is None


def test_an_oracle_of_audits_that_is_also_last_in_a_cascade_is_not_measured_on_what_another_left() -> None:
    llm = {"kind": "llm", "engine": "openai", "model": "m", "base_url": "http://localhost:1"}
    settings: dict[str, Any] = {
        "task": {"name": "x", "labels": ["Tea", "Soap"]},
        "corpus": {"path": "none.parquet", "text": "text"},
        "storage": "run",
        "oracle": {"kind": "cascade", "oracles": [llm, REPLAY]},
        "audit": {"share": 0.1, "oracle": REPLAY},
        "evaluation": {"oracle": {**llm, "model": "large"}, "trusted": 20},
    }

    def first(name: str) -> bool:
        return next(one.first for one in members(config.parse(json.dumps(settings))) if one.name == name)

    assert (first("llm:m"), first("replay"), first("cascade"), first("llm:large")) == (True, False, True, True)
    settings["evaluation"] = {"oracle": REPLAY}
    assert first("replay"), "it answers for the whole sample"


def test_a_model_with_other_caps_is_the_same_oracle() -> None:
    llm = {"kind": "llm", "engine": "openai", "model": "m", "base_url": "http://localhost:1"}
    settings = {
        "task": {"name": "x", "labels": ["Tea", "Soap"]},
        "corpus": {"path": "none.parquet", "text": "text"},
        "storage": "run",
        "oracle": {"kind": "cascade", "oracles": [{**llm, "max_calls": 9}, REPLAY]},
        "audit": {"share": 0.1, "oracle": {**llm, "concurrency": 2}},
    }
    (found,) = [one for one in members(config.parse(json.dumps(settings))) if one.name == "llm:m"]
    assert found.places == ("oracle.oracles[0]", "audit.oracle")
