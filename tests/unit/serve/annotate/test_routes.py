"""What the page may ask, and what it is told when it may not."""

import shutil
import sqlite3
import uuid
from pathlib import Path
from typing import Any

import pytest

from laud_ray.config.labels import edits
from laud_ray.people.tokens import Person
from laud_ray.people.votes import Receipt, votes
from laud_ray.store.run import CONFIG, look_at
from laud_ray.store.trees import CONFIGURATION
from laud_ray.store.versions.proposal import proposal_of, put_in_force
from serve.annotate import answers, work
from serve.annotate import desk as desk_module
from serve.annotate.desk import Desk
from serve.annotate.examples import MEASURED
from serve.annotate.routes import make_app
from serve.annotate.work import Work
from serve.origin import Origins
from tests.annotating import make_run

from .conftest import Page

ID = "0b0e3c1e-6d0f-4a53-9d6b-1f4f3a0f2a11"
WRONG = "Dairy"  # the model finds Beverages likeliest for the first question


def stored(desk: Desk) -> list[tuple[str, str, str | None]]:
    return [(one.person, one.vote.answer, one.vote.label) for one in votes(desk.opened().engine)]


def test_the_person_comes_from_the_token_and_never_from_the_body(people: dict[str, Page], desk: Desk) -> None:
    (question,) = people["ann"].next()
    assert people["ann"].vote(question["id"], "Beverages").json()["receipts"][0]["outcome"] == "counted"
    assert stored(desk) == [("ann", "label", "Beverages")]
    refused = people["bob"].vote(question["id"], "Beverages", who="ann")
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid")
    assert "votes[0].who" in refused.json()["error"]["message"]
    assert people["bob"].get("/v1/me")["person"] == "bob"
    assert len(stored(desk)) == 1


def test_without_a_token_the_page_opens_and_nothing_else(people: dict[str, Page]) -> None:
    assert people["nobody"].ask("GET", "/").status_code == 200
    for method, path in (("GET", "/v1/me"), ("GET", "/v1/labels"), ("POST", "/v1/next"), ("GET", "/nowhere")):
        answer = people["nobody"].ask(method, path, json={} if method == "POST" else None)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    wrong = Page(people["ann"].app, "ccc").ask("GET", "/v1/me")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "unauthorized")


def test_an_adjudicator_sees_the_answers_and_no_names_and_decides(people: dict[str, Page], desk: Desk) -> None:
    first = people["ann"].next()[0]["id"]
    people["ann"].vote(first, WRONG, comment="it says cream")
    assert people["bob"].next()[0]["id"] == first  # ann differs from the model
    people["bob"].vote(first, "Fruit")
    third = Page(people["boss"].app, "ooo", holder="third")
    assert first in [one["id"] for one in third.next(12)]
    assert third.vote(first, answer="none").json()["receipts"][0]["state"] == "adjudicate"
    assert all(one["answers"] is None for one in people["bob"].next(12))
    disputed = people["judge"].next()[0]
    assert disputed["id"] == first
    assert {(one["label"], one["said"], one["count"]) for one in disputed["answers"]} == {
        (WRONG, None, 1), ("Fruit", None, 1), (None, "none fits", 1),
    }  # fmt: skip
    assert "it says cream" in str(disputed)
    assert not any(name in str(disputed) for name in ("ann", "bob", "boss"))
    assert people["judge"].vote(first, "Fruit").json()["receipts"][0]["state"] == "settled"


def test_the_same_answer_twice_is_one_vote_and_a_refused_one_says_why(people: dict[str, Page], desk: Desk) -> None:
    question = people["ann"].next()[0]["id"]
    first = {"id": ID, "question": question, "answer": "label", "label": "Beverages"}
    outcomes = [
        people["ann"].ask("POST", "/v1/votes", json={"votes": [first]}).json()["receipts"][0]["outcome"] for _ in "ab"
    ]
    assert outcomes == ["counted", "repeated"]
    mixed = [first, {**first, "id": str(uuid.uuid4()), "question": "q-000099"}]
    receipts = people["ann"].ask("POST", "/v1/votes", json={"votes": mixed}).json()["receipts"]
    assert [one["outcome"] for one in receipts] == ["repeated", "refused"]
    assert "is not a question of this run" in receipts[1]["reason"]
    assert len(stored(desk)) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"question": "q-000099"}, "question 99: is not a question of this run"),
        ({"question": "seventeen"}, 'votes[0].question: "seventeen" is not valid; expected a question\'s id'),
        ({"label": "Diary"}, "the label 'Diary' is not valid"),
        ({"label": "half \ud800"}, "is not valid; expected a label of at most"),
        ({"answer": "maybe"}, 'votes[0].answer: "maybe" is not valid; expected label, unsure, none or undo'),
        ({"comment": "x" * 2**20}, "votes[0].comment: "),
        ({"id": "1"}, "votes[0].id: "),
        ({"answer": "undo", "undoes": ID}, "to take back"),
        ({"seconds": -1}, "votes[0].seconds: -1 is not valid; expected a number of at least 0"),
    ],
)
def test_what_is_no_answer_is_refused_in_one_line(page: Page, desk: Desk, change: dict[str, Any], said: str) -> None:
    answer = page.vote("q-000001", "Dairy", **change)
    assert answer.status_code == 422
    message = answer.json()["error"]["message"]
    assert said in message
    assert len(message) < 300
    assert "\n" not in message
    assert stored(desk) == []


def test_what_is_no_request_of_the_page_is_refused(page: Page) -> None:
    def status(headers: dict[str, str], content: bytes = b'{"n": 1}') -> int:
        sent = {"content-type": "application/json", **headers}
        return page.ask("POST", "/v1/next", content=content, headers=sent).status_code

    assert status({}) == 200
    assert status({"host": "evil.example"}) == 403
    assert status({"origin": "http://evil.example"}) == 403
    assert status({"content-type": "text/plain"}) == 415
    assert status({}, b"[" * 100_000) == 422
    assert status({}, b" " * (5 * 2**20)) == 413
    assert page.ask("DELETE", "/v1/next", headers={"content-type": "application/json"}).status_code == 405
    assert page.ask("GET", "/../tokens").status_code == 404


def test_a_question_tells_neither_its_purpose_nor_whether_it_is_gold(page: Page, desk: Desk) -> None:
    (question,) = page.next()
    assert question["candidates"][0] == ["Beverages", 0.55]
    assert set(question) == {"id", "text", "candidates", "answers"}
    gold = Receipt(ID, 1, "gold", "used")
    assert answers.receipt(gold) == answers.receipt(Receipt(ID, 1, "counted", "settled"))


def test_what_is_measured_shows_no_suggestion_and_no_example(tmp_path: Path) -> None:
    desk = Desk(str(make_run(tmp_path / "run", purpose="evaluation", round=0)))
    alone = Person("local", "owner")
    page = Page(make_app(Work(desk, anonymous=True), tokens=None, alone=alone, origins=Origins((), ())))
    (question,) = page.next()
    assert question["candidates"] is None
    assert page.get(f"/v1/examples?question={question['id']}") == {"examples": [], "reason": MEASURED}
    assert page.ask("GET", "/v1/examples?question=q-99").status_code == 404
    desk.close()


def test_labels_are_fetched_once(page: Page) -> None:
    first = page.ask("GET", "/v1/labels")
    again = page.ask("GET", "/v1/labels", headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, len(first.json()["labels"]), again.status_code, again.content) == (200, 5, 304, b"")


def test_a_page_notices_that_the_labels_have_changed(page: Page, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this, a page that is left open would lack a label that was added."""
    monkeypatch.setattr(desk_module, "AGAIN_S", 0.0)
    assert page.get("/v1/progress")["labels"] is None
    with look_at(str(run)) as folder:
        config, store = folder.config, folder.store
        edited = edits.add(config.task.labels, "Rice")
        found = proposal_of(store, edited, ("old", "new"), edited.succession, left=0)
        changed = config.with_labels(edited.labels)
        put_in_force(store, found, {CONFIGURATION: changed.dump()})
        folder.folder.write(CONFIG, changed.dump().encode())
    assert page.get("/v1/progress")["labels"] == "new"
    assert page.get("/v1/labels")["labels"][-1]["name"] == "Rice"


def test_two_tabs_of_a_person_hold_different_questions_and_give_them_back(page: Page) -> None:
    other = Page(page.app, holder="another tab")
    mine, theirs = ({one["id"] for one in tab.next(4)} for tab in (page, other))
    assert (len(mine), len(theirs), mine & theirs) == (4, 4, set())
    assert {one["id"] for one in page.next(4)} == mine  # as after a reload
    kept = page.ask("POST", "/v1/renew", json={"questions": sorted(mine)}).json()["held"]
    assert set(kept) == mine
    page.ask("POST", "/v1/release", json={"questions": sorted(mine)})
    assert page.ask("POST", "/v1/renew", json={"questions": sorted(mine)}).json()["held"] == []
    assert mine < {one["id"] for one in other.next(12)}


def test_a_person_sees_their_own_last_answers_and_takes_one_back(people: dict[str, Page], desk: Desk) -> None:
    first, second = (one["id"] for one in people["ann"].next(2))
    people["ann"].vote(first, "Dairy", comment="or not")
    people["ann"].vote(second, answer="unsure")
    past = people["ann"].get("/v1/history")["answers"]
    assert [(one["question"]["id"], one["vote"]["answer"], one["final"]) for one in past] == [
        (second, "unsure", False), (first, "label", False),
    ]  # fmt: skip
    assert people["bob"].get("/v1/history")["answers"] == []
    undone = people["ann"].vote(first, answer="undo", undoes=past[1]["vote"]["id"])
    assert undone.json()["receipts"][0]["outcome"] == "undone"
    assert [one["question"]["id"] for one in people["ann"].get("/v1/history")["answers"]] == [second]
    assert people["ann"].get("/v1/progress")["mine"] == 1
    assert people["bob"].vote(second, answer="undo", undoes=past[0]["vote"]["id"]).status_code == 422


def test_a_locked_database_asks_to_try_again_and_the_answer_counts_once(
    page: Page, desk: Desk, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "WAIT_S", 0.2)
    lock = sqlite3.connect(run / "laud.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    busy = page.vote("q-000001", "Dairy", id=ID)
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "2")
    lock.execute("ROLLBACK")
    monkeypatch.setattr(work, "WAIT_S", 30.0)
    assert page.vote("q-000001", "Dairy", id=ID).status_code == 200
    assert stored(desk) == [("local", "label", "Dairy")]


def test_a_run_that_goes_away_is_said_and_found_again(page: Page, run: Path, tmp_path: Path) -> None:
    first = page.get("/v1/me")["run"]
    run.rename(tmp_path / "away")
    gone = page.vote("q-000001", "Dairy", id=ID)
    assert (gone.status_code, gone.json()["error"]["code"]) == (410, "run_gone")
    (tmp_path / "away").rename(run)
    back = page.ask(
        "POST", "/v1/votes", json={"run": first, "votes": [{"id": ID, "question": "q-000001", "answer": "unsure"}]}
    )
    assert back.status_code in (200, 410)  # it is looked for once a second


def test_another_run_in_its_place_gets_none_of_the_answers(
    page: Page, desk: Desk, run: Path, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.annotate.desk.AGAIN_S", 0.0)
    first = page.get("/v1/me")["run"]
    run.rename(tmp_path / "away")
    shutil.copytree(template, run)
    vote = {"run": first, "votes": [{"id": ID, "question": "q-000001", "answer": "unsure"}]}
    answers = [page.ask("POST", "/v1/votes", json=vote) for _ in range(2)]
    assert [one.status_code for one in answers] == [410, 409]
    assert answers[1].json()["error"]["code"] == "other_run"
    assert page.get("/v1/me")["run"] != first
    assert stored(desk) == []


def test_labels_that_are_a_list_have_no_nodes(people: dict[str, Page]) -> None:
    answer = people["ann"].ask("GET", "/v1/nodes?find=tea")
    assert answer.status_code == 404
    assert "the labels of this run are no taxonomy" in answer.json()["error"]["message"]
