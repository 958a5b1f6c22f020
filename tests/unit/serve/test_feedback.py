"""Feedback under fault: a database that is locked, full, gone or replaced; and what is too much of it."""

import json
import logging
import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from laud_ray.store.run import look_at
from laud_ray.store.store import Store
from serve.arguments import Limits
from tests.served import add_model, eventually, live, serve_run
from tests.tiny import LABELS, products

SECRET = "a name that nobody else may read"
WRONG = {"text": "x", "wrong": True}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return serve_run(tmp_path_factory.mktemp("served") / "run")


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def client(run: Path) -> Iterator[httpx.Client]:
    with live(run=str(run), limits=Limits(deadline_s=3)) as client:
        yield client


def say(client: httpx.Client, said: object = WRONG) -> tuple[int, str]:
    answer = client.post("/v1/feedback", json=said)
    return answer.status_code, answer.json().get("error", {}).get("code", "")


def test_a_locked_database_is_503_and_holds_up_no_answers(run: Path, client: httpx.Client) -> None:
    lock = sqlite3.connect(run / "laud.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        with ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(say, client, {"text": f"x{i}", "wrong": True}) for i in range(8)]
            asked = client.post("/v1/classify", json={"texts": [f"name {i} {'x' * 300}" for i in range(110)]})
            assert asked.status_code == 200
            assert {one.result() for one in waiting} == {(503, "database")}
    finally:
        lock.execute("ROLLBACK")
        lock.close()
    eventually(lambda: say(client)[0] in (200, 201))


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (
            OperationalError(SECRET, {"text": SECRET}, sqlite3.OperationalError("database or disk is full")),
            "disk is full",
        ),
        (OperationalError(SECRET, {}, Exception(f"server at db.example refuses {SECRET}")), "it cannot be reached"),
        (OSError(5, "Input/output error", SECRET), "Input/output error"),
    ],
)
def test_a_database_that_fails_is_503_and_no_text_is_said(
    client: httpx.Client,
    error: Exception,
    cause: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Store, "add_feedback", fail)
    with caplog.at_level(logging.INFO, "laud.test"):
        answer = client.post("/v1/feedback", json={"text": SECRET, "wrong": True})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database")
    assert answer.json()["error"]["message"].endswith(cause)
    assert int(answer.headers["retry-after"]) >= 1
    assert SECRET not in answer.text + "".join(str(record.__dict__) for record in caplog.records)


def test_a_fault_of_ours_is_500_and_the_log_says_where_without_the_text(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise IntegrityError(f"INSERT {SECRET}", {"text": SECRET}, Exception(SECRET))

    monkeypatch.setattr(Store, "add_feedback", fail)
    with caplog.at_level(logging.INFO, "laud.test"):
        assert say(client, {"text": SECRET, "wrong": True}) == (500, "internal")
    eventually(lambda: any(record.getMessage() == "a request failed" for record in caplog.records))
    (failed,) = [record for record in caplog.records if record.getMessage() == "a request failed"]
    assert failed.error == "IntegrityError"  # type: ignore[attr-defined]
    assert "in _keep" in failed.traceback  # type: ignore[attr-defined]
    assert not any(SECRET in str(record.__dict__) for record in caplog.records)


def test_a_run_put_back_from_a_backup_gets_the_feedback(run: Path, made: Path, client: httpx.Client) -> None:
    assert say(client)[0] == 201
    run.rename(run.with_name("away"))
    assert say(client) == (503, "run_gone")
    shutil.copytree(made, run)
    assert say(client, {"text": "y", "wrong": True})[0] == 201
    with look_at(str(run)) as there:
        assert [one.text for one in there.store.feedback()] == ["y"]


def test_a_run_replaced_while_it_is_written_is_not_answered_as_stored(
    run: Path, made: Path, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Store.add_feedback

    def add_and_replace(store: Store, *said: str) -> tuple[str, bool]:
        found = add(store, *said)
        if not run.with_name("away").exists():
            run.rename(run.with_name("away"))
            shutil.copytree(made, run)
        return found

    monkeypatch.setattr(Store, "add_feedback", add_and_replace)
    assert say(client) == (503, "run_gone")
    assert say(client) == (201, "")


def test_the_model_of_a_run_that_was_put_in_its_place_is_served_though_it_has_the_same_name(
    run: Path, tmp_path: Path
) -> None:
    other = serve_run(tmp_path / "other", models=0)
    add_model(other, 1, products(90))
    with live(run=str(run), poll_s=0.05) as client:
        before = client.get("/v1/model").json()
        run.rename(run.with_name("away"))
        eventually(lambda: client.get("/readyz").json()["registry"] != "ok")
        assert client.post("/v1/classify", json={"texts": "x"}).status_code == 200
        other.rename(run)
        eventually(lambda: client.get("/v1/model").json()["version"] != before["version"])
        assert client.get("/v1/model").json()["name"] == before["name"]
        assert client.get("/readyz").json()["registry"] == "ok"


@pytest.mark.parametrize("field", ["label", "who", "predicted", "model"])
@pytest.mark.parametrize("value", ["a" * 201, "a" * 1_000_000, "a\x1b[31m", "a\x00", "a\nb", "a\u2028b", ""])
def test_every_field_is_short_and_on_one_line(client: httpx.Client, field: str, value: str) -> None:
    said = {"text": "x", "label": LABELS[0], field: value}
    answer = client.post("/v1/feedback", json=said)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith(f"{field}: ")
    assert len(answer.content) < 1000


@pytest.mark.parametrize("field", ["label", "predicted", "model"])
def test_what_the_run_does_not_know_is_refused_and_nothing_stored(run: Path, client: httpx.Client, field: str) -> None:
    good = {"text": "x", "label": LABELS[0], "predicted": f" {LABELS[1]} ", "model": "round-0001"}
    answer = client.post("/v1/feedback", json={**good, field: "round-0009"})
    kind = "model" if field == "model" else "label"
    assert answer.status_code == 422
    message = answer.json()["error"]["message"]
    assert message.startswith(f"{field}: 'round-0009' is not a {kind} of the run; expected one of ")
    with look_at(str(run)) as folder:
        assert folder.store.feedback() == []
    assert say(client, good)[0] == 201
    with look_at(str(run)) as folder:
        (kept,) = folder.store.feedback()
    assert (kept.predicted, kept.model) == (LABELS[1], "round-0001")


def test_half_a_character_is_refused(client: httpx.Client) -> None:
    for field in ("text", "who"):
        said = {"text": "x", "wrong": True, field: "a\ud800"}
        answer = client.post("/v1/feedback", content=json.dumps(said).encode())
        assert (answer.status_code, answer.json()["error"]["message"][: len(field)]) == (422, field)


def test_a_run_keeps_so_much_and_no_more(run: Path) -> None:
    with live(run=str(run), limits=Limits(max_feedback=10_000)) as client:
        said = [client.post("/v1/feedback", json={"text": f"{i:04}" * 500, "wrong": True}) for i in range(8)]
        assert [answer.status_code for answer in said] == [201] * 4 + [429] * 4
        assert (said[-1].json()["error"]["code"], said[-1].headers["retry-after"]) == ("feedback_full", "3600")
    with live(run=str(run), limits=Limits(max_feedback=10_000)) as again:
        assert say(again, {"text": "z" * 2000, "wrong": True}) == (429, "feedback_full")
        assert say(again)[0] == 201


def test_feedback_with_a_person_s_token_is_that_person_s(run: Path, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("# as for laud annotate\nAnn Lee:annotator:s3cret\nplain\n")
    with live(run=str(run), tokens_file=str(tmp_path / "tokens")) as client:
        for token, text in (("s3cret", "x"), ("plain", "y"), ("Ann Lee:annotator:s3cret", "z")):
            said = {"text": text, "label": LABELS[0], "who": "mallory"}
            answer = client.post("/v1/feedback", json=said, headers={"authorization": f"Bearer {token}"})
            assert answer.status_code == (401 if text == "z" else 201)
    with look_at(str(run)) as folder:
        assert {one.text: one.who for one in folder.store.feedback()} == {"x": "Ann Lee", "y": "mallory"}
