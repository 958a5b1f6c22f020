"""What is known of a name whose workers died: counted by the nodes that live when it is asked."""

import pytest

from laud_ray.cluster import account
from laud_ray.cluster.account import Account

KEY = ("pass", "n01")


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Which nodes live."""
    alive = {"here": True, "there": True}
    found = lambda: [{"NodeID": name, "Alive": lives} for name, lives in alive.items()]  # noqa: E731
    monkeypatch.setattr(account.ray, "nodes", found)
    return alive


def test_deaths_are_attempts_that_did_not_end_on_nodes_that_live(nodes: dict[str, bool]) -> None:
    known = Account()
    assert known.begin(KEY, "here", False, None).deaths == 0
    assert known.begin(KEY, "there", True, None).deaths == 1
    assert known.begin(KEY, "here", True, None).deaths == 2
    nodes["there"] = False  # a late notice corrects the count
    last = known.begin(KEY, "here", False, None)
    assert (last.deaths, last.accidents) == (2, 1)


def test_a_question_alone_is_no_attempt(nodes: dict[str, bool]) -> None:
    known = Account()
    known.begin(KEY, "here", False, None)
    for _ in range(5):
        assert known.begin(KEY, "here", False, None).deaths == 1


def test_a_name_that_ended_has_no_deaths_and_may_have_a_result(nodes: dict[str, bool]) -> None:
    known = Account()
    known.begin(KEY, "here", False, None)
    assert known.begin(("pass", "n02"), "here", False, (KEY, b"result")).deaths == 0
    assert known.begin(KEY, "here", False, None).value == b"result"


def test_nothing_begins_in_a_pass_that_was_stopped(nodes: dict[str, bool]) -> None:
    known = Account()
    known.stop("pass")
    assert known.begin(KEY, "here", False, None).stopped
    assert not known.begin(("other", "n01"), "here", False, None).stopped


def test_engines_that_all_fail_alike_are_hopeless(nodes: dict[str, bool]) -> None:
    known = Account()
    for name in ("a", "b", "c"):
        assert known.begin(("pass", name), "here", False, None).hopeless is None
        known.leave(("pass", name), "CUDA error", 1)
    assert known.begin(("pass", "d"), "here", False, None).hopeless == "CUDA error"
    known.forget("pass")
    assert known.begin(("pass", "d"), "here", False, None).hopeless is None
