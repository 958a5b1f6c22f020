"""A watch repeats the same update at fixed times, whatever a round ends with."""

from datetime import UTC, datetime

import pytest

from laud_ray.cli import watching
from laud_ray.errors import RunError
from laud_ray.update import update as module
from laud_ray.update.outcome import Outcome
from tests.commands import laud


class Clock:
    """A clock that moves only while somebody sleeps, or a round works."""

    def __init__(self, *seconds: float) -> None:
        self.now = self.first = datetime(2026, 11, 30, 2, tzinfo=UTC).timestamp()
        self.seconds, self.began = list(seconds), list[float]()

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def round(self) -> None:
        self.began.append(self.now - self.first)
        if not self.seconds:
            raise KeyboardInterrupt
        self.now += self.seconds.pop(0)


def test_rounds_begin_at_fixed_times_and_a_long_one_is_followed_at_once() -> None:
    clock = Clock(60, 5000, 0)
    with pytest.raises(KeyboardInterrupt):
        watching.repeat(clock.round, 3600, clock=clock.time, sleep=clock.sleep)
    assert clock.began == [0, 3600, 8600, 12200]


def test_a_first_error_ends_it_and_a_later_one_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    clock, faults = Clock(0, 0, 0), [None, RunError("runs/food: is busy"), None]

    def round() -> None:
        clock.round()
        if (fault := faults.pop(0)) is not None:
            raise fault

    with pytest.raises(KeyboardInterrupt):
        watching.repeat(round, 60, clock=clock.time, sleep=clock.sleep)
    said = capsys.readouterr().err
    assert "runs/food: is busy; the watch goes on" in said
    assert "the next round is at 2026-11-30 02:02 UTC" in said
    faults = [RunError("runs/food: is not a run")]
    clock = Clock(0)
    with pytest.raises(RunError):
        watching.repeat(round, 60, clock=clock.time, sleep=clock.sleep)


def test_rounds_that_wait_or_need_a_person_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    states, given = ["quiet", "waiting", "person"], []

    def update(run: str, source: str, observer: object, reading: object) -> Outcome:
        given.append((run, source))
        if not states:
            raise KeyboardInterrupt
        return Outcome(states.pop(0), ("what happened",), "round-0001", pending=4)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "update", update)
    slept: list[float] = []
    monkeypatch.setattr(watching.repeat, "__kwdefaults__", {"clock": lambda: 0.0, "sleep": slept.append})
    assert laud("update", "RUN", "names/", "--watch", "1h") == 130
    said = capsys.readouterr()
    assert said.out == "what happened\n" * 3
    assert "4 answers are pending" in said.err
    assert "this round ends with 75; the watch goes on" in said.err
    assert "this round ends with 3; the watch goes on" in said.err
    assert given == [("RUN", "names/")] * 4
    assert slept == [3600] * 3


@pytest.mark.parametrize("text", ["1", "h", "0h", "-1h", "1.5h", "1 h", "1w", "²h", ""])
def test_other_durations_are_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert laud("update", "RUN", "names/", "--watch", text) == 2
    assert "is not valid; expected a duration such as 30m, 1h or 1d" in capsys.readouterr().err


def test_what_a_watch_cannot_do_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert laud("update", "RUN", "--watch", "1d") == 2
    assert "--watch: needs data to look for" in capsys.readouterr().err
    assert laud("update", "RUN", "names/", "--watch", "1d", "--json") == 2
    assert "--json: prints one object; expected no --watch" in capsys.readouterr().err
