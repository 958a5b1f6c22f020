"""Names over Ray workers: in order, each once, and a dispatch that ends early leaves nothing behind."""

from __future__ import annotations  # what is sent to workers must not need this module's names

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from laud_ray.cluster.dispatch import Done, Lost, Workers, dispatch
from laud_ray.errors import PassError

pytestmark = pytest.mark.usefixtures("ray_session")
KINDS = pytest.mark.parametrize("workers", [Workers(), Workers(engines=1)], ids=["tasks", "engines"])
NAMES = [f"n{i:02d}" for i in range(20)]


def sender(what: str, bad: str = "n03") -> Any:
    """Work that returns what it was given, or does as `what` says at the name `bad`."""

    def work(name: str, place: str) -> tuple[str, str]:
        class TwoPartError(Exception):
            def __init__(self, one: str, two: str) -> None:
                super().__init__(f"{one}: {two}")

        (Path(place) / name).touch()
        if name == bad and what == "raise":
            raise TwoPartError("cannot", "do it")
        if name == bad and what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "stay" and name != NAMES[0]:
            (Path(place) / f"{name}-{os.getpid()}.pid").touch()
            time.sleep(60)
        return name, place

    return work


@KINDS
def test_every_name_comes_back_once(workers: Workers, tmp_path: Path) -> None:
    found = list(dispatch(NAMES, sender("plain"), str(tmp_path), workers))
    assert sorted(one.name for one in found) == NAMES
    assert all(isinstance(one, Done) and one.value == (one.name, str(tmp_path)) for one in found)


def test_no_names_are_no_work() -> None:
    assert not list(dispatch([], sender("plain"), "x", Workers()))
    assert not list(dispatch([], sender("plain"), "x", Workers(engines=2)))


@KINDS
def test_an_error_ends_the_dispatch_and_says_where(workers: Workers, tmp_path: Path) -> None:
    with pytest.raises(PassError, match=r"^n03: TwoPartError: cannot: do it$"):
        list(dispatch(NAMES, sender("raise"), str(tmp_path), workers))
    # No more than the window was begun.
    assert len(list(tmp_path.iterdir())) < 12


@KINDS
def test_a_name_that_kills_is_set_aside_alone(workers: Workers, tmp_path: Path) -> None:
    found = list(dispatch(NAMES[:8], sender("kill"), str(tmp_path), workers))
    assert [one for one in found if isinstance(one, Lost)] == [Lost("n03", 3, "its worker process died")]
    assert sorted(one.name for one in found) == NAMES[:8]


@KINDS
def test_closing_ends_what_is_under_way(workers: Workers, tmp_path: Path) -> None:
    results = dispatch(NAMES, sender("stay"), str(tmp_path), workers)
    assert next(results).name == NAMES[0]
    limit = time.monotonic() + 60
    while not (begun := list(tmp_path.glob("*.pid"))) and time.monotonic() < limit:
        time.sleep(0.05)
    assert begun
    results.close()  # type: ignore[attr-defined]
    processes = {int(path.stem.split("-")[1]) for path in tmp_path.glob("*.pid")}
    while any(map(_lives, processes)) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not any(map(_lives, processes))


def _lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False


def test_work_that_waits_for_room_is_done_when_there_is_some(tmp_path: Path) -> None:
    """Three engines where two fit: the third keeps no name waiting."""
    found = list(dispatch(NAMES, sender("plain"), str(tmp_path), Workers(engines=3)))
    assert len(found) == len(NAMES)
