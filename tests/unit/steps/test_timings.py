"""A round's seconds are all that was spent on it, also after it was closed, in whatever process."""

from pathlib import Path

import pytest

from laud_ray.steps import work
from laud_ray.store.store import Store
from laud_ray.types import Estimate, Figures, RoundResult


def close(store: Store, number: int, seconds: dict[str, float]) -> None:
    figure = Estimate(0.5, 0.4, 0.6, 20)
    figures = Figures(20, figure, figure, 0.1, ())
    store.close_round(RoundResult(number, f"m{number}", 5, 9, 100, figures, None, True, seconds), "encoder", None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(work.time, "monotonic", lambda: now[0])
    return now


def test_answers_that_come_after_a_round_is_closed_count_for_it(tmp_path: Path, clock: list[float]) -> None:
    store = Store(f"sqlite:///{tmp_path}/laud.db")
    with work.timed(store, lambda event: None, "train", 1):
        clock[0] += 5
    close(store, 0, {"zero-shot": 3.0})
    close(store, 1, {"train": 5.0})
    for step, seconds in (("audit", 60.0), ("select", 2.0), ("annotate", 7200.0)):
        with work.timed(store, lambda event: None, step, 1):
            clock[0] += seconds
    first, second = store.history()
    assert first.seconds == {"zero-shot": 3.0}, "a round of an earlier version keeps what it has"
    assert second.seconds == {"train": 5.0, "audit": 60.0, "select": 2.0, "annotate": 7200.0}
    store.close()

    # Another process goes on: its time is added.
    store = Store(f"sqlite:///{tmp_path}/laud.db")
    with work.timed(store, lambda event: None, "annotate", 1):
        clock[0] += 100
    assert store.history()[1].seconds["annotate"] == 7300.0
    store.close()


def test_a_step_that_is_broken_off_has_taken_its_time(tmp_path: Path, clock: list[float]) -> None:
    store = Store(f"sqlite:///{tmp_path}/laud.db")

    def ask() -> None:
        with work.timed(store, lambda event: None, "annotate", 1):
            clock[0] += 3600
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask()
    assert store.timings() == {1: {"annotate": 3600.0}}
    store.close()


def test_why_a_step_ended_is_not_hidden_by_a_database_that_is_gone(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/laud.db")
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE timings")
    with pytest.raises(ValueError, match="the cause"), work.timed(store, lambda event: None, "annotate", 1):
        raise ValueError("the cause")
    store.close()
