"""A full disk is one line that names it, wherever it is met, and loses nothing that was paid for."""

import errno
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from laud_ray import cli
from laud_ray.config import LlmConfig
from laud_ray.errors import ConfigError, StoreError
from laud_ray.oracles.llm import LlmOracle, oracle_prompt
from laud_ray.oracles.openai.engine import OpenAiEngine
from laud_ray.storage.causes import full_disk, most_telling, naming_full_disk
from laud_ray.storage.folder import Folder
from laud_ray.storage.local.spare_room import NAME
from laud_ray.store import ledger as calls
from laud_ray.store.database.opening import one_line
from laud_ray.store.ledger import Answer, Ledger
from laud_ray.store.store import Store
from laud_ray.types import Document, Label, Task
from tests.endpoint import Reply, chat, endpoint

TASK = Task("drinks", "multiclass", (Label("Tea", "leaves"), Label("Coffee")))
DOCUMENTS = [Document(f"d{i}", f"text {i};") for i in range(24)]


def in_database() -> OperationalError:
    return OperationalError("INSERT INTO x", {}, sqlite3.OperationalError("database or disk is full"))


def in_file() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device", "run/laud.db")


def after(cause: BaseException) -> RuntimeError:
    try:
        raise RuntimeError("a worker failed") from cause
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (in_file(), "run/laud.db: No space left on device"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "Disk quota exceeded"),
        (in_database(), "database or disk is full"),
        (ExceptionGroup("tasks", [ConfigError("x"), ExceptionGroup("inner", [in_database()])]), "database or disk is"),
        (ExceptionGroup("tasks", [in_database(), in_file()]), "run/laud.db: No space left on device"),
        (after(after(in_file())), "run/laud.db: No space left on device"),
        # As a library that writes files in Rust says it, and a worker's traceback in the text of an error.
        (RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), "Error while ser"),
        (RuntimeError("Traceback:\n  x\nOSError: [Errno 28] No space left on device: 'm'\n"), "OSError: [Errno 28]"),
        (ValueError("disk"), None),
        (ExceptionGroup("tasks", [OSError(errno.EACCES, "Permission denied", "x")]), None),
    ],
)
def test_a_full_disk_is_found_in_any_error(error: Exception, expected: str | None) -> None:
    found = full_disk(error)
    assert (found is None) == (expected is None)
    assert str(found).startswith(expected or "None")
    assert "\n" not in str(found)


def test_an_error_that_comes_from_itself_ends() -> None:
    one, other = ValueError("x"), ValueError("y")
    one.__context__, other.__context__ = other, one
    assert full_disk(one) is None


def test_of_several_errors_the_cause_is_told() -> None:
    wrong, full, other = ConfigError("wrong key"), in_database(), ValueError("came of it")
    assert most_telling([other, wrong, full]) is full
    assert most_telling(ExceptionGroup("", [other, ExceptionGroup("", [wrong])])) is wrong
    assert most_telling([other]) is other


def test_what_does_not_name_its_file_gets_the_folders_name() -> None:
    with pytest.raises(OSError, match="No space left on device: '/tmp/fit'"), naming_full_disk("/tmp/fit"):
        raise RuntimeError("I/O error: No space left on device (os error 28)")
    with pytest.raises(OSError, match="No space left on device: 'run/laud.db'"), naming_full_disk("/tmp/fit"):
        raise in_file()
    with pytest.raises(StoreError, match="^run: No space"), naming_full_disk("/tmp/fit"):
        raise StoreError("run: No space left on device")
    with pytest.raises(ValueError, match="x"), naming_full_disk("/tmp/fit"):
        raise ValueError("x")


@pytest.mark.parametrize("error", [in_database(), ExceptionGroup("", [ExceptionGroup("", [in_database()])])])
def test_a_runs_database_is_one_line(error: Exception) -> None:
    with (
        pytest.raises(StoreError, match="^runs/food database: database or disk is full$"),
        one_line(Folder("runs/food")),
    ):
        raise error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (in_file(), "run/laud.db: No space left on device; run the same command again to resume when there is room"),
        (
            ExceptionGroup("", [in_file()]),
            "run/laud.db: No space left on device; run the same command again to resume when",
        ),
        (in_database(), "database or disk is full; run the same command again to resume when there is room"),
        (
            OSError(errno.EACCES, "Permission denied", "x"),
            "Permission denied: 'x'; run the same command again to resume when",
        ),
    ],
)
def test_a_command_ends_with_one_line(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli.laud, "main", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


def make(store: Store, url: str) -> LlmOracle:
    config = LlmConfig(kind="llm", engine="openai", model="m", base_url=url, concurrency=8)
    return LlmOracle(config, oracle_prompt(config, TASK), OpenAiEngine(config, 0.0), Ledger(store))


@pytest.fixture(params=["really", "injected"])
def disk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Disk":
    if request.param == "really":
        return Disk(request.getfixturevalue("small_disk"), None)
    return Disk(tmp_path, monkeypatch)


class Disk:
    """One that can be filled, really or by errors like those of one that is."""

    def __init__(self, place: Path, patch: pytest.MonkeyPatch | None) -> None:
        self.place, self.full = place, False
        self._really, self._write = patch is None, calls.write
        if patch is not None:
            patch.setattr(calls, "write", self._guarded)

    def fill(self) -> None:
        self.full = True
        with open(self.place / "filler", "wb", buffering=0) as file:
            while self._really:
                try:
                    file.write(bytes(4096))
                except OSError:
                    break

    def clear(self) -> None:
        self.full = False
        (self.place / "filler").unlink()

    def _guarded(self, engine: Engine, work: Callable[[Connection], object]) -> object:
        if self.full and (self.place / NAME).exists():
            raise in_database()
        return self._write(engine, work)


def test_answers_in_flight_are_kept_when_the_disk_fills_up(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight calls are out when there is no more room: their answers are recorded, and nothing more is bought."""
    store, out = Store(f"sqlite:///{disk.place}/laud.db"), threading.Barrier(8, timeout=60)

    def script(body: dict[str, object], before: int) -> Reply:
        if not disk.full and len(server.seen) > 8:
            return chat("A")
        if not again.is_set() and out.wait() == 0:
            disk.fill()
            filled.set()
        filled.wait(60)
        return chat("A")

    again, filled = threading.Event(), threading.Event()
    keep = calls.SpareRoom.keep

    def kept(self: calls.SpareRoom) -> None:
        if disk.full and not disk._really and not (self.folder / NAME).exists():  # type: ignore[operator]
            raise OSError(errno.ENOSPC, "No space left on device", str(disk.place / NAME))
        keep(self)

    monkeypatch.setattr(calls.SpareRoom, "keep", kept)
    with endpoint(script) as server:
        with pytest.raises((OSError, OperationalError)) as raised:
            make(store, server.url).annotate(DOCUMENTS)
        assert full_disk(raised.value) is not None
        bought = len(server.seen)
        assert bought == 8
        assert Ledger(store).totals("llm:m").answered == 8
        disk.clear()
        again.set()
        answers = make(store, server.url).annotate(DOCUMENTS)
        assert [one.label for one in answers] == ["Tea"] * len(DOCUMENTS)
        assert len(server.seen) == len(DOCUMENTS), "nothing was bought twice"
    store.close()


def test_nothing_is_bought_where_its_answer_would_not_fit(small_disk: Path) -> None:
    store = Store(f"sqlite:///{small_disk}/laud.db")
    (small_disk / "other").write_bytes(bytes(2 * 2**20))
    with endpoint(lambda body, before: chat("A")) as server:
        with pytest.raises(OSError, match=f"No space left on device: '{small_disk}/{NAME}'"):
            make(store, server.url).annotate(DOCUMENTS)
        assert server.seen == []
    assert not (small_disk / NAME).exists()
    store.close()


def test_the_room_is_given_once(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/laud.db")
    room = Ledger(store)._room
    room.keep()
    room.keep()
    assert (tmp_path / NAME).stat().st_size == 2 * 2**20
    assert room.give()
    assert not room.give()
    assert not (tmp_path / NAME).exists()
    store.close()


def test_an_error_that_is_no_full_disk_is_the_callers(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/laud.db")
    ledger = Ledger(store)
    ledger._room.keep()
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE oracle_calls")
    with pytest.raises(OperationalError, match="no such table"):
        ledger.finish(1, Answer("A"))
    assert (tmp_path / NAME).exists()
    store.close()
