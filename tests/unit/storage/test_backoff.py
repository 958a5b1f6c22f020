"""Work that fails is retried as long as it may pass; waits are replaced by a list."""

import pytest

from laud_ray.storage import backoff


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits so far, none of which takes time."""
    found: list[float] = []
    monkeypatch.setattr(backoff.time, "sleep", found.append)
    return found


class Flaky:
    """Fails a number of times before it returns."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    def __call__(self) -> str:
        self.failures -= 1
        if self.failures >= 0:
            raise OSError(f"{self.failures} left")
        return "done"


def test_what_may_pass_is_retried_with_growing_waits(waits: list[float]) -> None:
    assert backoff.retried(Flaky(7), OSError, lambda error: True) == "done"
    assert len(waits) == 7
    assert all(wait <= backoff.FIRST * 2**tries for tries, wait in enumerate(waits))


def test_the_last_attempt_raises_its_own_error(waits: list[float]) -> None:
    with pytest.raises(OSError, match="2 left"):
        backoff.retried(Flaky(5), OSError, lambda error: True, attempts=3)
    assert len(waits) == 2


@pytest.mark.parametrize("kind", [OSError, KeyError])
def test_what_will_not_pass_is_raised_at_once(waits: list[float], kind: type[Exception]) -> None:
    with pytest.raises(OSError, match="4 left"):
        backoff.retried(Flaky(5), kind, lambda error: kind is not OSError)
    assert waits == []


def test_patience_ends(waits: list[float]) -> None:
    with pytest.raises(OSError, match="4 left"):
        backoff.retried(Flaky(5), OSError, lambda error: True, patience=-1.0)
    assert waits == []
