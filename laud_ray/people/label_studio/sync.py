"""Push a run's questions to a project of Label Studio, and pull the answers. Either can be repeated at any time."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from laud_ray.errors import ServiceError, UserError
from laud_ray.people.cost import require_unspent
from laud_ray.people.exchange import identity
from laud_ray.people.exchange.files import Imported, left, people_of
from laud_ray.people.exchange.record import record
from laud_ray.people.label_studio import tasks
from laud_ray.people.label_studio.connection import ATTEMPTS, DroppedError, LabelStudio, Project
from laud_ray.people.label_studio.label_config import Control, is_empty, label_config, read_control
from laud_ray.people.questions import Question, questions
from laud_ray.people.sets import names_of
from laud_ray.storage.credentials import is_variable
from laud_ray.store.run import RunFolder

TOKEN = "LABEL_STUDIO_TOKEN"
# Tasks in one request.
AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class Pushed:
    """The result of a push.

    Attributes:
        sent: tasks added, `suggested` of them with a suggestion.
        present: open questions that the project had a task for already.
        set_up: whether the project was given the labels of the task.
    """

    sent: int
    suggested: int
    present: int
    set_up: bool


def token_of(variable: str) -> str:
    """Return the token that an environment variable holds.

    Raises:
        UserError: if it holds none. The message does not show what may be a token.
    """
    if not is_variable(variable):
        raise UserError(f"--token-env: is not the name of an environment variable; expected a name such as {TOKEN}")
    token = os.environ.get(variable, "").strip()
    if not token:
        raise UserError(f"{variable}: is not set; expected an access token of Label Studio (Account & Settings) in it")
    return token


def push(
    run: RunFolder,
    studio: LabelStudio,
    project: int,
    *,
    blind: bool = False,
    purpose: str | None = None,
    limit: int | None = None,
    set_labels: bool = False,
) -> Pushed:
    """Add the open questions of a run to a project that it has no task for.

    A project without a label config is given that of the task.

    Args:
        blind: send no suggestions; otherwise each question decides.
        purpose: only the questions asked for it.
        limit: the most questions that the project has tasks for afterwards, of those that are open.
        set_labels: replace the project's label config by that of the task.

    Raises:
        UserError: if the project does not offer the task's labels, Label Studio refuses, or the answers have cost
            `max_dollars`.
        ServiceError: if Label Studio fails or cannot be reached; what was sent is not sent again.
    """
    rules = people_of(run)
    require_unspent(run.store.engine, rules, run.folder.uri)
    guideline = rules.guideline
    task, every = run.config.task.to_task(), questions(run.store.engine)
    name = identity.name_of(task.name, every[:1])
    chosen = [one for one in every if one.state == "open" and purpose in (None, one.purpose)][:limit]
    found = studio.project(project)
    set_up = set_labels or is_empty(found.label_config)
    if set_up:
        found = Project(project, label_config(task), found.shows_predictions)
        told = {"expert_instruction": guideline, "show_instruction": True} if guideline else {}
        studio.set_up(project, {"label_config": found.label_config, **told})
    control = _control(run, studio, found)
    present = tasks.sent(studio.tasks(project), name)
    new = [one for one in chosen if one.id not in present]
    _send(studio, project, new, name, control, blind=blind)
    suggested = 0 if blind else sum(one.suggests for one in new)
    return Pushed(len(new), suggested, len(chosen) - len(new), set_up)


def pull(run: RunFolder, studio: LabelStudio, project: int) -> Imported:
    """Record the answers in a project as votes: all that are new, or none if one is not valid.

    Raises:
        CorpusError: if an annotation is not valid.
        UserError: if the project holds no questions of the run, or Label Studio refuses.
        ServiceError: if Label Studio fails or cannot be reached.
    """
    rules, task = people_of(run), run.config.task.to_task()
    every = questions(run.store.engine)
    name, numbers = identity.name_of(task.name, every[:1]), {one.number: one for one in every}
    found = studio.project(project)
    control = _control(run, studio, found)
    all_tasks, source = studio.tasks(project), f"{studio.url} project {project}"
    if not tasks.sent(all_tasks, name):
        raise UserError(f"{source}: holds no questions of this run, {name}; `laud questions push` sends them")
    given = tasks.answers(
        all_tasks, studio.people(), control, numbers, task, name, source, shows=found.shows_predictions
    )
    recorded = record(run.store.engine, given.given, numbers, rules, names_of(task), via="label-studio")
    notes = (f"{given.others:,} tasks of the project are not of this run",) if given.others else ()
    return Imported(recorded, given.unanswered, left(run, rules), notes)


def _control(run: RunFolder, studio: LabelStudio, project: Project) -> Control:
    try:
        return read_control(project.label_config, run.config.task.to_task())
    except UserError as error:
        raise UserError(
            f"{studio.url} project {project.id}: {error}; `laud questions push --set-labels` writes the task's labels"
        ) from None


def _send(
    studio: LabelStudio, project: int, new: Sequence[Question], run: str, control: Control, *, blind: bool
) -> None:
    """Send questions. Where a connection was lost, look first which of them have arrived."""
    tries = 0
    while new:
        part = new[:AT_ONCE]
        try:
            studio.add(project, [tasks.as_task(one, run, control, blind=blind) for one in part])
            new = new[AT_ONCE:]
        except DroppedError as error:
            tries += 1
            if tries == ATTEMPTS:
                raise ServiceError(
                    f"{studio.url}: the connection was lost {tries} times; the same command sends what is missing",
                    code="unreachable",
                ) from error
            studio.wait(tries)
            arrived = tasks.sent(studio.tasks(project), run)
            new = [one for one in new if one.id not in arrived]
