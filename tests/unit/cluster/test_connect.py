"""Ray gives up on its own processes where a machine is busy: a start is tried again, and ends in one line."""

import logging
import os
from collections.abc import Iterator
from unittest import mock

import pytest
import ray

from laud_ray.cluster import connect
from laud_ray.errors import ConfigError, JobError
from serve import launch, proxy
from serve.arguments import Arguments

BUSY = Exception("The current node timed out during startup. This could happen because ...\nmore lines")


class Starts:
    """Fails with each of its errors in turn, and then succeeds."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors, self.tries, self.stops = list(errors), 0, 0
        self.ports: list[tuple[str, ...]] = []

    def start(self, *_: object, **__: object) -> None:
        self.tries += 1
        self.ports.append(tuple(os.environ.get(f"RAY_SERVE_HAPROXY_{what}_PORT", "") for what in ("STATS", "METRICS")))
        if self.errors:
            raise self.errors.pop(0)

    def stop(self) -> None:
        self.stops += 1


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """What a start puts into the environment is taken out again."""
    with mock.patch.dict(os.environ):
        yield


def connecting(monkeypatch: pytest.MonkeyPatch, *errors: BaseException) -> Starts:
    starts = Starts(*errors)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", starts.start)
    monkeypatch.setattr(ray, "shutdown", starts.stop)
    return starts


def serving(monkeypatch: pytest.MonkeyPatch, *errors: BaseException) -> Starts:
    starts = Starts(*errors)
    monkeypatch.setattr(launch, "_start_once", starts.start)
    monkeypatch.setattr(launch, "_stop", starts.stop)
    return starts


def test_a_run_tries_again_and_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    starts = connecting(monkeypatch, BUSY, TimeoutError("slow"))
    with caplog.at_level(logging.WARNING):
        connect.connect()
    assert (starts.tries, starts.stops) == (3, 2)
    assert [line.partition(" (")[0] for line in caplog.messages] == ["Ray did not start in time"] * 2


def test_a_run_gives_up_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = connecting(monkeypatch, BUSY, BUSY, BUSY)
    with pytest.raises(JobError, match="Ray could not be started: The current node timed out during startup") as caught:
        connect.connect()
    assert (starts.tries, "\n" in str(caught.value)) == (3, False)


def test_what_will_not_pass_and_other_machines_are_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = connecting(monkeypatch, ValueError("Ray does not know this"))
    with pytest.raises(JobError, match="Ray could not be started: Ray does not know this"):
        connect.connect()
    assert starts.tries == 1
    starts = connecting(monkeypatch, ConnectionError("nobody is there"))
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with pytest.raises(JobError, match=r"the Ray cluster at 10\.0\.0\.1:6379 cannot be reached: nobody is there"):
        connect.connect()
    assert starts.tries == 1


def test_a_service_tries_again_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    starts = serving(monkeypatch, ray.exceptions.ActorDiedError(), RuntimeError(f"[ALERT] {proxy.LOST_PORT}! Exiting."))
    monkeypatch.setenv("RAY_SERVE_HAPROXY_STATS_PORT", "8404")
    launch._start(Arguments(run="r"), "127.0.0.1", 8000, said.append)
    assert (starts.tries, starts.stops) == (3, 2)
    assert said == [
        "Ray did not start in time; retrying (2 of 3)",
        "another process took a port of the proxy; retrying (3 of 3)",
    ]
    stats, metrics = zip(*starts.ports, strict=True)
    assert (set(stats), len(set(metrics))) == ({"8404"}, 3)


def test_a_service_gives_up_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = serving(
        monkeypatch, RuntimeError("Deploying application laud failed:\nTraceback\nValueError: no such thing")
    )
    with pytest.raises(JobError, match=r"^The service could not be started: ValueError: no such thing$"):
        launch._start(Arguments(run="r"), "127.0.0.1", 8000, print)
    assert starts.tries == 1


@pytest.mark.parametrize("error", [ConfigError("--cpus 9: too many"), KeyboardInterrupt()])
def test_a_users_mistake_and_ctrl_c_end_a_start(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = serving(monkeypatch, error)
    with pytest.raises(type(error)):
        launch._start(Arguments(run="r"), "127.0.0.1", 8000, print)
    assert starts.tries == 1
