"""Open a run, for writing under a lock or for reading: its files, its configuration and its database."""

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
from laud_ray.store import rechecks, trees
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
from laud_ray.store.trees import CONFIGURATION
from laud_ray.store.versions import flat
from laud_ray.store.versions.acceptance import Accept, accept_version, other_version, refuse_stale

CONFIG = "config.yaml"
LOCK = ".lock"
# Folders that only the process with the run's lock writes to.
WRITTEN = ("corpus", "zero_shot", "models", "rounds")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """An open run. Its folder holds config.yaml, laud.db, corpus/, zero_shot/, rounds/, models/ and report.html.

    With the config key `store` the database is PostgreSQL. Instead of laud.db there is schema.json then, which names
    the run's schema.
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
        """Raise RunError if the run's folder was deleted, or replaced, for example by a backup.

        An open database file can still be written after its deletion, but everything written would be lost.
        """
        if not self.folder.exists(SCHEMA if self.config.store else DATABASE):
            raise RunError(f"{self.folder.uri}: the run was deleted or moved")
        if self.config.store is None:
            write(self.store.engine, lambda _: None)  # every transaction checks that the file is still the same

    def scores(self, round: int) -> Folder:
        """Return the folder of a round's scores; round 0 is zero-shot."""
        return self.folder / (f"rounds/{round:04d}/scores" if round else "zero_shot")

    @staticmethod
    def model_name(round: int) -> str:
        """Return the name of a round's model, such as "round-0003"; round 0 is "zero-shot"."""
        return f"round-{round:04d}" if round else "zero-shot"


@contextmanager
def claim(config: RunConfig, accept: Accept | None = None) -> Iterator[RunFolder]:
    """Open a run for writing, under its lock: a new run, or an existing one with a compatible configuration.

    Args:
        accept: called with the differences if the configuration has another version of the run's taxonomy; raises if
            the run is not to go on with it. None: another version is refused.

    Raises:
        ConfigError: if the storage cannot be written.
        RunError: if another process works on the run, its database is lost, or the configuration differs in a key
            that changes results.
        StoreError: if the database cannot be read or written.
    """
    folder = Folder(config.storage)
    folder.require()
    refuse_other_store(folder, config)
    config = trees.with_found_paths(config, CONFIG)
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
        config = trees.with_kept_tree(config, folder, store.setting)
        if (old := _recorded(folder, store)) is not None:
            old = trees.with_kept_tree(old, folder, store.setting)
            refuse_stale(folder, store, old, config, CONFIG)
            config = flat.with_labels_in_force(store, old, config)
            _reconcile(folder, store, old, config, accept)
        trees.keep(config, store.setting, store.set)
        text = config.dump()
        if store.setting(CONFIGURATION) != text:
            store.set(CONFIGURATION, text)
        trees.write_copy(config, folder)
        folder.write(CONFIG, text.encode())
        yield RunFolder(folder, config, store)


@contextmanager
def look_at(path: str) -> Iterator[RunFolder]:
    """Open a run for reading. Another process may be writing to it.

    Any number of processes may add feedback and promotions to its store; a write waits up to 30 s for another one.
    The store may be kept open and shared between threads.

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
        raise RunError(f"{path}: is not a run; expected a folder that `laud run` created")
    config = configuration.load_stored(f"{path}/{CONFIG}")
    refuse_other_store(folder, config)
    with one_line(folder):
        if config.store is None:
            engine = open_sqlite(folder)
        else:
            engine = open_schema(folder, config.store, postgres.named(folder), PATIENCE_READING)
        store = Store(engine)
        try:
            used = trees.with_kept_tree(_in_force(folder, store, config), folder, store.setting)
            yield RunFolder(folder, used, store)
        finally:
            store.close()


def existing(path: str) -> RunConfig:
    """Return the configuration of a run that exists, with which it can be claimed; `claim` alone would create one.

    Raises:
        RunError: as `look_at`.
    """
    with look_at(path):
        return configured(f"{path.rstrip('/')}/{CONFIG}")


def configured(path: str) -> RunConfig:
    """Read a YAML configuration. If it is the config.yaml of a run's folder, `storage` is set to that folder.

    So `laud run RUN/config.yaml` continues the run from any working directory. Labels that are the paths in a column
    of the corpus are read, unless the run has read them before.

    Raises:
        ConfigError: with one line for each mistake.
        CorpusError: if the labels are in a column that cannot be read.
    """
    folder, _, name = path.rpartition("/")
    if name != CONFIG and path != CONFIG:
        return trees.with_found_paths(configuration.load(path), CONFIG)
    remote = "://" in path
    here = folder if remote else os.path.abspath(folder or ".")
    there = Folder(here).exists if remote else (lambda one: (Path(here) / one).exists())
    if not any(there(one) for one in (DATABASE, SCHEMA, *BUILT)):
        return trees.with_found_paths(configuration.load(path), CONFIG)
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
    """Lock a run against other processes of this machine, and of machines that share the folder's disk."""
    try:
        local.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"storage: {str(local)!r} cannot be created: {error.strerror}; expected a folder") from None
    with locks.held(local, LOCK, postgres.BUSY):
        yield


def _recorded(folder: Folder, store: Store) -> RunConfig | None:
    """Return the configuration of the last `laud run`, from the database, since config.yaml may have been edited."""
    if (text := store.setting(CONFIGURATION)) is not None:
        return configuration.parse(text, f"{folder.uri} database", stored=True)
    # Runs of earlier versions have it only in the file.
    return configuration.load_stored(f"{folder.uri}/{CONFIG}") if folder.exists(CONFIG) else None


def _in_force(folder: Folder, store: Store, written: RunConfig) -> RunConfig:
    """Return the configuration to read a run with. `written` is that of config.yaml, which may have been edited.

    Edits take effect unless one of them changes results. In that case the recorded configuration is used, because
    the run's files were made with it.
    """
    if _same_text(folder, store):
        return written
    old = _recorded(folder, store) or written
    if not (edits := configuration.changes(old, written)):
        return written
    refused = [line for line in configuration.differences(old, written) if not _may_change(line)]
    used = "the changes are ignored, as some would change results" if refused else "the changes take effect"
    _note(f"{folder.uri}/{CONFIG}: was changed since the last `laud run` ({'; '.join(edits)}); {used}")
    return old if refused else written


def _same_text(folder: Folder, store: Store) -> bool:
    """Whether config.yaml is the recorded configuration, which then need not be parsed again."""
    recorded = store.setting(CONFIGURATION)
    try:
        return recorded is not None and folder.read(CONFIG) == recorded.encode()
    except FileNotFoundError:
        return False


@lru_cache(maxsize=64)
def _note(line: str) -> None:
    """Log a line once per process, however often the run is opened."""
    _log.warning(line)


def _may_change(line: str) -> bool:
    """Whether a difference in the configuration is allowed when a run is continued."""
    return line.startswith(configuration.CONTINUED)


def _reconcile(folder: Folder, store: Store, old: RunConfig, new: RunConfig, accept: Accept | None) -> None:
    """Refuse a configuration that changes results. Before the first query, drop the outputs that it affects instead.

    Another version of a taxonomy is put in force once it is accepted.
    """
    changed = configuration.differences(old, new)
    asked = store.queries()
    if asked and other_version(old, new) is not None:
        accept_version(folder, store, old, new, accept)
        return
    if changed and all(map(_may_change, changed)):
        again = rechecks.asked_in(store.engine)
        again += store.counts().get("renewed", 0)
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
    """Whether only settings of language model calls differ, and there are no answers yet."""
    keys = [line.partition(":")[0] for line in changed]
    asking = all(key.startswith(("oracle.", "evaluation.oracle.", "audit.oracle.", "audit.referee.")) for key in keys)
    others = {"kind", "label", "noise", "abstain"}
    return asking and not any(key.rpartition(".")[2] in others for key in keys) and not any(store.counts().values())


def _check_budget(config: RunConfig, spent: int) -> None:
    """Allow any budget that is not below the annotations already spent or asked for."""
    if config.budget.annotations < spent:
        raise RunError(
            f"{config.storage}: budget.annotations: {config.budget.annotations}, but {spent} annotations are spent "
            "or asked for; expected at least as many"
        )
