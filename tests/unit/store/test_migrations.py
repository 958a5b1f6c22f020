"""A database of an older version is brought to this one's tables, and one of a newer version is refused."""

import importlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from laud_ray.errors import RunError
from laud_ray.store.database import connection as database
from laud_ray.store.database.connection import REVISION, open_database
from laud_ray.store.store import Query, Store
from laud_ray.store.tables import metadata
from laud_ray.types import Document
from tests.postgres import Server

importlib.import_module("laud_ray.store.people_tables")  # which are in the metadata too
importlib.import_module("laud_ray.store.updates.tables")


def differences(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))


def test_the_revisions_make_the_tables_that_the_code_knows(tmp_path: Path, postgres: Server) -> None:
    """Whoever adds a table or column to the code adds a revision in migrations/versions, and names it in REVISION."""
    for engine in (
        open_database(f"sqlite:///{tmp_path}/laud.db"),
        open_database(postgres.url, schema="laud_compared"),
    ):
        assert differences(engine) == []
        engine.dispose()


def test_the_code_knows_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parents[1] / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


@pytest.mark.parametrize("lacking", [(), ("feedback", "promotions", "oracle_calls")])
def test_a_database_from_before_revisions_is_taken_over(tmp_path: Path, lacking: tuple[str, ...]) -> None:
    path = tmp_path / "laud.db"
    old = open_database(f"sqlite:///{tmp_path}/made-by-code.db")
    metadata.drop_all(old)
    metadata.create_all(old, [table for table in metadata.sorted_tables if table.name not in lacking])
    with old.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
        connection.exec_driver_sql("INSERT INTO settings (key, value) VALUES ('current', 'round-0002')")
    old.dispose()
    (tmp_path / "made-by-code.db").rename(path)
    store = Store(f"sqlite:///{path}")
    assert store.setting("current") == "round-0002"
    assert differences(store.engine) == []
    store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISION,)]


REASONS = {
    "a": ("seed", "no. 12 for Tea (0.31) in the zero-shot ranking", ("Tea", "ranking")),
    "b": ("seed", "near a confirmed Tea (0.50) in the zero-shot ranking (-0.02)", None),
    "c": ("seed", "near a confirmed two\nlines (1.00)", ("two\nlines", "nearness")),
    "d": ("seed", "asked by hand", (None, None)),
    "e": ("query", "no. 1 for Tea (0.31) in the zero-shot ranking", (None, None)),
}


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_the_seed_walk_of_an_earlier_version_is_known(
    backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """What its reasons say becomes data, once; a run that was broken off within its walk goes on from it."""
    schema = None if backend == "sqlite" else "laud_walked"
    url = f"sqlite:///{tmp_path}/laud.db" if schema is None else request.getfixturevalue("postgres").url
    old = open_database(url, schema=schema)
    with old.begin() as connection:
        for name in ("sought", "walk"):
            connection.exec_driver_sql(f"ALTER TABLE queries DROP COLUMN {name}")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
        for key, (purpose, reason, _) in REASONS.items():
            connection.execute(
                text(
                    "INSERT INTO queries (document_id, purpose, round, text, reason, created_at) "
                    "VALUES (:key, :purpose, 1, 'x', :reason, '2026-01-01')"
                ),
                {"key": key, "purpose": purpose, "reason": reason},
            )
    old.dispose()
    store = Store(open_database(url, schema=schema))
    found = {one.query.document.id: (one.query.sought, one.query.walk) for one in store.queries()}
    expected = {key: walked for key, (_, _, walked) in REASONS.items()}
    # As earlier versions read it: the longest name that fits.
    expected["b"] = ("Tea (0.50) in the zero-shot ranking", "nearness")
    assert found == expected
    assert differences(store.engine) == []
    store.add_queries("seed", 1, [Query(Document("f", "x"), "why", sought="Tea", walk="nearness")])
    assert (store.queries()[-1].query.sought, store.queries()[-1].query.walk) == ("Tea", "nearness")
    store.close()


def test_a_full_disk_is_not_hidden_by_its_own_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite rolls back by itself then, and refuses another rollback."""

    def small(connection: sqlite3.Connection, record: object) -> None:
        database.__dict__["_prepare_sqlite_whole"](connection, record)
        connection.execute("PRAGMA max_page_count=4")

    monkeypatch.setitem(database.__dict__, "_prepare_sqlite_whole", database._prepare_sqlite)
    monkeypatch.setattr(database, "_prepare_sqlite", small)
    with pytest.raises(OperationalError, match="database or disk is full"):
        open_database(f"sqlite:///{tmp_path}/laud.db")


def test_a_database_of_a_newer_version_is_refused_in_one_line(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/laud.db"
    open_database(url).dispose()
    with sqlite3.connect(tmp_path / "laud.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0099'")
    message = (
        "^the database has revision '0099', but this version of laud_ray supports revisions up to '[0-9]+'; expected"
    )
    with pytest.raises(RunError, match=message):
        open_database(url)
    with sqlite3.connect(tmp_path / "laud.db") as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0099",)]


def test_a_revision_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "laud.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE VIEW feedback AS SELECT 1 AS id")  # in the way of a table, after others are made
    with pytest.raises(Exception, match="feedback"):
        open_database(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == []


def test_a_database_that_is_up_to_date_is_opened_without_the_tool(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/laud.db"
    open_database(url).dispose()
    code = f"import sys; from laud_ray.store.store import Store; Store({url!r}); sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
