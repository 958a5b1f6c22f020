"""A run's database, opened: that of this run, still there, and none that was put into its place."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError

from laud_ray.config import RunConfig
from laud_ray.errors import ConfigError, RunError, StorageError, StoreError
from laud_ray.storage.causes import most_telling
from laud_ray.storage.folder import Folder
from laud_ray.store.database import integrity, postgres
from laud_ray.store.database.connection import open_database
from laud_ray.store.database.postgres import SCHEMA

DATABASE = "laud.db"
# For how long a lost database is waited for: one that a run is written to may restart meanwhile.
PATIENCE_WRITING, PATIENCE_READING = 120.0, 5.0
# What is only made once the database stands.
BUILT = ("models", "rounds")
# What this process has read through: a long command opens its run again and again.
_checked: set[tuple[Path, tuple[int, int] | None]] = set()


def open_sqlite(folder: Folder) -> Engine:
    """Open the database file of a run's folder.

    Every transaction looks first whether the file is still the one that was opened: one that was moved away, or
    replaced by a backup, would take what is written with it.

    Raises:
        ConfigError: if the folder is not local.
        DamageError: if what is in it is not what was written.
        RunError: if the file is lost; later, by any transaction, if it was moved away or replaced.
    """
    if folder.local is None:
        raise ConfigError(f"storage: {folder.uri!r} is not a local folder; expected one")
    refuse_lost(folder)
    place = Path(os.path.abspath(folder.local / DATABASE))
    engine = open_database(f"sqlite:///{place}")
    opened = _identity(place)
    if (place, opened) not in _checked:
        try:
            integrity.check(engine, f"{folder.uri}/{DATABASE}")
        except BaseException:
            engine.dispose()
            raise
        _checked.add((place, opened))

    def check(_: Connection) -> None:
        found = _identity(place)
        if found is None:
            raise RunError(f"{folder.uri}: the run is gone")
        if found != opened:
            raise RunError(
                f"{folder.uri}: the run was replaced while it was open, as from a backup; expected it to stay"
            )

    event.listen(engine, "begin", check)
    return engine


def open_schema(folder: Folder, url: str, schema: str, patience: float) -> Engine:
    """Open a run's schema of a PostgreSQL database.

    Raises:
        RunError: if the database does not have it, or not any more.
    """
    if not postgres.exists(url, schema) and (left := _built(folder)):
        raise RunError(
            f"{folder.uri}: the database of `store` has no schema {schema} beside {' and '.join(left)}; the run's "
            "annotations stood in it: restore it, or take another storage"
        )
    return open_database(url, schema=schema, patience=patience)


@contextmanager
def one_line(folder: Folder) -> Iterator[None]:
    """Say in one line what goes wrong with the database of a run.

    Raises:
        StoreError: for an error of the database, also within a group of errors.
    """
    try:
        yield
    except StorageError:
        raise
    except ExceptionGroup as group:
        with one_line(folder):
            raise most_telling(group) from group
    except (SQLAlchemyError, sqlite3.Error) as error:
        cause = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        raise StoreError(f"{folder.uri} database: {cause}") from error


def refuse_lost(folder: Folder) -> None:
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


def refuse_other_store(folder: Folder, config: RunConfig) -> None:
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


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one under its name; None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _built(folder: Folder) -> list[str]:
    return [name for name in BUILT if not (folder / name).is_empty()]
