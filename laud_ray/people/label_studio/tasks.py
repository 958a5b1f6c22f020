"""Questions as tasks of Label Studio, and the annotations of its tasks as answers. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from laud_ray.people.exchange.identity import vote_id
from laud_ray.people.exchange.mistakes import refusal
from laud_ray.people.exchange.record import Given
from laud_ray.people.exchange.said import Words, words_of
from laud_ray.people.label_studio.label_config import Control
from laud_ray.people.questions import Candidate, Question, number_of
from laud_ray.people.votes import MOST_COMMENT, Answer
from laud_ray.printable import quoted
from laud_ray.types import Task

# Where several labels may apply, a prediction has those that are likelier than this.
LIKELY = 0.5
# Fields of a task's data. Label Studio's own exports overwrite `id` and `label`.
QUESTION, DOCUMENT, RUN = "laud_question", "laud_document", "laud_run"


@dataclass(frozen=True, slots=True)
class Pulled:
    """The answers of a project's tasks: the latest of each person, in the order in which they were given.

    Attributes:
        unanswered: tasks of the run that nobody has answered.
        others: tasks that are not of the run.
    """

    given: tuple[Given, ...]
    unanswered: int
    others: int


def as_task(one: Question, run: str, control: Control, *, blind: bool) -> dict[str, object]:
    """Return a question as a task; where it may show its candidates, the likeliest one is a prediction.

    In a multilabel task it is the set of the candidates that are likelier than not, if there are any.
    """
    made: dict[str, object] = {
        "data": {control.field: one.document.text, QUESTION: one.id, DOCUMENT: one.document.id, RUN: run}
    }
    # A label of an earlier version of a taxonomy may be gone.
    top = [each for each in _predicted(one, control) if each.label in control.choices]
    if top and one.suggests and not blind:
        score = min(max(min(each.probability for each in top), 0.0), 1.0)
        result = control.result([each.label for each in top], one.id)
        prediction = {"model_version": one.model, "score": score, "result": [result]}
        made["predictions"] = [prediction]
    return made


def _predicted(question: Question, control: Control) -> list[Candidate]:
    """Return the candidates that the prediction of a question's task has."""
    found = question.candidates
    return [each for each in found if each.probability > LIKELY] if control.several else list(found[:1])


def sent(tasks: Sequence[Mapping[str, Any]], run: str) -> set[str]:
    """Return the ids of the questions of a run that a project has tasks for."""
    return {str(data.get(QUESTION)) for data in map(_data, tasks) if data.get(RUN) == run}


def answers(
    tasks: Sequence[Mapping[str, Any]],
    people: Mapping[int, str],
    control: Control,
    questions: Mapping[int, Question],
    task: Task,
    run: str,
    source: str,
    *,
    shows: bool,
) -> Pulled:
    """Read the answers of a project's tasks. A skipped task, or an annotation without a choice, is "unsure".

    Args:
        people: the names of users by their numbers.
        questions: of the run, by number.
        run: the name by which tasks refer to the run, see `identity.name_of`.
        source: what a message calls the project.
        shows: whether the project shows predictions.

    Raises:
        CorpusError: with a line for each of the first annotations that are not valid.
    """
    words, mistakes = words_of(task), list[str]()
    latest: dict[tuple[int, str], tuple[datetime, Given]] = {}
    unanswered = others = 0
    for one in tasks:
        if _data(one).get(RUN) != run:
            others += 1
            continue
        annotations = [each for each in one.get("annotations") or () if isinstance(each, dict)]
        unanswered += not annotations
        for each in annotations:
            try:
                at, given = _answer(one, each, people, control, questions, words, shows=shows)
            except ValueError as error:
                mistakes.append(f"{source}: task {one.get('id')}, annotation {each.get('id')}: {error}")
                continue
            key = (given.question, given.person)
            if key not in latest or latest[key][0] < at:
                latest[key] = (at, given)
    if mistakes:
        raise refusal(mistakes, source)
    return Pulled(tuple(one for _, one in sorted(latest.values(), key=lambda pair: pair[0])), unanswered, others)


def _answer(
    task: Mapping[str, Any],
    annotation: Mapping[str, Any],
    people: Mapping[int, str],
    control: Control,
    questions: Mapping[int, Question],
    words: Words,
    *,
    shows: bool,
) -> tuple[datetime, Given]:
    """Read an annotation; ValueError says what is wrong with it."""
    number = number_of(str(_data(task).get(QUESTION)))
    if number is None or number not in questions:
        raise ValueError(f"{QUESTION}: {quoted(_data(task).get(QUESTION))} is not a question of this run")
    question, results = questions[number], [one for one in annotation.get("result") or () if isinstance(one, dict)]
    answer, label = _said(annotation, results, control, words)
    # What the task had when it was sent: a question stops suggesting once somebody has answered it.
    suggested = shows and question.show and bool(annotation.get("prediction"))
    when = str(annotation.get("updated_at") or annotation.get("created_at"))
    at = datetime.fromisoformat(when)
    name = annotation.get("unique_id") or f"{task.get('project')} {annotation.get('id')}"
    given = Given(
        f"task {task.get('id')}",
        vote_id("label-studio", name, when),
        _person(annotation.get("completed_by"), people),
        number,
        answer,
        label,
        _comment(results),
        _seconds(annotation.get("lead_time")),
        tuple(each.label for each in _predicted(question, control)) if suggested else None,
        at,
    )
    return at, given


def _said(
    annotation: Mapping[str, Any], results: Sequence[Mapping[str, Any]], control: Control, words: Words
) -> tuple[Answer, str | None]:
    chosen = list(_chosen(results, control))
    if annotation.get("was_cancelled") or not chosen:
        return "unsure", None
    if len(chosen) > 1 and not control.several:
        raise ValueError(f"has {len(chosen)} choices; expected one")
    texts = [one if isinstance(one, str) else words.text_of(one) for one in chosen]
    text = json.dumps(texts, ensure_ascii=False) if len(texts) > 1 else texts[0]
    said = words.read(text)
    if said is None:
        raise ValueError(f"the choice {quoted('; '.join(texts))} {words.expected(text)}")
    return said


def _chosen(results: Sequence[Mapping[str, Any]], control: Control) -> Iterator[str | Sequence[str]]:
    for one in results:
        if one.get("from_name") == control.name:
            for each in _mapping(one.get("value")).get(control.kind) or ():
                yield each if isinstance(each, str) else [str(part) for part in each]


def _comment(results: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the text that a person wrote into a text area of the project, if it has one."""
    texts = [str(text) for one in results for text in _mapping(one.get("value")).get("text") or ()]
    return "\n".join(texts)[:MOST_COMMENT] or None


def _person(user: object, people: Mapping[int, str]) -> str:
    """The name of a user: the e-mail address, or the number of one who is no longer there."""
    number = user.get("id") if isinstance(user, dict) else user
    if not isinstance(number, int):
        raise ValueError(f"completed_by: {quoted(user)} is not a user")
    return people.get(number) or f"Label Studio user {number}"


def _seconds(lead_time: object) -> float | None:
    return float(lead_time) if isinstance(lead_time, int | float) and lead_time >= 0 else None


def _data(task: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(task.get("data"))


def _mapping(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}
