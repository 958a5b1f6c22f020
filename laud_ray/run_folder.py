"""One run's place: its files, its configuration, its database, and the lock that keeps a second process out."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from laud_ray import config as configuration
from laud_ray import run_schema, second_opinions
from laud_ray.config import RunConfig
from laud_ray.database import open_database
from laud_ray.errors import ConfigError, RunError, StorageError, StoreError
from laud_ray.run_schema import SCHEMA
from laud_ray.storage import Folder
from laud_ray.store import Store

CONFIG = "config.yaml"
DATABASE = "laud.db"
LOCK = ".lock"
# For how long a lost database is waited for: one that a run is written to may restart meanwhile.
PATIENCE_WRITING, PATIENCE_READING = 120.0, 5.0
# What is only made once the database stands.
BUILT = ("models", "rounds")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """RUN/: config.yaml, laud.db, corpus/, zero_shot/, rounds/0001/scores/, models/round-0001/, report.html.

    With the config key `store` the database is elsewhere, and schema.json in the place of laud.db says where in it.
    """

    folder: Folder
    config: RunConfig
    store: Store

    @property
    def corpus(self) -> Folder:
        return self.folder / "corpus"

    @property
    def models(self) -> Folder:
        return self.folder / "models"

    def require(self) -> None:
        """Raise RunError if the run is gone: its open database outlives it, and nobody would find what is written."""
        if not self.folder.exists(SCHEMA if self.config.store else DATABASE):
            raise RunError(f"{self.folder.uri}: the run is gone")

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
    folder.require()
    _refuse_other_store(folder, config)
    with ExitStack() as held, _one_line(folder):
        if folder.local is not None:
            held.enter_context(_locked(folder.local))
        if config.store is None:
            engine = _sqlite(_local(folder))
        else:
            schema = held.enter_context(run_schema.claimed(config.store, folder))
            _refuse_lost_schema(folder, config.store, schema)
            engine = open_database(config.store, schema=schema, patience=PATIENCE_WRITING)
            run_schema.fence(engine, folder.uri)
        store = Store(engine)
        held.callback(store.close)
        if folder.exists(CONFIG):
            _reconcile(folder, store, configuration.load(f"{config.storage}/{CONFIG}"), config)
        folder.write(CONFIG, config.dump().encode())
        yield RunFolder(folder, config, store)


@contextmanager
def look_at(path: str) -> Iterator[RunFolder]:
    """Open a run for reading, while another process may be writing it.

    Feedback and promotions may be added to its store meanwhile, by any number of processes; a write waits up to 30 s
    for another one. The store may be kept open and shared by threads.

    Raises:
        RunError: if there is no run, or its database is lost.
    """
    folder = Folder(path)
    folder.require()
    database = next((name for name in (DATABASE, SCHEMA) if folder.exists(name)), None)
    if database is not None and not folder.exists(CONFIG):
        raise RunError(f"{path}: {CONFIG} is missing; `laud run` with the run's original YAML restores it")
    if database is None:
        _refuse_lost(folder)
        raise RunError(f"{path}: no run is here; expected a folder that `laud run` made")
    config = configuration.load(f"{path}/{CONFIG}")
    _refuse_other_store(folder, config)
    with _one_line(folder):
        if config.store is None:
            engine = _sqlite(_local(folder))
        else:
            schema = run_schema.named(folder)
            _refuse_lost_schema(folder, config.store, schema)
            engine = open_database(config.store, schema=schema, patience=PATIENCE_READING)
        store = Store(engine)
        try:
            yield RunFolder(folder, config, store)
        finally:
            store.close()


def configured(path: str) -> RunConfig:
    """Read the YAML file of a run. The config.yaml within a run's folder means that run, from wherever it is called.

    Raises:
        ConfigError: one line per mistake.
    """
    config, file = configuration.load(path), Path(path)
    if "://" in path:
        folder, _, name = path.rpartition("/")
        inside = name == CONFIG and any(Folder(folder).exists(one) for one in (DATABASE, SCHEMA, *BUILT))
        return config.model_copy(update={"storage": folder}) if inside else config
    if file.name != CONFIG or not any((file.parent / name).exists() for name in (DATABASE, SCHEMA, *BUILT)):
        return config
    here = os.path.abspath(file.parent)
    same = os.path.realpath(config.storage) == os.path.realpath(here)
    return config if same else config.model_copy(update={"storage": here})


def is_held(run: RunFolder) -> bool:
    """Whether a process is working on the run."""
    folder = run.folder
    if run.config.store is not None:
        return run_schema.is_claimed(run.store.engine, run_schema.named(folder))
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
def _locked(local: Path) -> Iterator[None]:
    """Keep other processes of this machine, or of what shares the folder's disk, out of a run."""
    try:
        local.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"storage: {str(local)!r} cannot be made: {error.strerror}; expected a folder") from None
    lock = FileLock(local / LOCK)
    try:
        # Long enough for `is_held` to let go.
        lock.acquire(timeout=1, poll_interval=0.05)
    except Timeout:
        raise RunError(f"{local}: {run_schema.BUSY}") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _one_line(folder: Folder) -> Iterator[None]:
    """Say in one line what goes wrong with the database of a run."""
    try:
        yield
    except StorageError:
        raise
    except (SQLAlchemyError, sqlite3.Error) as error:
        cause = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        raise StoreError(f"{folder.uri} database: {cause}") from error


def _sqlite(local: Path) -> Engine:
    _refuse_lost(Folder(str(local)))
    return open_database(f"sqlite:///{os.path.abspath(local / DATABASE)}")


def _refuse_lost(folder: Folder) -> None:
    """Refuse a run whose database is gone: to go on would be to buy its annotations again."""
    database = folder.local / DATABASE if folder.local is not None else None
    if database is not None and database.exists() and database.stat().st_size:
        return
    left = _built(folder)
    if left:
        name = DATABASE if database is not None else SCHEMA
        raise RunError(
            f"{folder.uri}: {name} is {'empty' if database and database.exists() else 'missing'} beside "
            f"{' and '.join(left)}; the run's annotations stood in it: restore it, or take another storage"
        )


def _refuse_lost_schema(folder: Folder, url: str, schema: str) -> None:
    """Refuse a run whose schema the database does not have, or not any more."""
    if not run_schema.exists(url, schema) and (left := _built(folder)):
        raise RunError(
            f"{folder.uri}: the database of `store` has no schema {schema} beside {' and '.join(left)}; the run's "
            "annotations stood in it: restore it, or take another storage"
        )


def _built(folder: Folder) -> list[str]:
    return [name for name in BUILT if not (folder / name).is_empty()]


def _refuse_other_store(folder: Folder, config: RunConfig) -> None:
    """Refuse a run whose annotations are in another kind of database than the configuration says."""
    if config.store is None:
        if folder.local is None:
            raise ConfigError(
                f"storage: {folder.uri!r} is an object store, which holds no database; expected the key `store` with "
                "one, such as postgresql://laud@db.example.com/laud, or a local folder"
            )
        if folder.exists(SCHEMA):
            raise RunError(f"{folder.uri}: the run's database is in PostgreSQL; expected the key `store` to say where")
    elif folder.exists(DATABASE):
        raise RunError(
            f"{folder.uri}: {DATABASE} holds the run's annotations; expected no key `store`, or another storage"
        )


def _local(folder: Folder) -> Path:
    if folder.local is None:
        raise ConfigError(f"storage: {folder.uri!r} is not a local folder; expected one")
    return folder.local


def _reconcile(folder: Folder, store: Store, old: RunConfig, new: RunConfig) -> None:
    """Refuse a configuration that changes results; before the first query all there is can be made again."""
    changed = configuration.differences(old, new)
    asked = store.queries()
    if changed and all(line.startswith(("budget.", "stop")) for line in changed):
        again = second_opinions.asked_in(store.engine)
        _check_budget(new, sum(query.purpose != "evaluation" for query in asked) + again)
    elif changed and asked:
        raise RunError(
            f"{new.storage}: holds a run with another configuration ({'; '.join(changed)}); "
            "expected the same one, or another storage"
        )
    if any(
        line.startswith(("task", "corpus", "oracle", "evaluation.oracle", "audit", "seed", "zero_shot"))
        for line in changed
    ):
        for name in ("corpus", "zero_shot", "models"):
            (folder / name).remove()


def _check_budget(config: RunConfig, spent: int) -> None:
    """A budget may be raised, or lowered to what is spent, and stop rules may change: nothing is lost by it."""
    if config.budget.annotations < spent:
        raise RunError(
            f"{config.storage}: budget.annotations: {config.budget.annotations}, but {spent} annotations are spent "
            "or asked for; expected at least as many"
        )
