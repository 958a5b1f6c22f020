"""One run's place: its files, its configuration, its database, and the lock that keeps a second process out."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy.exc import SQLAlchemyError

from laud_ray import config as configuration
from laud_ray.config import RunConfig
from laud_ray.errors import ConfigError, RunError, StoreError
from laud_ray.storage import Folder
from laud_ray.store import Store

CONFIG = "config.yaml"
DATABASE = "laud.db"
LOCK = ".lock"
# What is only made once the database stands.
BUILT = ("models", "rounds")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """RUN/: config.yaml, laud.db, corpus/, zero_shot/, rounds/0001/scores/, models/round-0001/, report.html."""

    folder: Folder
    config: RunConfig
    store: Store

    @property
    def corpus(self) -> Folder:
        return self.folder / "corpus"

    @property
    def models(self) -> Folder:
        return self.folder / "models"

    def scores(self, round: int) -> Folder:
        """Where a round's pass goes; round 0 is zero-shot."""
        return self.folder / (f"rounds/{round:04d}/scores" if round else "zero_shot")

    @staticmethod
    def model_name(round: int) -> str:
        return f"round-{round:04d}" if round else "zero-shot"


@contextmanager
def claim(config: RunConfig) -> Iterator[RunFolder]:
    """Open a run for writing: a new one, or the one that is there if its configuration agrees.

    Raises:
        ConfigError: if the storage is none that this version can write.
        RunError: if another process holds the run, its database is lost, or the configuration differs in what
            changes results.
        StoreError: if the database cannot be read or written.
    """
    folder = Folder(config.storage)
    local = _local(folder)
    try:
        local.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"storage: {config.storage!r} cannot be made: {error.strerror}; expected a folder") from None
    lock = FileLock(local / LOCK)
    try:
        # Long enough for `is_held` to let go.
        lock.acquire(timeout=1, poll_interval=0.05)
    except Timeout:
        raise RunError(f"{config.storage}: another process is working on this run; expected one at a time") from None
    try:
        with _opened(folder) as store:
            if folder.exists(CONFIG):
                _reconcile(folder, store, configuration.load(f"{config.storage}/{CONFIG}"), config)
            folder.write(CONFIG, config.dump().encode())
            yield RunFolder(folder, config, store)
    finally:
        lock.release()


@contextmanager
def look_at(path: str) -> Iterator[RunFolder]:
    """Open a run for reading, while another process may be writing it.

    Feedback and promotions may be added to its store meanwhile, by any number of processes; a write waits up to 30 s
    for another one. The store may be kept open and shared by threads.

    Raises:
        RunError: if there is no run, or its database is lost.
    """
    folder = Folder(path)
    if folder.exists(DATABASE) and not folder.exists(CONFIG):
        raise RunError(f"{path}: {CONFIG} is missing; `laud run` with the run's original YAML restores it")
    if not folder.exists(DATABASE):
        _refuse_lost(_local(folder))
        raise RunError(f"{path}: no run is here; expected a folder that `laud run` made")
    with _opened(folder) as store:
        yield RunFolder(folder, configuration.load(f"{path}/{CONFIG}"), store)


def configured(path: str) -> RunConfig:
    """Read the YAML file of a run. The config.yaml within a run's folder means that run, from wherever it is called.

    Raises:
        ConfigError: one line per mistake.
    """
    config, file = configuration.load(path), Path(path)
    if file.name != CONFIG or not any((file.parent / name).exists() for name in (DATABASE, *BUILT)):
        return config
    here = os.path.abspath(file.parent)
    same = os.path.realpath(config.storage) == os.path.realpath(here)
    return config if same else config.model_copy(update={"storage": here})


def is_held(folder: Folder) -> bool:
    """Whether a process is working on the run."""
    if folder.local is None or not (folder.local / LOCK).exists():
        return False
    lock = FileLock(folder.local / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    except OSError:  # a place that only may be read: nobody writes a run there
        return False
    lock.release()
    return False


@contextmanager
def _opened(folder: Folder) -> Iterator[Store]:
    """Open the database of a run; what goes wrong with it is said in one line."""
    local = _local(folder)
    _refuse_lost(local)
    try:
        store = Store(f"sqlite:///{os.path.abspath(local / DATABASE)}")
        try:
            yield store
        finally:
            store.close()
    except (SQLAlchemyError, sqlite3.Error) as error:
        cause = str(getattr(error, "orig", None) or error).partition("\n")[0]
        raise StoreError(f"{folder.uri} database: {cause}") from error


def _refuse_lost(local: Path) -> None:
    """Refuse a run whose database is gone: to go on would be to buy its annotations again."""
    database = local / DATABASE
    if database.exists() and database.stat().st_size:
        return
    left = [name for name in BUILT if (local / name).is_dir() and any((local / name).iterdir())]
    if left:
        raise RunError(
            f"{local}: {DATABASE} is {'empty' if database.exists() else 'missing'} beside {' and '.join(left)}; "
            "the run's annotations stood in it: restore it, or take another storage"
        )


def _local(folder: Folder) -> Path:
    if folder.local is None:
        raise ConfigError(
            f"storage: {folder.uri!r} is not a local folder; expected one: this version stores runs there"
        )
    return folder.local


def _reconcile(folder: Folder, store: Store, old: RunConfig, new: RunConfig) -> None:
    """Refuse a configuration that changes results; before the first query all there is can be made again."""
    changed = configuration.differences(old, new)
    asked = store.queries()
    if changed and all(line.startswith(("budget.", "stop")) for line in changed):
        _check_budget(new, sum(query.purpose != "evaluation" for query in asked))
    elif changed and asked:
        raise RunError(
            f"{new.storage}: holds a run with another configuration ({'; '.join(changed)}); "
            "expected the same one, or another storage"
        )
    if any(line.startswith(("task", "corpus", "oracle", "evaluation.oracle", "seed", "zero_shot")) for line in changed):
        for name in ("corpus", "zero_shot", "models"):
            (folder / name).remove()


def _check_budget(config: RunConfig, spent: int) -> None:
    """A budget may be raised, or lowered to what is spent, and stop rules may change: nothing is lost by it."""
    if config.budget.annotations < spent:
        raise RunError(
            f"{config.storage}: budget.annotations: {config.budget.annotations}, but {spent} annotations are spent "
            "or asked for; expected at least as many"
        )
