"""Questions are pushed once and answers pulled once, whatever happens to requests on the way."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from laud_ray.errors import CorpusError, LaudError, ServiceError, UserError
from laud_ray.people.exchange.files import Imported
from laud_ray.people.label_studio import sync, tasks
from laud_ray.people.label_studio.connection import LabelStudio
from laud_ray.people.label_studio.label_config import label_config, read_control
from laud_ray.people.label_studio.sync import Pushed
from laud_ray.people.questions import Candidate
from laud_ray.people.votes import votes
from laud_ray.store.run import look_at
from tests.asking import LABELS, all_questions, run_with
from tests.studio import PERSONAL, URL, FakeStudio

TEXTS = [f"product {i}" for i in range(6)]


def connect(studio: FakeStudio, token: str = PERSONAL, url: str = URL) -> LabelStudio:
    return LabelStudio(url, token, transport=studio.transport(), sleep=lambda _: None)


def push(run: str, studio: FakeStudio, project: int = 3, token: str = PERSONAL, **how: Any) -> Pushed:
    with look_at(run) as folder, connect(studio, token) as connection:
        return sync.push(folder, connection, project, **how)


def pull(run: str, studio: FakeStudio, project: int = 3) -> Imported:
    with look_at(run) as folder, connect(studio) as connection:
        return sync.pull(folder, connection, project)


def labels(run: str) -> list[str | None]:
    return [one.label for one in all_questions(run)]


def test_questions_are_pushed_once_with_suggestions_where_they_may_be_shown(tmp_path: Path) -> None:
    run, studio = run_with(tmp_path, TEXTS, hidden=0.4, guideline="Choose the shelf."), FakeStudio()
    asked = all_questions(run)
    shown = sum(one.show for one in asked)
    assert 0 < shown < 6
    assert push(run, studio) == Pushed(6, shown, 0, set_up=True)
    assert studio.settings["expert_instruction"] == "Choose the shelf."
    assert [one["data"]["laud_question"] for one in studio.tasks] == [one.id for one in asked]
    assert [bool(one.get("predictions")) for one in studio.tasks] == [one.show for one in asked]
    first = next(one for one in studio.tasks if "predictions" in one)["predictions"][0]
    assert (first["model_version"], first["score"]) == ("round-0001", 0.6)
    assert first["result"][0]["value"] == {"choices": ["tea"]}
    assert push(run, studio) == Pushed(0, 0, 6, set_up=False)


def test_a_blind_push_and_evaluation_questions_have_no_suggestions(tmp_path: Path) -> None:
    studio = FakeStudio()
    assert push(run_with(tmp_path, TEXTS), studio, blind=True).suggested == 0
    assert push(run_with(tmp_path, TEXTS, purpose="evaluation"), studio).suggested == 0
    assert len(studio.tasks) == 12
    assert not any("predictions" in one for one in studio.tasks)


def test_a_limit_sends_more_only_when_the_first_are_answered(tmp_path: Path) -> None:
    run, studio = run_with(tmp_path, TEXTS), FakeStudio()
    assert push(run, studio, limit=2).sent == 2
    assert push(run, studio, limit=2).sent == 0
    studio.annotate(1, ["tea"])
    pull(run, studio)
    assert push(run, studio, limit=2).sent == 1


def test_answers_are_pulled_once(tmp_path: Path) -> None:
    run, studio = run_with(tmp_path, TEXTS), FakeStudio()
    push(run, studio)
    studio.annotate(1, ["milk"], prediction={"model_version": "round-0001"})
    studio.annotate(2, ["=soup"], user=7)
    studio.annotate(3, ["Käse & co"], user={"id": 7, "email": "x"})
    studio.annotate(4, [])
    studio.annotate(5, ["tea"], was_cancelled=True)
    found = pull(run, studio)
    assert (found.recorded.counted, found.empty, found.left.open) == (5, 1, 1)
    assert labels(run) == ["milk", "=soup", "Käse & co", None, None, None]
    with look_at(run) as folder:
        recorded = votes(folder.store.engine)
    people = {one.vote.question: one.person for one in recorded}
    assert people == {
        1: "ann@example.com",
        2: "bob@example.com",
        3: "bob@example.com",
        4: "ann@example.com",
        5: people[1],
    }
    assert [one.vote.answer for one in recorded] == ["label", "label", "label", "unsure", "unsure"]
    assert {one.vote.seconds for one in recorded} == {4.2}
    assert {one.vote.via for one in recorded} == {"label-studio"}
    assert [one.vote.shown for one in recorded] == [("tea",), None, None, None, None]
    again = pull(run, studio)
    assert (again.recorded.counted, again.recorded.repeated) == (0, 5)


def test_a_suggestion_that_a_task_had_is_recorded_after_the_question_was_answered_elsewhere(tmp_path: Path) -> None:
    run, studio = run_with(tmp_path, TEXTS), FakeStudio()
    push(run, studio)
    studio.annotate(1, ["milk"], user=1, prediction={"model_version": "round-0001"})
    pull(run, studio)
    studio.annotate(1, ["tea"], user=7, prediction={"model_version": "round-0001"})
    pull(run, studio)
    with look_at(run) as folder:
        assert [one.vote.shown for one in votes(folder.store.engine)] == [("tea",), ("tea",)]


def test_the_latest_answer_of_a_person_counts(tmp_path: Path) -> None:
    run, studio = run_with(tmp_path, TEXTS[:1]), FakeStudio()
    push(run, studio)
    studio.annotate(1, ["milk"], at="2026-11-29T08:00:00Z")
    studio.annotate(1, ["tea"], at="2026-11-29T07:00:00Z")
    assert pull(run, studio).recorded.counted == 1
    assert labels(run) == ["milk"]
    studio.tasks[0]["annotations"][0] |= {"updated_at": "2026-11-29T09:00:00Z"}
    studio.tasks[0]["annotations"][0]["result"][0]["value"]["choices"] = ["=soup"]
    assert pull(run, studio).recorded.changed == 1
    assert labels(run) == ["=soup"]


def test_a_task_that_was_sent_twice_is_one_question(tmp_path: Path) -> None:
    run, studio = run_with(tmp_path, TEXTS[:1]), FakeStudio()
    push(run, studio)
    studio.tasks.append(studio.tasks[0] | {"id": 2, "annotations": []})
    studio.annotate(1, ["milk"], at="2026-11-29T08:00:00Z")
    studio.annotate(2, ["tea"], at="2026-11-29T09:00:00Z")
    assert pull(run, studio).recorded.counted == 1
    assert labels(run) == ["tea"]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (["teas"], "task 2, annotation 200: the choice 'teas' is not a label of the task - did you mean 'tea'?"),
        (["tea", "milk"], "task 2, annotation 200: has 2 choices; expected one"),
    ],
)
def test_an_annotation_that_is_not_valid_keeps_all_of_them_out(
    tmp_path: Path, choices: list[str], message: str
) -> None:
    run, studio = run_with(tmp_path, TEXTS), FakeStudio()
    push(run, studio)
    studio.annotate(1, ["tea"])
    studio.annotate(2, choices)
    with pytest.raises(CorpusError) as error:
        pull(run, studio)
    assert message in str(error.value)
    assert labels(run) == [None] * 6


def test_a_project_of_several_runs_and_of_others(tmp_path: Path) -> None:
    studio, first, second = FakeStudio(), run_with(tmp_path, TEXTS), run_with(tmp_path, TEXTS[:2])
    push(first, studio)
    studio.tasks.append({"id": 7, "project": 3, "data": {"text": "by hand"}, "annotations": []})
    with pytest.raises(UserError, match="holds no questions of this run, shelf-.*; `laud questions push` sends them"):
        pull(second, studio)
    push(second, studio)
    studio.annotate(1, ["milk"])
    assert pull(second, studio).recorded.counted == 0
    found = pull(first, studio)
    assert found.recorded.counted == 1
    assert found.notes == ("3 tasks of the project are not of this run",)


def test_a_project_with_other_labels_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    run = run_with(tmp_path, TEXTS)
    studio = FakeStudio(
        '<View><Text name="t" value="$t"/><Choices name="c" toName="t"><Choice value="tea"/></Choices></View>'
    )
    with pytest.raises(UserError, match=r"project 3: the label config lacks the labels 'milk', .*push --set-labels"):
        push(run, studio)
    assert studio.tasks == []
    assert push(run, studio, set_labels=True).sent == 6
    assert [name for one in LABELS if (name := str(one["name"])) not in studio.label_config] == ["Käse & co"]


def test_an_older_version_takes_the_token_as_it_is(tmp_path: Path) -> None:
    run, studio = run_with(tmp_path, TEXTS), FakeStudio()
    studio.personal = False
    assert push(run, studio, token="legacy").sent == 6
    assert {token for _, path, token in studio.requests if "projects" in path} == {"Token legacy"}


def test_an_access_token_that_has_expired_is_renewed(tmp_path: Path) -> None:
    run, studio = run_with(tmp_path, TEXTS), FakeStudio()
    studio.before = lambda request: (
        _expire(studio) if request.url.path.endswith("/import") and studio.access == 1 else None
    )
    assert push(run, studio).sent == 6
    assert studio.access == 3


def _expire(studio: FakeStudio) -> None:
    studio.access += 1


def test_the_token_is_not_sent_to_another_service(tmp_path: Path) -> None:
    run, studio = run_with(tmp_path, TEXTS), FakeStudio()
    studio.before = lambda _: httpx.Response(200, json={"release": "2"})
    with pytest.raises(UserError, match=f"{URL}: is not a Label Studio; expected the address of a Label Studio"):
        push(run, studio)
    assert [path for _, path, _ in studio.requests] == ["/api/version"]


@pytest.mark.parametrize("arrived", [False, True])
def test_a_lost_connection_sends_nothing_twice(tmp_path: Path, arrived: bool) -> None:
    run, studio = run_with(tmp_path, [f"text {i}" for i in range(600)]), FakeStudio()
    left = [2]

    def drop(request: httpx.Request) -> Exception | None:
        if not request.url.path.endswith("/import") or not left[0]:
            return None
        left[0] -= 1
        return httpx.ReadError("gone", request=request)

    if arrived:
        studio.after = drop
    else:
        studio.before = drop
    assert push(run, studio).sent == 600
    assert [one["data"]["laud_question"] for one in studio.tasks] == [one.id for one in all_questions(run)]


def test_a_service_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    run, studio, left = run_with(tmp_path, TEXTS), FakeStudio(), [3]

    def busy(_: httpx.Request) -> httpx.Response | None:
        left[0] -= 1
        return httpx.Response(503) if left[0] >= 0 else None

    studio.before = busy
    assert push(run, studio).sent == 6


def always(answer: Callable[[httpx.Request], httpx.Response | Exception]) -> FakeStudio:
    studio = FakeStudio()
    studio.before = lambda request: answer(request) if "/projects/" in request.url.path else None
    return studio


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (
            lambda _: httpx.Response(401, json={"detail": f"bad {PERSONAL}"}),
            UserError,
            "401 Unauthorized: bad ***; expected a",
        ),
        (
            lambda _: httpx.Response(403, json={"detail": "No."}),
            UserError,
            "403 Forbidden: No; expected the token of somebody",
        ),
        (
            lambda _: httpx.Response(302, headers={"location": "https://a:b@x/y"}),
            UserError,
            "redirects to https://***@x/y; ",
        ),
        (
            lambda _: httpx.Response(200, text="<html>"),
            UserError,
            "does not answer as Label Studio does at /api/projects/3/",
        ),
        (
            lambda _: httpx.Response(400, json={"validation_errors": {"a": ["b"]}}),
            UserError,
            "400 Bad Request: {'a': ['b']}",
        ),
        (lambda _: httpx.Response(500, text="<html>" * 99), ServiceError, "500 Internal Server Error"),
        (lambda _: httpx.Response(503), ServiceError, "503 Service Unavailable"),
        (
            lambda request: httpx.ConnectError("refused", request=request),
            ServiceError,
            "no answer (refused); expected the",
        ),
        (lambda request: httpx.ReadTimeout("slow", request=request), ServiceError, "no answer in 300 s"),
    ],
)
def test_refusals_are_one_line_without_the_token(
    tmp_path: Path, answer: Callable[[httpx.Request], httpx.Response | Exception], kind: type[LaudError], message: str
) -> None:
    with pytest.raises(kind) as error:
        push(run_with(tmp_path, TEXTS), always(answer))
    said = str(error.value)
    assert message in said
    assert said.startswith(URL)
    assert "\n" not in said
    assert PERSONAL not in said
    assert len(said) < 500


def test_a_project_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="404 Not Found: No Project matches the given query; expected the number of"):
        push(run_with(tmp_path, TEXTS), FakeStudio(), project=4)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://ann:hidden@studio", "holds a user and password; expected an address without credentials"),
        ("http://studio?token=hidden", "holds the parameter token"),
        ("studio:8080", "'studio:8080' is not valid; expected the address of a Label Studio"),
        ("ftp://studio", "'ftp://studio' is not valid"),
        ("http://studio/projects/3/data?tab=1", "is not valid"),
    ],
)
def test_addresses_that_are_refused(url: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        connect(FakeStudio(), url=url)
    assert message in str(error.value)
    assert "hidden" not in str(error.value)


def test_the_token_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_TOKEN", " secret \n")
    assert sync.token_of("LABEL_STUDIO_TOKEN") == "secret"
    with pytest.raises(UserError, match="ELSEWHERE: is not set; expected an access token of Label Studio"):
        sync.token_of("ELSEWHERE")
    with pytest.raises(UserError) as error:
        sync.token_of("eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyIjoxfQ.abc")
    assert "eyJ" not in str(error.value)
    with pytest.raises(UserError, match="has spaces or letters beyond ASCII"):
        LabelStudio(URL, "a b")


def test_a_taxonomy_goes_there_as_a_tree_and_its_answers_come_back_as_nodes(tmp_path: Path) -> None:
    paths = ("Drinks > Tea > Green tea", "Drinks > Tea > Other", "Drinks > Coffee", "Food > Other")
    run, studio = run_with(tmp_path, TEXTS, kind="taxonomy", labels=paths), FakeStudio()
    assert push(run, studio) == Pushed(6, 6, 0, set_up=True)
    (result,) = studio.tasks[0]["predictions"][0]["result"]
    assert (result["type"], result["value"]) == ("taxonomy", {"taxonomy": [["Drinks", "Tea", "Green tea"]]})
    for task, path in enumerate((["Drinks", "Coffee"], ["Drinks", "Tea"], ["Food"], ["Food", "Other"]), start=1):
        studio.annotate(task, ["x"], result=[{**result, "value": {"taxonomy": [path]}}])
    studio.annotate(5, [])
    assert pull(run, studio).recorded.counted == 5
    assert labels(run) == ["Drinks > Coffee", "Drinks > Tea", "Food", "Food > Other", None, None]
    for wrong, message in (
        ([["Drinks", "Milk"]], "task 6, annotation 600: the choice 'Drinks > Milk' is not a label"),
        ([["Food"], ["Drinks"]], "task 6, annotation 600: has 2 choices; expected one"),
    ):
        studio.tasks[5]["annotations"] = []
        studio.annotate(6, ["x"], result=[{**result, "value": {"taxonomy": wrong}}])
        with pytest.raises(CorpusError, match=message):
            pull(run, studio)


def test_a_suggestion_that_the_taxonomy_no_longer_has_is_left_out(tmp_path: Path) -> None:
    run = run_with(tmp_path, TEXTS, kind="taxonomy", labels=("Food > Bread", "Food > Tea"))
    with look_at(run) as folder:
        control = read_control(label_config(folder.config.task.to_task()), folder.config.task.to_task())
    (first, *_) = all_questions(run)
    gone = replace(first, candidates=(Candidate("Food > Gone", 0.9),))
    assert "predictions" in tasks.as_task(first, "run", control, blind=False)
    assert "predictions" not in tasks.as_task(gone, "run", control, blind=False)
