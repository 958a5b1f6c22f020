"""One run's place: its files, its configuration, its database, and the lock that keeps a second process out."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from laud_ray import config as configuration
from laud_ray.config import RunConfig
from laud_ray.errors import ConfigError, RunError
from laud_ray.storage import Folder
from laud_ray.store import Store

CONFIG = "config.yaml"
DATABASE = "laud.db"
LOCK = ".lock"


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
        RunError: if another process holds the run, or the configuration differs in what changes results.
    """
    folder = Folder(config.storage)
    local = _local(folder)
    try:
        local.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"storage: {config.storage!r} cannot be made: {error.strerror}; expected a folder") from None
    lock = FileLock(local / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise RunError(f"{config.storage}: another process is working on this run; expected one at a time") from None
    try:
        store = Store(f"sqlite:///{os.path.abspath(local / DATABASE)}")
        try:
            if folder.exists(CONFIG):
                _reconcile(folder, store, configuration.load(f"{config.storage}/{CONFIG}"), config)
            folder.write(CONFIG, config.dump().encode())
            yield RunFolder(folder, config, store)
        finally:
            store.close()
    finally:
        lock.release()


@contextmanager
def look_at(path: str) -> Iterator[RunFolder]:
    """Open a run for reading, while another process may be writing it.

    Raises:
        RunError: if there is no run.
    """
    folder = Folder(path)
    if not folder.exists(CONFIG) or not folder.exists(DATABASE):
        raise RunError(f"{path}: no run is here; expected a folder that `laud run` made")
    store = Store(f"sqlite:///{os.path.abspath(_local(folder) / DATABASE)}")
    try:
        yield RunFolder(folder, configuration.load(f"{path}/{CONFIG}"), store)
    finally:
        store.close()


def _local(folder: Folder) -> Path:
    if folder.local is None:
        raise ConfigError(
            f"storage: {folder.uri!r} is not a local folder; expected one: this version stores runs there"
        )
    return folder.local


def _reconcile(folder: Folder, store: Store, old: RunConfig, new: RunConfig) -> None:
    """Refuse a configuration that changes results; before the first query all there is can be made again."""
    changed = configuration.differences(old, new)
    if changed and store.queries():
        raise RunError(
            f"{new.storage}: holds a run with another configuration ({'; '.join(changed)}); "
            "expected the same one, or another storage"
        )
    if any(line.startswith(("task", "corpus", "oracle", "evaluation.oracle", "seed", "zero_shot")) for line in changed):
        for name in ("corpus", "zero_shot", "models"):
            (folder / name).remove()
