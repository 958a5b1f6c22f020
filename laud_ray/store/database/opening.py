"""Open a run's database, and check that it is this run's, complete, and not replaced while it is open."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError

from laud_ray.config import RunConfig
from laud_ray.errors import ConfigError, RunError, StorageError, StoreError
from laud_ray.printable import first_line
from laud_ray.storage.causes import most_telling
from laud_ray.storage.folder import Folder
from laud_ray.store.database import integrity, postgres
from laud_ray.store.database.connection import open_database
from laud_ray.store.database.postgres import SCHEMA

DATABASE = "laud.db"
# Seconds for which a lost connection is retried. A run that writes waits long enough for the server to restart.
PATIENCE_WRITING, PATIENCE_READING = 120.0, 5.0
# Folders that are only created after the database.
BUILT = ("models", "rounds")
# Databases that this process has checked, since a long command opens its run repeatedly.
_checked: set[tuple[Path, tuple[int, int] | None]] = set()


def open_sqlite(folder: Folder) -> Engine:
    """Open the database file of a run's folder.

    Every transaction first checks that the file is still the one that was opened. If it was deleted, moved or replaced
    by a backup, everything written to it would be lost.

    Raises:
        ConfigError: if the folder is not local.
        DamageError: if the database is damaged.
        RunError: if the file is lost; also later, in any transaction, if it was deleted, moved or replaced.
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
            raise RunError(f"{folder.uri}: the run was deleted or moved")
        if found != opened:
            raise RunError(
                f"{folder.uri}: the run was replaced while it was open, for example by a backup; expected the run "
                "that was opened"
            )

    event.listen(engine, "begin", check)
    return engine


def open_schema(folder: Folder, url: str, schema: str, patience: float) -> Engine:
    """Open a run's schema in a PostgreSQL database.

    Raises:
        RunError: if the run has files but the database does not have its schema.
    """
    if not postgres.exists(url, schema) and (left := _built(folder)):
        raise RunError(
            f"{folder.uri}: has {' and '.join(left)}, but the database of `store` has no schema {schema}, which held "
            "the run's annotations; expected the schema: restore it, or use another storage"
        )
    return open_database(url, schema=schema, patience=patience)


@contextmanager
def one_line(folder: Folder) -> Iterator[None]:
    """Turn errors of a run's database into one line.

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
        cause = first_line(getattr(error, "orig", None) or error)
        raise StoreError(f"{folder.uri} database: {cause}") from error


def refuse_lost(folder: Folder) -> None:
    """Raise RunError if a run's database is lost. Continuing without it would buy the annotations again."""
    database = folder.local / DATABASE if folder.local is not None else None
    if database is not None and database.exists() and database.stat().st_size:
        return
    left = _built(folder)
    if left:
        name = DATABASE if database is not None else SCHEMA
        raise RunError(
            f"{folder.uri}: has {' and '.join(left)}, but {name}, which held the run's annotations, is "
            f"{'empty' if database and database.exists() else 'missing'}; expected the file: restore it, or use "
            "another storage"
        )


def refuse_other_store(folder: Folder, config: RunConfig) -> None:
    """Refuse a run whose annotations are in another kind of database than the configuration names."""
    if config.store is None:
        if folder.local is None:
            raise ConfigError(
                f"storage: {folder.uri!r} is an object store, which cannot hold a database; expected the key `store` "
                "with a database, such as postgresql://laud@db.example.com/laud, or a local folder"
            )
        if folder.exists(SCHEMA):
            raise RunError(f"{folder.uri}: the run's database is in PostgreSQL; expected the key `store` with its URL")
    elif folder.exists(DATABASE):
        raise RunError(
            f"{folder.uri}: {DATABASE} holds the run's annotations; expected no key `store`, or another storage"
        )


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of a file, which change if it is replaced; None if it does not exist."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _built(folder: Folder) -> list[str]:
    return [name for name in BUILT if not (folder / name).is_empty()]
