"""What every step of a run works with."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from laud_ray.cluster.workers import Workers
from laud_ray.config import RunConfig
from laud_ray.data.corpus import Corpus
from laud_ray.events import Event, Observer
from laud_ray.storage.model_folder import ENGINES
from laud_ray.store.run import RunFolder
from laud_ray.store.store import Store
from laud_ray.types import Task

Progress = Callable[[int, int], None]


class WaitingError(Exception):
    """Answers are pending, for the reason given: the run can go on when they are there.

    Attributes:
        pending: how many.
    """

    def __init__(self, reason: str | None, pending: int) -> None:
        super().__init__(reason or "answers are pending")
        self.pending = pending


@dataclass(frozen=True, slots=True)
class Work:
    """A run that is being worked on, and who watches."""

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
        """Time a step and tell the observer; yields what the step calls to say how far it is."""
        return timed(self.store, self.observer, step, round, total)

    def note(self, step: str, round: int, note: str) -> None:
        """Tell the observer something that a person should know."""
        self.observer(Event("note", step, round, note=note))

    def workers(self, round: int) -> Workers:
        """Return the workers that score with the model of a round."""
        resources = self.config.resources
        engine = self.config.learner.kind in ENGINES if round else self.config.zero_shot.engine == "vllm"
        engines = resources.scorers if engine else 0
        return Workers(resources.cpus_per_scorer if engine else 1, resources.gpus_per_scorer, engines)


@contextmanager
def timed(store: Store, observer: Observer, step: str, round: int, total: int = 0) -> Iterator[Progress]:
    """Do what `Work.step` does, for the step before there is a Work."""
    began = time.monotonic()
    observer(Event("begin", step, round, total=total))
    try:
        yield lambda done, total: observer(Event("progress", step, round, done, total))
    except BaseException:
        # Hours may have been spent before it; why it ended matters more than a database that cannot be written.
        with suppress(SQLAlchemyError):
            store.add_timing(round, step, time.monotonic() - began)
        raise
    seconds = time.monotonic() - began
    store.add_timing(round, step, seconds)
    observer(Event("end", step, round, total=total, seconds=seconds))
