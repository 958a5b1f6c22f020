"""The alternative annotator test of a run: which answers of people count, and what is said."""

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from laud_ray import cli, config
from laud_ray.people import questions
from laud_ray.people.questions import Question, rules_of
from laud_ray.people.recorded import StoredVote, current, votes
from laud_ray.people.votes import Vote, cast
from laud_ray.report.oracle.alternative import independent
from laud_ray.store.rechecks import SecondQuery, record
from laud_ray.store.run import RunFolder, claim, look_at
from laud_ray.store.store import Query, Sampled
from laud_ray.types import Annotation, Document

LABELS = ("Tea", "Coffee", "Juice")
PEOPLE = ("ana", "bo", "cy")


def make(place: Path, said: Callable[[str, int], str | None], model: Callable[[int], str | None], n: int = 40) -> str:
    """A run whose evaluation sample a language model answers, and of which three people answer every document."""
    settings = config.parse(
        json.dumps(
            {
                "task": {"name": "drinks", "labels": list(LABELS)},
                "corpus": {"path": str(place / "none.csv"), "text": "text"},
                "storage": str(place / "run"),
                "oracle": {"kind": "llm", "engine": "openai", "model": "m", "base_url": "http://127.0.0.1:9"},
                "evaluation": {
                    "size": n,
                    "trusted": n,
                    "oracle": {"kind": "people", "team": 3, "per_document": 3, "twice": 0},
                },
            }
        )
    )
    documents = [Document(f"d{i}", f"text {i}") for i in range(n)]
    with claim(settings) as folder:
        store = folder.store
        store.set_samples({"evaluation": [Sampled("part-00000.parquet", i, f"d{i}", 0, n) for i in range(n)]})
        store.add_queries("evaluation", 0, [Query(one, "drawn") for one in documents])
        store.add_annotations([Annotation(f"d{i}", model(i), "llm:m") for i in range(n)])
        record(store.engine, 0, [SecondQuery(one, 2, "to measure") for one in documents])
        rules = rules_of(settings)
        assert rules is not None
        questions.ask(store.engine, documents, 2, lambda _: None, rules, seed=0)
        vote(folder, said)
    return settings.storage


def vote(folder: RunFolder, said: Callable[[str, int], str | None]) -> None:
    rules = rules_of(folder.config)
    assert rules is not None
    asked = questions.questions(folder.store.engine)
    for person in PEOPLE:
        given = []
        for one in asked:
            label = said(person, int(one.document.id[1:]))
            given.append(Vote(str(uuid.uuid4()), one.number, "label" if label else "unsure", label))
        cast(folder.store.engine, person, given, rules, LABELS)


def right(i: int) -> str:
    return LABELS[i % 3]


def shown(run: str, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[dict, str]:
    capsys.readouterr()
    assert cli.main(["oracle", run, "--json", *options]) is None
    found = json.loads(capsys.readouterr().out)
    assert cli.main(["oracle", run, *options]) is None
    return found, " ".join(capsys.readouterr().out.split())


def test_a_model_as_good_as_people_may_replace_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(person: str, i: int) -> str:
        return right(i + (person == "cy" and i % 4 == 0))

    found, page = shown(make(tmp_path, said, lambda i: None if i == 7 else right(i)), capsys)
    test = found["alternative_test"]["llm:m"]
    assert (test["tested"], test["epsilon"], test["may_replace"], test["winning_rate"]) == (True, 0.15, True, 1.0)
    assert [(one["name"], one["n"], one["better"], one["worse"], one["beaten"]) for one in test["people"]] == [
        ("ana", 39, 0, 0, True),
        ("bo", 39, 0, 0, True),
        ("cy", 39, 10, 0, True),
    ]
    assert (test["advantage_probability"], test["left_out"], test["unlabelled"]) == (1.0, {}, 1)
    assert "llm:m may replace people by the alternative annotator test at epsilon 0.15" in page
    assert "as 3 of 3 people do, a winning rate of 1.00" in page
    assert "gave no label to 1 of the documents" in page
    assert "Whether a model agrees with people" not in page


def test_a_worse_model_is_not_shown_to_be_able(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make(tmp_path, lambda person, i: right(i), lambda i: right(i + (i % 5 == 0)))
    found, page = shown(run, capsys, "--epsilon", "0.2")
    test = found["alternative_test"]["llm:m"]
    assert (test["epsilon"], test["may_replace"], test["winning_rate"], test["advantage_probability"]) == (
        *(0.2, False, 0.0),
        pytest.approx(0.8),
    )
    assert "llm:m is not shown to be able to replace people" in page


def test_too_few_answers_are_no_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make(tmp_path, lambda person, i: right(i) if person != "cy" or i < 5 else None, right, n=20)
    found, page = shown(run, capsys)
    assert found["alternative_test"]["llm:m"]["tested"] is False
    assert "so far: ana 20, bo 20, cy 5" in page
    assert "Whether a model agrees with people as well as people agree with each other." in page


def test_answers_that_depend_on_others_do_not_count(tmp_path: Path) -> None:
    run = make(tmp_path, lambda person, i: right(i), right, n=20)
    with look_at(run) as folder:
        asked = {one.number: one for one in questions.questions(folder.store.engine)}
        given = current(votes(folder.store.engine))
        rules = rules_of(folder.config)
        assert rules is not None
        assert {name: len(one) for name, one in independent(given, asked, rules).items()} == dict.fromkeys(PEOPLE, 20)
        alone = rules.model_copy(update={"per_document": 1})
        assert independent(given, asked, alone) == {}
        # The third answer came because the first two differ.
        twice = {number: _twice(one) for number, one in asked.items()}
        assert set(independent(given, twice, alone)) == set(PEOPLE[:2])
        assert independent([_seen(one) for one in given], asked, rules) == {}


def _twice(question: Question) -> Question:
    return replace(question, twice=True)


def _seen(one: StoredVote) -> StoredVote:
    return replace(one, vote=replace(one.vote, shown=("Tea",)))
