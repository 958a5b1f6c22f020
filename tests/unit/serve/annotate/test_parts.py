"""The parts of the page's server that need no run."""

import errno
import os
import re
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from laud_ray import config
from laud_ray.errors import ConfigError, DamageError, RunError, UserError
from laud_ray.people.votes import VoteError
from laud_ray.store.run import claim
from serve.annotate.faults import as_faults
from serve.annotate.files import POLICY
from serve.annotate.launch import command
from serve.annotate.similar import SimilarTexts
from serve.annotate.writer import Writer
from serve.schemas import FaultError

FOLDER = Path(__file__).parents[4] / "serve/annotate"


class Savepoints:
    """A connection as far as the writer knows one."""

    def begin_nested(self) -> "Savepoints":
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


def test_what_waits_is_written_together_and_a_mistake_is_its_own() -> None:
    entered, go, sizes = threading.Event(), threading.Event(), []

    def transact(work: Any) -> list[Any]:
        entered.set()
        go.wait(10)
        results: list[Any] = work(Savepoints())
        sizes.append(len(results))
        return results

    def mistake(_: object) -> None:
        raise UserError("no such label")

    writer = Writer(transact)
    first = writer.do(lambda _: "first")
    entered.wait(10)
    good, bad, last = writer.do(lambda _: 1), writer.do(mistake), writer.do(lambda _: 2)
    go.set()
    writer.close()
    assert (first.result(0), good.result(0), last.result(0)) == ("first", 1, 2)
    assert str(bad.exception(0)) == "no such label"
    assert sizes == [1, 3]


def test_a_job_that_breaks_the_transaction_does_not_break_the_others() -> None:
    gate = threading.Event()

    def transact(work: Any) -> list[Any]:
        gate.wait(10)
        return list(work(Savepoints()))

    def broken(_: object) -> None:
        raise KeyError("a fault of ours")

    writer = Writer(transact)
    jobs = [writer.do(lambda _: 1), writer.do(broken), writer.do(lambda _: 3)]
    jobs[2].cancel()  # nobody waits for it any more
    gate.set()
    wait(jobs[:2], 10)
    assert jobs[0].result(0) == 1
    assert isinstance(jobs[1].exception(0), KeyError)
    assert writer.do(lambda _: 4).result(10) == 4
    writer.close()


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (RunError("runs/food: the run is gone"), 410, "runs/food: the run is gone; answers stay in the browser"),
        (OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full")), 503, "disk is full"),
        (OperationalError("INSERT", {}, sqlite3.OperationalError("database is locked")), 503, "database is locked"),
        (OperationalError("SELECT", {}, Exception("password=secret")), 503, "it cannot be reached"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 503, "No space left on device"),
        (DamageError("laud.db: votes row 3 was changed"), 503, "votes row 3 was changed"),
        (VoteError("q-000001: the label 'x' is not valid"), 422, "q-000001: the label 'x' is not valid"),
    ],
)
def test_what_goes_wrong_behind_a_request_is_an_answer_that_the_page_understands(
    error: Exception, status: int, said: str
) -> None:
    with pytest.raises(FaultError) as fault, as_faults():
        raise error
    assert (fault.value.status, fault.value.retry_after) == (status, 2 if status == 503 else None)
    assert said in fault.value.message
    assert "secret" not in fault.value.message


def test_the_texts_that_are_most_alike_come_first() -> None:
    texts = ["organic whole milk 1l", "gala apples 1kg", "organic oat drink 1l", "milk chocolate"]
    found = SimilarTexts(texts).nearest("Organic Milk 1l", 2)
    assert texts[found[0][0]] == "organic whole milk 1l"
    assert SimilarTexts(texts).nearest("gala apples 1kg", 1)[0] == (1, pytest.approx(1.0))
    assert SimilarTexts([]).nearest("milk", 3) == []
    assert SimilarTexts(texts).nearest("\u4e2d", 3) == []


@pytest.mark.parametrize("file", sorted(one.name for one in FOLDER.iterdir() if one.suffix in (".js", ".css", ".html")))
def test_the_page_loads_only_its_own_files_and_writes_no_markup(file: str) -> None:
    text = (FOLDER / file).read_text()
    assert (
        re.findall(r"https?:|url\(|@import|innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|style=", text)
        == []
    )
    assert "require-trusted-types-for 'script'" in POLICY
    assert "default-src 'self'" in POLICY


def test_the_server_needs_no_ray_and_no_model() -> None:
    check = (
        "import sys, serve.annotate.launch; "
        "print([name for name in ('ray', 'torch', 'transformers', 'sklearn', 'onnxruntime') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_others_are_let_in_by_token_only(tmp_path: Path) -> None:
    def refused(**options: Any) -> str:
        given: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "tokens": None, "who": "local", "allow_hosts": ()}
        with pytest.raises(UserError) as error:
            command(str(tmp_path), **{**given, **options}, say=print)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "--host 0.0.0.0: others can reach it, and there are no tokens" in refused(host="0.0.0.0")
    assert "no such address" in refused(host="nowhere.invalid", tokens=_file(tmp_path))
    assert "--who ' ': is not valid" in refused(who=" ")
    assert "expected a folder that `laud run` " in refused()
    assert "cannot be read" in refused(tokens=str(tmp_path / "absent"))


def _file(folder: Path) -> str:
    (folder / "tokens").write_text("ann:annotator:aaa\n")
    return str(folder / "tokens")


def test_a_run_that_asks_no_people_is_refused(tmp_path: Path) -> None:

    settings = f"task: {{name: food, labels: [a, b]}}\ncorpus: {{path: f.csv, text: text}}\nstorage: {tmp_path}/run\n"
    with claim(config.parse(settings + "oracle: {kind: replay, label: label}\nlearner: {kind: linear}\n")):
        pass
    with pytest.raises(ConfigError, match="asks no people; expected a run with"):
        command(f"{tmp_path}/run", host="127.0.0.1", port=0, tokens=None, who="local", allow_hosts=(), say=print)
