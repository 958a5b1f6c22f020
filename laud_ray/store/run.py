"""One run's place: its files, its configuration, its database, and the lock that keeps a second process out."""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from laud_ray import config as configuration
from laud_ray.config import RunConfig
from laud_ray.errors import ConfigError, RunError
from laud_ray.storage.folder import Folder
from laud_ray.storage.local import atomic, locks
from laud_ray.storage.local.spare_room import SpareRoom
from laud_ray.store import rechecks
from laud_ray.store.database import postgres
from laud_ray.store.database.connection import write
from laud_ray.store.database.opening import (
    BUILT,
    DATABASE,
    PATIENCE_READING,
    PATIENCE_WRITING,
    one_line,
    open_schema,
    open_sqlite,
    refuse_lost,
    refuse_other_store,
)
from laud_ray.store.database.postgres import SCHEMA
from laud_ray.store.store import Store

CONFIG = "config.yaml"
LOCK = ".lock"
# The setting that holds the configuration as the run was last continued with; config.yaml is its copy for people.
CONFIGURATION = "configuration"
# What only the process writes that holds the run.
WRITTEN = ("corpus", "zero_shot", "models", "rounds")
_log = logging.getLogger(__name__)


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
        """Raise RunError if the run is gone or was replaced by another one, such as a backup.

        Its open database outlives it, and nobody would find what is written there.
        """
        if not self.folder.exists(SCHEMA if self.config.store else DATABASE):
            raise RunError(f"{self.folder.uri}: the run is gone")
        if self.config.store is None:
            write(self.store.engine, lambda _: None)  # whose transaction looks whether the file is the same

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
    refuse_other_store(folder, config)
    with ExitStack() as held, one_line(folder):
        if folder.local is not None:
            held.enter_context(_locked(folder.local))
            atomic.clear([folder.local / name for name in WRITTEN], beside=folder.local)
        if config.store is None:
            engine = open_sqlite(folder)
            held.callback(SpareRoom(folder.local).give)
        else:
            schema = held.enter_context(postgres.claimed(config.store, folder))
            engine = open_schema(folder, config.store, schema, PATIENCE_WRITING)
            postgres.fence(engine, folder.uri)
        store = Store(engine)
        held.callback(store.close)
        if (old := _recorded(folder, store)) is not None:
            _reconcile(folder, store, old, config)
        if store.setting(CONFIGURATION) != config.dump():
            store.set(CONFIGURATION, config.dump())
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
        refuse_lost(folder)
        raise RunError(f"{path}: no run is here; expected a folder that `laud run` made")
    config = configuration.load_stored(f"{path}/{CONFIG}")
    refuse_other_store(folder, config)
    with one_line(folder):
        if config.store is None:
            engine = open_sqlite(folder)
        else:
            engine = open_schema(folder, config.store, postgres.named(folder), PATIENCE_READING)
        store = Store(engine)
        try:
            yield RunFolder(folder, _in_force(folder, store, config), store)
        finally:
            store.close()


def configured(path: str) -> RunConfig:
    """Read the YAML file of a run. The config.yaml within a run's folder means that run, from wherever it is called.

    Raises:
        ConfigError: one line per mistake.
    """
    folder, _, name = path.rpartition("/")
    if name != CONFIG and path != CONFIG:
        return configuration.load(path)
    remote = "://" in path
    here = folder if remote else os.path.abspath(folder or ".")
    there = Folder(here).exists if remote else (lambda one: (Path(here) / one).exists())
    if not any(there(one) for one in (DATABASE, SCHEMA, *BUILT)):
        return configuration.load(path)
    config = configuration.load_stored(path)
    same = not remote and os.path.realpath(config.storage) == os.path.realpath(here)
    return config if same else config.model_copy(update={"storage": here})


def is_held(run: RunFolder) -> bool:
    """Whether a process is working on the run."""
    folder = run.folder
    if run.config.store is not None:
        return postgres.is_claimed(run.store.engine, postgres.named(folder))
    return folder.local is not None and locks.is_held(folder.local, LOCK)


@contextmanager
def _locked(local: Path) -> Iterator[None]:
    """Keep other processes of this machine, or of what shares the folder's disk, out of a run."""
    try:
        local.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"storage: {str(local)!r} cannot be made: {error.strerror}; expected a folder") from None
    with locks.held(local, LOCK, postgres.BUSY):
        yield


def _recorded(folder: Folder, store: Store) -> RunConfig | None:
    """The configuration that the run was last continued with: config.yaml may have been edited since."""
    if (text := store.setting(CONFIGURATION)) is not None:
        return configuration.parse(text, f"{folder.uri} database", stored=True)
    # Runs that were made before have it in the file only.
    return configuration.load_stored(f"{folder.uri}/{CONFIG}") if folder.exists(CONFIG) else None


def _in_force(folder: Folder, store: Store, written: RunConfig) -> RunConfig:
    """The configuration that a run is read with, where config.yaml, which is `written`, may have been edited.

    What changes results is that of the run whatever the file says, since the run's files were made with it.
    """
    old = _recorded(folder, store) or written
    if not (edits := configuration.changes(old, written)):
        return written
    refused = [line for line in configuration.differences(old, written) if not _may_change(line)]
    used = "it is read with the configuration that it was made with" if refused else "they take effect"
    _note(f"{folder.uri}/{CONFIG}: was changed since the run was last continued ({'; '.join(edits)}); {used}")
    return old if refused else written


@lru_cache(maxsize=64)
def _note(line: str) -> None:
    """Log a line once in a process, however often it looks at the run."""
    _log.warning(line)


def _may_change(line: str) -> bool:
    """Whether a difference may be made between two attempts at a run."""
    return line.startswith(("budget.", "stop"))


def _reconcile(folder: Folder, store: Store, old: RunConfig, new: RunConfig) -> None:
    """Refuse a configuration that changes results; before the first query all there is can be made again."""
    changed = configuration.differences(old, new)
    asked = store.queries()
    if changed and all(map(_may_change, changed)):
        again = rechecks.asked_in(store.engine)
        _check_budget(new, sum(query.purpose != "evaluation" for query in asked) + again)
    elif changed and asked:
        if _asks_anew(store, changed):
            return
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


def _asks_anew(store: Store, changed: list[str]) -> bool:
    """Whether only the way in which language models are asked differs, and nobody answered anything yet."""
    keys = [line.partition(":")[0] for line in changed]
    asking = all(key.startswith(("oracle.", "evaluation.oracle.", "audit.oracle.", "audit.referee.")) for key in keys)
    others = {"kind", "label", "noise", "abstain"}
    return asking and not any(key.rpartition(".")[2] in others for key in keys) and not any(store.counts().values())


def _check_budget(config: RunConfig, spent: int) -> None:
    """A budget may be raised, or lowered to what is spent, and stop rules may change: nothing is lost by it."""
    if config.budget.annotations < spent:
        raise RunError(
            f"{config.storage}: budget.annotations: {config.budget.annotations}, but {spent} annotations are spent "
            "or asked for; expected at least as many"
        )
