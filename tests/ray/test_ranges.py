"""Names over Ray workers: each once, and a pass that ends early leaves nothing behind."""

from __future__ import annotations  # what is sent to workers must not need this module's names

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray

from laud_ray.cluster import ranges
from laud_ray.cluster.ranges import Done, Lost, Workers, map_ranges
from laud_ray.errors import CorpusError, EngineError, PassError

pytestmark = pytest.mark.usefixtures("ray_session")
KINDS = pytest.mark.parametrize("workers", [Workers(), Workers(engines=1)], ids=["tasks", "engines"])
NAMES = [f"n{i:02d}" for i in range(20)]


def sender(what: str, bad: str = "n03") -> Any:
    """Work that returns what it was given, or does as `what` says at the name `bad`."""

    def work(name: str, place: str) -> tuple[str, str]:
        class TwoPartError(Exception):
            def __init__(self, one: str, two: str) -> None:
                super().__init__(f"{one}: {two}")

        if Path(place).exists():
            (Path(place) / name).touch()
        if name == bad and what == "raise":
            raise TwoPartError("cannot", "do it")
        if (what == "engine" and name == bad) or what == "no engine":
            raise EngineError(f"CUDA error of {name}"[:10])
        if name == bad and what == "hang":
            threading.Event().wait()
        if name == bad and what == "user":
            raise CorpusError("names.csv row 3: is not valid")
        if what == "raise":
            time.sleep(0.05)
        if name == bad and what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "stay" and name != NAMES[0]:
            (Path(place) / f"{name}-{os.getpid()}.pid").touch()
            time.sleep(60)
        return name, place

    return work


@KINDS
def test_every_name_comes_back_once(workers: Workers, tmp_path: Path) -> None:
    found = list(map_ranges(NAMES, sender("plain"), str(tmp_path), workers))
    assert sorted(one.name for one in found) == NAMES
    assert all(isinstance(one, Done) and one.value == (one.name, str(tmp_path)) for one in found)


def test_no_names_are_no_work() -> None:
    assert not list(map_ranges([], sender("plain"), "x", Workers()))
    assert not list(map_ranges([], sender("plain"), "x", Workers(engines=2)))


@KINDS
def test_an_error_ends_the_pass_and_says_where(workers: Workers, tmp_path: Path) -> None:
    many = [f"n{i:02d}" for i in range(400)]
    with pytest.raises(PassError, match=r"^n03: TwoPartError: cannot: do it$"):
        list(map_ranges(many, sender("raise"), str(tmp_path), workers))
    # Nothing begins after that: another pass has the workers to itself.
    begun = len(list(tmp_path.iterdir()))
    assert len(list(map_ranges(NAMES[:4], sender("plain"), str(tmp_path / "none"), workers))) == 4
    assert len(list(tmp_path.iterdir())) == begun < len(many)


@KINDS
def test_a_name_that_kills_is_set_aside_alone(workers: Workers, tmp_path: Path) -> None:
    found = list(map_ranges(NAMES[:8], sender("kill"), str(tmp_path), workers))
    assert [one for one in found if isinstance(one, Lost)] == [Lost("n03", 3, "its worker process died")]
    assert sorted(one.name for one in found) == NAMES[:8]


@KINDS
def test_a_name_whose_engine_ends_is_set_aside_with_the_error(workers: Workers, tmp_path: Path) -> None:
    found = list(map_ranges(NAMES[:8], sender("engine"), str(tmp_path), workers))
    assert [one for one in found if isinstance(one, Lost)] == [Lost("n03", 3, "its engine ended: CUDA error")]
    assert sorted(one.name for one in found) == NAMES[:8]


@KINDS
def test_a_name_that_hangs_is_set_aside_when_its_time_is_over(workers: Workers, tmp_path: Path) -> None:
    found = list(map_ranges(NAMES[:4], sender("hang"), str(tmp_path), replace(workers, timeout_s=1)))
    cause = "its engine ended: no result within 1 s"
    assert [one for one in found if isinstance(one, Lost)] == [Lost("n03", 3, cause)]
    assert sorted(one.name for one in found) == NAMES[:4]


@KINDS
def test_engines_that_all_end_alike_end_the_pass(workers: Workers, tmp_path: Path) -> None:
    with pytest.raises(
        PassError, match=r"^n\d\d: its engine ended: CUDA error; the engines of other ranges failed in the same"
    ):
        list(map_ranges(NAMES, sender("no engine"), str(tmp_path), workers))
    assert len(list(tmp_path.iterdir())) < 8


def test_a_users_error_comes_back_as_it_was_raised(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"^names\.csv row 3: is not valid$"):
        list(map_ranges(NAMES, sender("user"), str(tmp_path), Workers()))


@pytest.mark.parametrize("what", ["plain", "kill"])
def test_thousands_of_names_share_blocks(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that kills takes none of its block along, and none is done again."""
    monkeypatch.setattr(ranges, "MOST_BLOCKS", 4)
    found = list(map_ranges(NAMES, sender(what), str(tmp_path), Workers()))
    assert sorted(one.name for one in found) == NAMES
    assert [one.name for one in found if isinstance(one, Lost)] == ([] if what == "plain" else ["n03"])


@KINDS
def test_an_account_whose_process_dies_is_started_anew(workers: Workers, tmp_path: Path) -> None:
    results = map_ranges(NAMES, sender("raise", bad="none"), str(tmp_path), workers)
    found = [next(results)]
    ray.kill(ranges._account(), no_restart=False)
    assert sorted(one.name for one in [*found, *results]) == NAMES


@KINDS
def test_closing_ends_what_is_under_way(workers: Workers, tmp_path: Path) -> None:
    results = map_ranges(NAMES, sender("stay"), str(tmp_path), workers)
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
    found = list(map_ranges(NAMES, sender("plain"), str(tmp_path), Workers(engines=3)))
    assert len(found) == len(NAMES)
