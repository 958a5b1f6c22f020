"""The context of the steps of a run: its folder, task, corpus and observer."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from laud_ray.cluster.workers import Workers
from laud_ray.config import RunConfig
from laud_ray.data.corpus import Corpus
from laud_ray.events import Event, Observer
from laud_ray.people.groups import Awaited
from laud_ray.storage.model_folder import ENGINES
from laud_ray.store.run import RunFolder
from laud_ray.store.store import Store
from laud_ray.types import Task

Progress = Callable[[int, int], None]


class WaitingError(Exception):
    """Some answers are pending. The message has the reason; the run can resume when they have arrived.

    Attributes:
        pending: the number of pending answers.
        awaited: the questions to people that it is about.
    """

    def __init__(self, reason: str | None, pending: int, awaited: Sequence[Awaited] = ()) -> None:
        super().__init__(reason or "answers are pending")
        self.pending, self.awaited = pending, tuple(awaited)


def together(waiting: Sequence[WaitingError]) -> WaitingError:
    """Combine the reasons of steps that wait at the same time."""
    if len(waiting) == 1:
        return waiting[0]
    pending = sum(one.pending for one in waiting)
    reasons = "; ".join(dict.fromkeys(map(str, waiting)))
    return WaitingError(reasons, pending, [awaited for one in waiting for awaited in one.awaited])


@dataclass(frozen=True, slots=True)
class Work:
    """A run in progress. The observer receives its events."""

    run: RunFolder
    task: Task
    corpus: Corpus
    observer: Observer

    @property
    def config(self) -> RunConfig:
        return self.run.config

    @property
    def store(self) -> Store:
        return self.run.store

    def step(self, step: str, round: int, total: int = 0) -> AbstractContextManager[Progress]:
        """Time a step and report it to the observer. Yields the function by which the step reports progress."""
        return timed(self.store, self.observer, step, round, total)

    def note(self, step: str, round: int, note: str) -> None:
        """Report a note for the user to the observer."""
        self.observer(Event("note", step, round, note=note))

    def is_engine(self, round: int) -> bool:
        """Whether the model of a round owns an engine, as language models do; else it is an encoder."""
        return self.config.learner.kind in ENGINES if round else self.config.zero_shot.engine == "vllm"

    def workers(self, round: int) -> Workers:
        """Return the workers that score with the model of a round."""
        resources = self.config.resources
        engine = self.is_engine(round)
        engines = resources.scorers if engine else 0
        return Workers(
            resources.cpus_per_scorer if engine else 1, resources.gpus_per_scorer, engines, resources.range_timeout
        )


@contextmanager
def timed(store: Store, observer: Observer, step: str, round: int, total: int = 0) -> Iterator[Progress]:
    """Like `Work.step`, for the step that runs before there is a Work."""
    began = time.monotonic()
    observer(Event("begin", step, round, total=total))
    try:
        yield lambda done, total: observer(Event("progress", step, round, done, total))
    except BaseException:
        # The step may have run for hours, so its error matters more than a database that cannot be written.
        with suppress(SQLAlchemyError):
            store.add_timing(round, step, time.monotonic() - began)
        raise
    seconds = time.monotonic() - began
    store.add_timing(round, step, seconds)
    observer(Event("end", step, round, total=total, seconds=seconds))
