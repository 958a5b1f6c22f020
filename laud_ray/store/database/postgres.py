"""Give a run its own schema in a shared PostgreSQL database, and lock it against a second process.

RUN/schema.json names the schema. A run can therefore be moved, and a run that is deleted and created again starts
with an empty schema.
"""

import hashlib
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, event, text

from laud_ray.errors import RunError, StorageError
from laud_ray.storage.checksums import dump_json, parse_json
from laud_ray.storage.checksums import text as text_of
from laud_ray.storage.folder import Folder
from laud_ray.store.database.connection import connect, has_schema

SCHEMA = "schema.json"
BUSY = "another process is working on this run; expected one at a time"
OWNER = "owner"
# A killed process keeps its lock until the server notices its end; the next process waits that long.
WAIT_SECONDS = 3.0
# Keys of the advisory locks: one while a schema is chosen, one while a process works on a run.
_MAKING, _HOLDING = 0x6C617565, 0x6C617566


def named(folder: Folder) -> str:
    """Return the name of a run's schema, from schema.json.

    Raises:
        RunError: if schema.json is missing or names no valid schema.
        DamageError: if it is damaged.
    """
    try:
        name = parse_json(folder.read(SCHEMA), f"{folder.uri}/{SCHEMA}", lambda found: text_of(found["schema"]))
    except StorageError:
        raise
    except OSError:
        raise RunError(f"{folder.uri}: {SCHEMA} cannot be read; expected the file that `laud run` wrote") from None
    if not re.fullmatch(r"laud_[a-z0-9_]{1,50}", str(name)):
        raise RunError(
            f"{folder.uri}/{SCHEMA}: schema {name!r} is not valid; expected a name such as laud_food_1a2b3c4d"
        )
    return str(name)


def exists(url: str, schema: str) -> bool:
    """Whether a database has the schema."""
    engine = connect(url)
    try:
        with engine.connect() as connection:
            return has_schema(connection, schema)
    finally:
        engine.dispose()


@contextmanager
def claimed(url: str, folder: Folder) -> Iterator[str]:
    """Hold a run's lock on a separate connection, and yield the name of its schema, which is chosen if it has none.

    The server releases the lock when the process ends, even if it is killed.

    Raises:
        RunError: if another process holds the lock.
    """
    engine = connect(url)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for setting in ("tcp_keepalives_idle = 30", "tcp_keepalives_interval = 10", "tcp_keepalives_count = 3"):
                connection.execute(text(f"SET {setting}"))
            schema = _chosen(connection, folder)
            until = time.monotonic() + WAIT_SECONDS
            key = {"kind": _HOLDING, "run": _number(schema)}
            while not connection.scalar(text("SELECT pg_try_advisory_lock(:kind, :run)"), key):
                if time.monotonic() > until:
                    raise RunError(f"{folder.uri}: {BUSY}")
                time.sleep(0.1)
            yield schema
    finally:
        engine.dispose()


def is_claimed(engine: Engine, schema: str) -> bool:
    """Whether a process holds a run's lock."""
    held = text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = :kind AND objid = :run "
        "AND objsubid = 2 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with engine.connect() as connection:
        return bool(connection.scalar(held, {"kind": _HOLDING, "run": _number(schema)}))


def fence(engine: Engine, uri: str) -> None:
    """Make every transaction of an engine fail once another process has taken over the run.

    This can only happen after the connection that holds the lock was lost. The new owner waits for transactions in
    progress.
    """
    mine = uuid.uuid4().hex
    with engine.begin() as connection:
        taken = "INSERT INTO settings (key, value) VALUES (:key, :mine) ON CONFLICT (key) DO UPDATE SET value = :mine"
        connection.execute(text(taken), {"key": OWNER, "mine": mine})

    def check(connection: Connection) -> None:
        found = connection.exec_driver_sql("SELECT value FROM settings WHERE key = 'owner' FOR SHARE").scalar()
        if found != mine:
            raise RunError(f"{uri}: another process took over this run while its database could not be reached")

    event.listen(engine, "begin", check)


def _chosen(connection: Connection, folder: Folder) -> str:
    """Return the run's schema, or choose one. If several processes start a run at once, one of them chooses."""
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MAKING})
    try:
        if not folder.exists(SCHEMA):
            slug = re.sub(r"[^a-z0-9]+", "_", folder.uri.rstrip("/").rpartition("/")[2].lower()).strip("_")[:30]
            name = f"laud_{slug or 'run'}_{uuid.uuid4().hex[:8]}"
            folder.write(SCHEMA, dump_json({"schema": name}))
        return named(folder)
    finally:
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _MAKING})


def _number(schema: str) -> int:
    """Return a hash of the schema in 31 bits, as a key of PostgreSQL's advisory locks."""
    return int.from_bytes(hashlib.sha256(schema.encode()).digest()[:4], "big") >> 1
