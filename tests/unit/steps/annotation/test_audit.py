"""The audit as a step of the loop, over a real run folder; it needs no Ray, so neither does this."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from laud_ray import config, oracles
from laud_ray.config import PeopleConfig, RunConfig
from laud_ray.data.sharding.normalise import normalise
from laud_ray.events import Event, Observer
from laud_ray.oracles.asking import annotate
from laud_ray.oracles.people import PeopleOracle
from laud_ray.people import groups as waiting_groups
from laud_ray.people import leases, questions
from laud_ray.people.votes import Vote, cast
from laud_ray.quality.aggregation import MODEL, Opinion
from laud_ray.steps.annotation import audit as audits
from laud_ray.steps.annotation import second_opinions as stage
from laud_ray.steps.annotation.answers import asked, spent
from laud_ray.steps.annotation.audit import audit
from laud_ray.steps.annotation.doubt import training_answers
from laud_ray.steps.annotation.renew import renew
from laud_ray.steps.selection.select import exhausted
from laud_ray.steps.start import start
from laud_ray.steps.work import WaitingError, Work
from laud_ray.store import rechecks
from laud_ray.store.ledger import Ledger
from laud_ray.store.run import RunFolder, claim
from laud_ray.store.store import Answered, Query
from laud_ray.taxonomy import read_lines
from laud_ray.taxonomy.groups import groups_of, single
from laud_ray.taxonomy.task import task_of
from laud_ray.types import Document, Estimate, Figures, Floats, RoundResult

KINDS = {
    "Tea": ("green", "black", "oolong", "mint", "sencha", "chai", "matcha", "rooibos"),
    "Coffee": ("latte", "mocha", "espresso", "arabica", "decaf", "cortado", "ristretto", "lungo"),
    "Juice": ("apple", "orange", "pear", "mango", "grape", "lime", "guava", "cherry"),
}
ASKED, BATCH = 48, 20


@pytest.fixture
def run(tmp_path: Path) -> RunConfig:
    rows = [f"{word} {kind.lower()} {i},{kind}" for kind, words in KINDS.items() for word in words for i in (1, 2)]
    (tmp_path / "names.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    settings = {
        "task": {"name": "drinks", "labels": list(KINDS)},
        "corpus": {"path": str(tmp_path / "names.csv"), "text": "text"},
        "storage": str(tmp_path / "run"),
        "learner": {"kind": "linear"},
        "oracle": {"kind": "replay", "label": "label", "noise": 0.25},
        "query": {"batch": BATCH},
        "evaluation": {"size": 20},
        "audit": {"share": 0.4},
        "budget": {"annotations": 100},
    }
    return config.parse(json.dumps(settings))


def answer(folder: RunFolder, round: int) -> None:
    """Ask about every document of the corpus as the queries of a round."""
    corpus = normalise(folder.config.corpus, folder.corpus, sealed="label")
    rows = folder.corpus.read_table(corpus.ranges[0].name).to_pylist()
    folder.store.add_queries("query", round, [Query(Document(r["id"], r["text"]), "why") for r in rows])
    task = folder.config.task.to_task()
    oracle = oracles.build(folder.config.oracle, task, corpus, 0, Ledger(folder.store))
    assert annotate(folder.store, oracle, "query", round, lambda done, total: None) == 0


def step(folder: RunFolder, round: int, observer: Observer = lambda event: None) -> list[tuple[str, int, str | None]]:
    """Run the loop's audit; return all that was asked again, and the answers."""
    audit(start(folder, observer), round)
    found = rechecks.opinions(folder.store.engine)
    return [(one.document_id, one.attempt, one.label) for one in found if one.attempt > 1 and one.who != "model"]


def test_an_audit_spends_its_share_once_whatever_happens(run: RunConfig, tmp_path: Path) -> None:
    def dies(event: Event) -> None:
        if (event.kind, event.step) == ("progress", "audit"):
            raise KeyboardInterrupt

    with claim(run) as folder:
        answer(folder, 1)
        with pytest.raises(KeyboardInterrupt):
            step(folder, 2, dies)
        once = step(folder, 2)
        assert step(folder, 2) == once
        assert 0 < len(once) <= int(0.4 * BATCH)
        assert len(once) == folder.store.counts()["audit"]
        assert len({name for name, _, _ in once}) == len(once)
        work = start(folder, lambda event: None)
        assert spent(work) == ASKED + len(once)
        truth = {a.query.document.id: a.query.document.text.split()[1].title() for a in folder.store.queries()}
        first = sum(a.label != truth[a.query.document.id] for a in folder.store.queries("query"))
        taught = [a for a in asked(work) if a.label is not None]
        assert sum(a.label != truth[a.query.document.id] for a in taught) < first
        assert asked(work, before=2) == folder.store.queries("query"), "the round's own answers are not seen by it"
        assert stage.recorded_left_out(folder.store) is None
        again = step(folder, 3)
        assert again[: len(once)] == once
        assert len(again) <= 2 * int(0.4 * BATCH)


def test_two_rounds_that_find_nothing_to_ask_end_the_run(run: RunConfig) -> None:
    with claim(run) as folder:
        work = start(folder, lambda event: None)
        figure = Estimate(0.5, 0.4, 0.6, 20)
        figures = Figures(20, figure, figure, 0.1, ())
        folder.store.close_round(RoundResult(0, "zero-shot", 0, 100, 48, figures, None, True, {}), "encoder", None)
        assert exhausted(work, 1) is None, "a shortlist may have been bought to evaluate"
        reason = exhausted(work, 2)
        assert reason is not None
        assert reason == folder.store.stop_reason()
        answer(folder, 2)
        assert exhausted(work, 2) is None
        assert exhausted(work, 3) is None
        assert exhausted(work, 4) == reason


def test_what_the_last_model_does_not_learn_is_recorded(run: RunConfig) -> None:
    all_bought = run.model_copy(update={"budget": run.budget.model_copy(update={"annotations": ASKED})})
    with claim(all_bought) as folder:
        answer(folder, 1)
        notes: list[str | None] = []
        work = start(folder, lambda event: notes.append(event.note))
        taught = training_answers(work, 2)
        found = stage.recorded_left_out(folder.store)
    assert found is not None
    assert (found.round, found.judged, found.documents) == (2, ASKED, ASKED - len(taught))
    assert found.documents > 0
    assert 0.1 < found.rate < 0.4
    assert str(found) in notes


def test_an_audit_of_people_asks_another_person(run: RunConfig) -> None:
    """The first person errs on a quarter; whom the audit asks has said nothing about the document."""
    people = PeopleConfig(kind="people", team=3, twice=0.0, doubt=False)
    with claim(run.model_copy(update={"oracle": people})) as folder:
        corpus = normalise(folder.config.corpus, folder.corpus)
        rows = folder.corpus.read_table(corpus.ranges[0].name).to_pylist()
        folder.store.add_queries("query", 1, [Query(Document(r["id"], r["text"]), "why") for r in rows])
        oracle = PeopleOracle(folder.store.engine, people, 0)
        assert annotate(folder.store, oracle, "query", 1, lambda done, total: None) == ASKED
        right = {r["id"]: r["text"].split()[1].title() for r in rows}
        wrong = {r["id"]: list(KINDS)[i % 3] for i, r in enumerate(rows) if i % 4 == 0}
        given = give(folder, people, "ann", right | wrong)
        assert annotate(folder.store, oracle, "query", 1, lambda done, total: None) == 0
        with pytest.raises(WaitingError, match="audit questions to answer") as waiting:
            step(folder, 2)
        assert not waiting_groups.is_ready(folder.store.engine, waiting.value.awaited)
        assert give(folder, people, "ann", right) == 0, "nobody is asked twice about a document"
        again = give(folder, people, "bob", right)
        assert 0 < again < given
        assert waiting_groups.is_ready(folder.store.engine, waiting.value.awaited)
        assert not any(one.show for one in questions.questions(folder.store.engine) if one.attempt > 1)
        assert step(folder, 2), "the audit has its answers"
        assert {one.state for one in questions.questions(folder.store.engine)} == {"used"}


def give(folder: RunFolder, rules: PeopleConfig, person: str, labels: Mapping[str, str]) -> int:
    """Let a person answer what is open for them; return the number of answers."""
    held = leases.take(folder.store.engine, person, 100, seconds=60)
    sent = [Vote(uuid.uuid4().hex, one.question.number, "label", labels[one.question.document.id]) for one in held]
    receipts = cast(folder.store.engine, person, sent, rules, list(KINDS))
    return sum(one.outcome == "counted" for one in receipts)


def test_a_branch_of_a_taxonomy_is_not_judged_and_stays() -> None:
    """The model of the judgement gives probabilities of leaves alone."""
    names = ("Drinks > Tea", "Drinks > Milk", "Food > Bread")
    said = [*names * 4, "Drinks"]
    asked = [Answered(Query(Document(f"d{i}", "x"), "why"), "query", 1, True, label) for i, label in enumerate(said)]
    seen = list[int]()

    def proba(answered: Sequence[Answered]) -> Floats:
        seen.append(len(answered))
        return np.eye(3)[[names.index(str(one.label)) for one in answered]] * 0.97 + 0.01

    found = stage.judge(asked, [], single(names), proba)
    assert seen == [12]
    assert {one.answer.query.document.id: one.answer.label for one in found.judgements} == {
        one.query.document.id: one.label for one in asked
    }
    (branch,) = (one for one in found.judgements if one.answer.label == "Drinks")
    assert (branch.probability, branch.predicted, branch.unsure) == (1.0, None, False)


def test_of_too_many_leaves_the_branches_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two branches of two leaves each, and a leaf at the top."""
    task = task_of("t", read_lines("A > a\nA > b\nB > c\nB > d\nE", "t.txt"))
    assert stage.judged_in(task, 4_000_000).single
    monkeypatch.setattr(stage, "MOST_CELLS", 100)
    monkeypatch.setattr(stage, "groups_of", lambda task: groups_of(task, 4))
    assert stage.judged_in(task, 20).single
    groups = stage.judged_in(task, 21)
    assert (groups.names, groups.labels) == (("A", "B", "E"), {"E"})
    said = {f"d{i}": label for i, label in enumerate(["A > a", "A > b", "B > c", "B > d", "E"] * 6)}
    said |= dict.fromkeys(("wrong", "wrong 2", "wrong 3"), "A > b") | {
        "inner": "A",
        "two": "A > a",
        "siblings": "A > a",
        "lone": "B > c",
    }
    asked = [Answered(Query(Document(name, name), "why"), "query", 1, True, label) for name, label in said.items()]
    opinions = [
        *(Opinion("two", 1, 1, "A > a", "x"), Opinion("two", 2, 1, "B > c", "y")),
        *(Opinion("siblings", 1, 1, "A > a", "x"), Opinion("siblings", 2, 1, "A > b", "y")),
    ]
    asked = [replace(a, label=None) if a.query.document.id in ("two", "siblings") else a for a in asked]
    right = {
        **{name: groups.places[label] for name, label in said.items()},
        "wrong": 1,
        "wrong 2": 1,
        "wrong 3": 1,
        "two": 1,
        "lone": 2,
    }

    def proba(answered: Sequence[Answered]) -> Floats:
        """It is less sure of the right answers than of those that contradict it."""
        names = [a.query.document.id for a in answered]
        best = np.array([[0.999 if name[0] != "d" else (0.6, 0.8, 0.9)[int(name[1:]) % 3]] for name in names])
        return np.where(np.eye(3)[[right[name] for name in names]] > 0, best, (1 - best) / 2)

    judged = stage.judge(asked, opinions, groups, proba)
    found = {one.answer.query.document.id: one for one in judged.judgements}
    assert found.keys() == said.keys()
    assert (found["wrong"].answer.label, found["two"].answer.label, found["inner"].answer.label) == (
        "A > b",
        "B > c",
        "A",
    )
    assert found["wrong"].probability < 0.5 < found["d0"].probability
    assert found["wrong"].predicted is not None
    assert (found["wrong"].predicted.label, found["wrong"].predicted.node) == ("B", True)
    assert (found["siblings"].answer.label, found["siblings"].unsure) == (None, False), "no group tells them apart"
    voices = {one.document.id: one.predicted for one in stage.questions(judged, {"two": 2}, 9, most=3)}
    assert voices["wrong"] is None, "a branch has no vote on leaves"
    assert voices["lone"] == "E"


OLD = "code,path,also\n1,Drinks,\n11,Drinks > Tea,Green|Black\n12,Drinks > Coffee,\n13,Drinks > Juice,\n"
NEW = OLD.replace("Green|Black", "") + "111,Drinks > Tea > Green,\n112,Drinks > Tea > Black,\n"


def close_round(folder: RunFolder, number: int) -> None:
    figure = Estimate(0.5, 0.4, 0.6, 20)
    figures = Figures(20, figure, figure, 0.1, ())
    result = RoundResult(number, f"round-{number:04d}", number, 100, 48, figures, None, accepted=True, seconds={})
    folder.store.close_round(result, "linear", None)


def test_what_was_asked_again_after_a_change_is_audited_once_more(
    tmp_path: Path, run: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = ("Green", "Black", "Coffee", "Juice")
    rows = [f"{kind.lower()} {i},{kind}" for kind in kinds for i in range(12)]
    (tmp_path / "names.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    for name, text in (("old", OLD), ("new", NEW)):
        (tmp_path / f"{name}.csv").write_text(text)

    def settings(labels: str) -> RunConfig:
        task = {"name": "drinks", "kind": "taxonomy", "labels": str(tmp_path / labels)}
        oracle = {"kind": "replay", "label": "label"}
        more = {"task": task, "oracle": oracle, "query": {"batch": 2 * BATCH}}
        return config.parse(json.dumps({**run.model_dump(mode="json"), **more}))

    def doubt(*texts: str) -> None:
        """Doubt the answers about these texts alone."""

        def judged(work: Work) -> stage.Judged:
            found = [a for a in asked(work) if a.query.document.text in texts]
            other = stage.Prediction("Drinks > Juice", 0.9)
            return stage.Judged(0.1, tuple(stage.Judgement(a, 0.1, other, True) for a in found))

        monkeypatch.setattr(audits, "judged_answers", judged)

    def opinions(folder: RunFolder, text: str) -> list[tuple[int, str | None, bool]]:
        name = next(a.query.document.id for a in folder.store.queries() if a.query.document.text == text)
        found = [one for one in rechecks.opinions(folder.store.engine) if one.document_id == name]
        return [(one.attempt, one.label, one.who == MODEL) for one in found]

    with claim(settings("old.csv")) as folder:
        answer(folder, 1)
        doubt("green 1", "coffee 1")
        step(folder, 2)
        assert opinions(folder, "green 1") == [
            (1, "Drinks > Tea", False),
            (2, "Drinks > Juice", True),
            (2, "Drinks > Tea", False),
        ]
        for number in range(3):
            close_round(folder, number)
    with claim(settings("new.csv"), lambda lines: None) as folder:
        renew(start(folder, lambda event: None), 3)
        assert opinions(folder, "green 1") == [], "what was said of the split leaf does not count"
        assert len(opinions(folder, "coffee 1")) == 3
        doubt("green 1", "green 2", "coffee 1")
        step(folder, 3)
        green = "Drinks > Tea > Green"
        assert opinions(folder, "green 1") == [(1, green, False), (3, green, False)]
        assert opinions(folder, "green 2") == [(1, green, False), (2, "Drinks > Juice", True), (2, green, False)]
        settled = {a.query.document.text: a.label for a in asked(start(folder, lambda event: None))}
        assert (settled["green 1"], settled["green 2"], settled["coffee 1"]) == (green, green, "Drinks > Coffee")
