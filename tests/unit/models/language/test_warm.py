"""Which engines make room for other work: pretended engines, GPUs and memory; nothing is started."""

from collections.abc import Iterator

import pytest

from laud_ray.models.language import warm
from laud_ray.models.language.engine import EngineSettings
from laud_ray.models.language.warm import Pool


class Handle:
    """An engine that only counts in `alive`."""

    alive: list[str] = []  # noqa: RUF012 - shared, and emptied by the fixture
    stopped: list[str] = []  # noqa: RUF012

    def __init__(self, settings: EngineSettings) -> None:
        self.settings, self.is_dead = settings, False
        self.alive += [settings.model] * max(1, settings.gpus)

    def stop(self) -> None:
        self.stopped.append(self.settings.model)
        self.kill()

    def kill(self) -> None:
        self.is_dead = True
        for _ in range(max(1, self.settings.gpus)):
            self.alive.remove(self.settings.model)


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """A machine with four GPUs and memory enough."""
    Handle.alive.clear()
    Handle.stopped.clear()
    monkeypatch.setattr(warm, "Handle", Handle)
    monkeypatch.setattr(warm, "_session", lambda: "session")
    monkeypatch.setattr(warm, "_has_room", lambda count, gpus, held: 4 - len(Handle.alive) >= count * gpus)
    monkeypatch.setattr(warm, "_has_memory", lambda: True)
    return Pool()


def settings(model: str, gpus: int = 1) -> EngineSettings:
    return EngineSettings(model, model, 512, gpus=gpus)


def ask(pool: Pool, model: str, gpus: int = 1, replicas: int = 1) -> None:
    with pool.lend(settings(model, gpus), replicas) as handles:
        assert len(handles) >= replicas


def test_an_engine_is_started_once(pool: Pool) -> None:
    for _ in range(3):
        ask(pool, "a")
    assert pool.starts == 1
    ask(pool, "a", replicas=2)
    assert pool.starts == 2


def test_on_one_machine_models_run_one_after_the_other(pool: Pool) -> None:
    ask(pool, "a", 4)
    ask(pool, "b", 4)
    assert Handle.alive == ["b"] * 4
    ask(pool, "a", 4)
    assert (Handle.alive, pool.starts) == (["a"] * 4, 3)


def test_the_engine_that_was_unused_for_longest_makes_room(pool: Pool) -> None:
    for model in ("a", "b", "c", "d", "a"):
        ask(pool, model)
    pool.make_room(2, 1)
    assert Handle.stopped == ["b", "c"]
    pool.make_room(2, 1)
    assert Handle.stopped == ["b", "c"], "there is room"
    pool.make_room(1, 0)
    assert Handle.stopped == ["b", "c"], "memory is no reason to stop an engine that has a GPU"
    pool.free_gpus()
    assert Handle.alive == []


def test_an_engine_in_use_makes_no_room(pool: Pool) -> None:
    with pool.lend(settings("a", 4), 1):
        pool.make_room(4, 1)
        assert Handle.stopped == []


def test_a_dead_engine_is_started_again(pool: Pool) -> None:
    with pool.lend(settings("a"), 1) as handles:
        handles[0].kill()
    ask(pool, "a")
    assert (pool.starts, Handle.alive) == (2, ["a"])


def test_two_models_without_a_gpu_stay(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    for model in ("a", "b", "c"):
        ask(pool, model, 0)
    assert Handle.alive == ["b", "c"]
    pool.make_room(9, 0)
    assert Handle.alive == ["b", "c"]
    monkeypatch.setattr(warm, "_has_memory", lambda: len(Handle.alive) < 2)
    pool.make_room(9, 0)
    assert Handle.alive == ["c"]


def test_the_engines_of_another_session_are_forgotten(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(pool, "a")
    monkeypatch.setattr(warm, "_session", lambda: "another")
    pool.make_room(4, 1)
    assert pool.is_empty
    assert Handle.stopped == [], "they ended with their session"
    ask(pool, "a")
    assert pool.starts == 2


def test_at_the_end_no_engine_is_left(pool: Pool) -> None:
    ask(pool, "a")
    ask(pool, "b", 0)
    pool.release()
    assert (Handle.alive, pool.is_empty) == ([], True)
