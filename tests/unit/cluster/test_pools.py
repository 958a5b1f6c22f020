"""Workers that do not start, and processes that end, as far as it needs no Ray."""

import pytest
from ray.exceptions import ActorDiedError, WorkerCrashedError

from laud_ray.cluster import pools
from laud_ray.cluster.pools import FAILED_STARTS, Again, EngineEnded, Engines, Tasks
from laud_ray.cluster.workers import Workers
from laud_ray.errors import PassError


def engines(monkeypatch: pytest.MonkeyPatch) -> tuple[Engines, list[object]]:
    class Actor:
        def __init__(self) -> None:
            self.started = self

        def remote(self) -> object:
            return object()

    class Start:
        def remote(self) -> Actor:
            return Actor()

    killed: list[object] = []
    monkeypatch.setattr(pools.ray, "remote", lambda **settings: lambda kind: Start())
    monkeypatch.setattr(pools.ray, "kill", killed.append)
    return Engines([], Workers(engines=1), 5), killed


def test_starts_that_fail_count_in_a_row_and_not_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """On preemptible machines a long pass sees many of them."""
    pool, killed = engines(monkeypatch)
    for attempt in range(5 * FAILED_STARTS):
        (actor,) = pool._starting.values()
        pool._starting.clear()
        well = attempt % FAILED_STARTS == FAILED_STARTS - 1
        pool._started(actor, None if well else ActorDiedError())
        if well:
            pool._replace(actor)
    assert len(killed) == 5 * FAILED_STARTS
    for _ in range(FAILED_STARTS - 1):
        pool._started(next(iter(pool._starting.values())), ActorDiedError())
    with pytest.raises(PassError, match=rf"^{FAILED_STARTS} engines in a row died before they had started"):
        pool._started(next(iter(pool._starting.values())), ActorDiedError())


def test_a_name_that_an_ending_process_took_along_is_not_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: dict[object, tuple[object, Exception | None]] = {
        "a": (EngineEnded("CUDA error"), None),
        "b": (None, WorkerCrashedError()),
        "c": (None, WorkerCrashedError()),
        "d": ("done", None),
    }
    monkeypatch.setattr(pools.ray, "remote", lambda **settings: lambda work: None)
    monkeypatch.setattr(pools, "_ready", list)
    monkeypatch.setattr(pools, "_outcome", outcomes.get)
    tasks = Tasks([], Workers())
    tasks._names = {name: name for name in outcomes}
    a, b, c, d = tasks.ended()
    assert a.value == EngineEnded("CUDA error")
    assert (b.value, b.error) == (Again(), None)
    assert isinstance(c.error, WorkerCrashedError)
    assert (d.value, d.error) == ("done", None)
