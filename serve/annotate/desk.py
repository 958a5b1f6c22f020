"""The run whose questions are answered: opened, read and written. Every method may block, and may be called by any
thread.
"""

import math
import threading
import time
import uuid
from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from laud_ray.config import PeopleConfig
from laud_ray.errors import ConfigError, RunError
from laud_ray.people.questions import rules_of, take_turn
from laud_ray.people.sets import names_of
from laud_ray.store.database.connection import in_turn, read, write
from laud_ray.store.run import RunFolder, look_at
from laud_ray.store.tables import put_setting, settings
from laud_ray.store.trees import CONFIGURATION
from laud_ray.store.versions.record import history
from laud_ray.types import Task
from serve.annotate.faults import as_faults
from serve.annotate.nodes import Nodes
from serve.annotate.writer import Writer
from serve.schemas import FaultError

T = TypeVar("T")
# The setting that names a run: a browser keeps answers for one run, and never sends them to another.
RUN_ID = "annotate_run"
# Seconds between two looks for a run that is gone.
AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Opened:
    """A run while it is open.

    Attributes:
        names: what an answer may be.
        nodes: of a taxonomy; None for other tasks.
        labels: a hash of the taxonomy, or of a flat list that has changed, by which a page notices another version.
        configuration: as the run had it when it was opened.
    """

    id: str
    folder: RunFolder
    rules: PeopleConfig
    task: Task
    names: Collection[str]
    nodes: Nodes | None
    labels: str | None
    configuration: str | None

    @property
    def engine(self) -> Engine:
        return self.folder.store.engine


class Desk:
    """Keeps a run open, and opens it again if it was replaced, as from a backup."""

    def __init__(self, path: str) -> None:
        """Open the run at a path.

        Raises:
            UserError: if there is none, or it asks no people.
        """
        self.path = path
        self._lock = threading.RLock()
        self._held, self._failed = ExitStack(), (0.0, RunError(path))
        self._looked = time.monotonic()
        self._opened: Opened | None = self._open()
        self._writer = Writer(self._transact)

    @property
    def at_hand(self) -> Opened | None:
        """The run, if it is open; looking blocks nobody."""
        return self._opened

    def opened(self) -> Opened:
        """Return the run.

        Raises:
            RunError: if it is gone.
        """
        with self._lock:
            if self._opened is None:
                since, error = self._failed
                if time.monotonic() - since < AGAIN_S:
                    raise error
                try:
                    self._opened = self._open()
                except (RunError, ConfigError) as found:
                    self._failed = (time.monotonic(), RunError(str(found)))
                    raise self._failed[1] from None
            return self._opened

    def check(self, run: str | None) -> Opened:
        """Return the run, if it is still the one that a page was opened for.

        Raises:
            FaultError: 409 if it is another one.
        """
        with as_faults():
            opened = self.opened()
        if run is not None and run != opened.id:
            message = f"run: {run} is not the run that is served here now; expected {opened.id}"
            raise FaultError(409, "other_run", message)
        return opened

    def look(self, work: Callable[[Opened], T]) -> T:
        """Do what only reads.

        Raises:
            FaultError: if the run cannot be read.
        """
        with as_faults():
            opened = self._renewed(self.opened())
            try:
                return work(opened)
            except RunError:
                self._forget(opened)
                raise

    def write(self, job: Callable[[Connection], T]) -> "Future[T]":
        """Let a job be done in a transaction, maybe together with others; the future has its result or error."""
        return self._writer.do(job)

    def changed(self) -> None:
        """Notice another version of the labels at the next look, which this process has just made."""
        with self._lock:
            self._looked = -math.inf

    def close(self) -> None:
        """Write what still waits, and close the run."""
        self._writer.close()
        with self._lock:
            self._held.close()

    def _renewed(self, opened: Opened) -> Opened:
        """Open the run again if its configuration was changed, such as to a new version of its taxonomy."""
        with self._lock:
            if time.monotonic() - self._looked < AGAIN_S:
                return opened
            self._looked = time.monotonic()
        if opened.folder.store.setting(CONFIGURATION) == opened.configuration:
            return opened
        self._forget(opened)
        return self.opened()

    def _transact(self, work: Callable[[Connection], list[Any]]) -> list[Any]:
        opened = self.opened()

        def in_one(connection: Connection) -> list[Any]:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            take_turn(connection)
            return work(connection)

        try:
            return write(opened.engine, in_one)
        except RunError:
            self._forget(opened)
            raise

    def _open(self) -> Opened:
        with ExitStack() as opening:
            folder = opening.enter_context(look_at(self.path))
            rules = rules_of(folder.config)
            if rules is None:
                expected = "a run with `oracle: {kind: people}`, alone, in a cascade, or as evaluation.oracle"
                raise ConfigError(f"{self.path}: asks no people; expected {expected}")
            task = folder.config.task.to_task()
            nodes = None if task.taxonomy is None else Nodes(task.taxonomy)
            tree, versions = folder.config.task.tree, history(folder.store.engine)
            changed = None if versions is None else versions.current.tree
            opened = Opened(
                _run_id(folder),
                folder,
                rules,
                task,
                names_of(task),
                nodes,
                changed if tree is None else tree.digest,
                folder.store.setting(CONFIGURATION),
            )
            self._held = opening.pop_all()
        return opened

    def _forget(self, opened: Opened) -> None:
        with self._lock:
            if self._opened is opened:
                self._opened, self._failed = None, (0.0, RunError(self.path))
                self._held.close()


def _run_id(folder: RunFolder) -> str:
    """Return the run's name of its own; the first who asks gives it one."""
    engine, key = folder.store.engine, settings.c.key == RUN_ID

    def find(connection: Connection) -> str | None:
        found: str | None = connection.scalar(settings.select().with_only_columns(settings.c.value).where(key))
        return found

    def give(connection: Connection) -> str:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        in_turn(connection, RUN_ID)
        if (found := find(connection)) is None:
            put_setting(connection, RUN_ID, found := uuid.uuid4().hex)
        return found

    return read(engine, find) or write(engine, give)
