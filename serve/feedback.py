"""Validate and store people's feedback on predictions.

This happens in separate threads, so that a database that is locked, full or unreachable does not delay other requests.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from laud_ray.config.mistakes import known_names
from laud_ray.errors import StoreError, UserError
from laud_ray.label_sets import LabelSet
from laud_ray.labels import known_labels
from laud_ray.people.sets import SetNames
from laud_ray.printable import quoted
from laud_ray.store.model_records import models
from laud_ray.store.run import RunFolder
from laud_ray.taxonomy import Taxonomy
from laud_ray.types import Task
from serve.arguments import Limits
from serve.cleaning import clean_one
from serve.refusals import database_cause
from serve.registry import Registry
from serve.request_body import parse
from serve.schemas import FaultError, FeedbackRequest

WRITERS, MOST_WAITING = 2, 64
# Seconds after which the feedback of all replicas is counted again.
COUNT_EVERY_S = 60.0
# The Retry-After of a run that can store no more feedback, which a person has to resolve.
FULL_S = 3600
_AWAY = (DBAPIError, NoConnectionError, StoreError, OSError)
_OURS = (IntegrityError, ProgrammingError, DataError, NotSupportedError)


@dataclass(frozen=True, slots=True)
class Kept:
    """Feedback that is stored in the run's database.

    Attributes:
        new: False if the same feedback was stored before.
        sort: label or wrong.
    """

    new: bool
    id: str
    sort: str


class FeedbackWriter:
    """Stores feedback in the run of a registry."""

    def __init__(self, registry: Registry, limits: Limits, log: logging.Logger) -> None:
        self._registry, self._limits, self._log = registry, limits, log
        self._threads = ThreadPoolExecutor(WRITERS, "feedback")
        self._waiting = 0
        self._run: RunFolder | None = None
        self._size, self._counted = 0, 0.0
        self._task: tuple[RunFolder, Task] | None = None

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def add(self, body: bytes, person: str | None = None) -> Kept:
        """Store feedback. It is committed to the run's database when this returns.

        Args:
            person: whose token the request has; that person gave the feedback, whatever the body says.

        Raises:
            FaultError: 409 if no run is served, 422 if the feedback is invalid, 429 if the run can store no more, 503
                if it cannot be written now.
        """
        if self._waiting >= MOST_WAITING:
            raise _away(f"{self._waiting} entries wait for it")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limits.deadline_s):
                return await asyncio.get_running_loop().run_in_executor(self._threads, self._add, body, person)
        except TimeoutError:
            raise _away(f"no answer within {self._limits.deadline_s:g} s") from None
        finally:
            self._waiting -= 1

    def _add(self, body: bytes, person: str | None) -> Kept:
        request = parse(FeedbackRequest, body)
        who = person or request.who
        text = clean_one(request.text, self._limits, "text")
        try:
            run = self._registry.run()
            if run is None:
                raise FaultError(
                    409, "no_run", "a model's folder is served, not a run: there is nowhere to keep feedback"
                )
            return self._keep(run, request, text, who)
        except UserError as error:
            raise FaultError(503, "run_gone", f"{error}: there is nowhere to keep feedback") from None
        except _OURS:
            raise
        except _AWAY as error:
            self._log.warning("feedback was not stored", extra={"error": database_cause(error)})
            raise _away(database_cause(error)) from None

    def _keep(self, run: RunFolder, request: FeedbackRequest, text: str, who: str) -> Kept:
        task = self._task_of(run)
        label, predicted = _answer(request, task), _prediction(request.predicted, task)
        model = request.model
        if model is not None:
            _check_model(model, [one.name for one in models(run.store.engine)])
        size = sum(len(one or "") for one in (text, label, who, predicted, model))
        self._make_room(run, size)
        id, new = run.store.add_feedback(text, label, who, predicted, model)
        if self._registry.run() is not run:
            raise FaultError(503, "run_gone", "the run was replaced by another one meanwhile; send it again")
        self._size += size if new else 0
        return Kept(new, id, "label" if label is not None else "wrong")

    def _task_of(self, run: RunFolder) -> Task:
        """Return the task of a run, which is made once: a taxonomy may have many labels."""
        made = self._task
        if made is None or made[0] is not run:
            made = self._task = run, run.config.task.to_task()
        return made[1]

    def _make_room(self, run: RunFolder, size: int) -> None:
        if run is not self._run or time.monotonic() - self._counted > COUNT_EVERY_S:
            self._size, self._run, self._counted = run.store.feedback_size(), run, time.monotonic()
        if self._size + size > self._limits.max_feedback:
            message = f"the run keeps {self._size} characters of feedback; expected at most {self._limits.max_feedback}"
            raise FaultError(429, "feedback_full", message, retry_after=FULL_S)


def _answer(request: FeedbackRequest, task: Task) -> str | None:
    """Return the right label that a person gave, or the text of the right set of labels; None for none.

    Raises:
        FaultError: 422 if it does not fit the task.
    """
    if task.multilabel and request.label is not None:
        raise FaultError(422, "invalid", "label: is not valid, because several labels can apply; expected labels")
    if not task.multilabel and request.labels is not None:
        raise FaultError(422, "invalid", "labels: is not valid, because one label applies; expected label")
    if request.labels is None:
        return _own_label("label", request.label, task)
    found = _own_set("labels", request.labels, task)
    if (mistake := SetNames(task).mistake_in(found.yes)) is not None:
        raise FaultError(422, "invalid", f"labels: {mistake}")
    return found.text


def _prediction(predicted: str | list[str] | None, task: Task) -> str | None:
    """Return the prediction that a person saw: a label, or the text of a set of labels."""
    if task.multilabel and predicted is not None:
        return _own_set("predicted", [predicted] if isinstance(predicted, str) else predicted, task).text
    if isinstance(predicted, list):
        raise FaultError(
            422, "invalid", "predicted: is a list; expected the name of a label, because one label applies"
        )
    return _own_label("predicted", predicted, task)


def _own_set(field: str, names: Sequence[str], task: Task) -> LabelSet:
    found = (_own_label(f"{field}[{place}]", name, task) for place, name in enumerate(names))
    return LabelSet.of(name for name in found if name is not None)


def _own_label(field: str, text: str | None, task: Task) -> str | None:
    """Return the name of a label of the task, given its name or another spelling of it.

    Raises:
        FaultError: 422 if the task has no such label.
    """
    if text is None:
        return None
    if task.taxonomy is not None:
        return _own_node(field, text, task.taxonomy)
    known = known_labels(task)
    found = None if known.find(text) is None else known.find_class(text)
    if found is None:
        names = known_names(text, task.names)
        raise FaultError(422, "invalid", f"{field}: {quoted(text)} is not a label of the run; expected one of {names}")
    return found


def _own_node(field: str, text: str, taxonomy: Taxonomy) -> str:
    """Return the path of the node that a text names: a leaf, or an inner node that was answered."""
    try:
        node = taxonomy.find(text)
    except ValueError as error:
        raise FaultError(422, "invalid", f"{field}: {error}") from None
    if node is None:
        raise FaultError(
            422, "invalid", f"{field}: {quoted(text)} is not in the taxonomy of the run; expected a path or a code"
        )
    return taxonomy.label(node)


def _check_model(name: str, made: Sequence[str]) -> None:
    """Raise FaultError 422 if a run has no model with this name."""
    if name not in made:
        names = known_names(name, made[::-1])
        raise FaultError(422, "invalid", f"model: {quoted(name)} is not a model of the run; expected one of {names}")


def _away(cause: str) -> FaultError:
    return FaultError(503, "database", f"the run's database cannot be written now: {cause}")
