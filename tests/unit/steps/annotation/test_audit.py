"""The audit as a step of the loop, over a real run folder; it needs no Ray, so neither does this."""

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from laud_ray import config, oracles
from laud_ray.config import PeopleConfig, RunConfig
from laud_ray.data.sharding.normalise import normalise
from laud_ray.events import Event, Observer
from laud_ray.oracles.asking import annotate
from laud_ray.oracles.people import PeopleOracle
from laud_ray.people import groups, leases, questions
from laud_ray.people.votes import Vote, cast
from laud_ray.steps.annotation import second_opinions as stage
from laud_ray.steps.annotation.answers import asked, spent
from laud_ray.steps.annotation.audit import audit
from laud_ray.steps.annotation.doubt import training_answers
from laud_ray.steps.selection.select import exhausted
from laud_ray.steps.start import start
from laud_ray.steps.work import WaitingError
from laud_ray.store import rechecks
from laud_ray.store.ledger import Ledger
from laud_ray.store.run import RunFolder, claim
from laud_ray.store.store import Answered, Query
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
        assert not groups.is_ready(folder.store.engine, waiting.value.awaited)
        assert give(folder, people, "ann", right) == 0, "nobody is asked twice about a document"
        again = give(folder, people, "bob", right)
        assert 0 < again < given
        assert groups.is_ready(folder.store.engine, waiting.value.awaited)
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

    found = stage.judge(asked, [], names, proba)
    assert seen == [12]
    assert {one.answer.query.document.id: one.answer.label for one in found.judgements} == {
        one.query.document.id: one.label for one in asked
    }
    (branch,) = (one for one in found.judgements if one.answer.label == "Drinks")
    assert (branch.probability, branch.predicted, branch.unsure) == (1.0, None, False)
