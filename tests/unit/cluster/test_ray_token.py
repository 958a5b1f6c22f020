"""Ray's token can be read by its user alone."""

import os
import threading
from pathlib import Path

import pytest

from laud_ray.cluster import ray_token


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the token stands, in a home of its own."""
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".ray" / "auth_token"


def test_a_token_is_made_before_ray_makes_one_for_everybody(file: Path) -> None:
    ray_token.keep_private()
    first = file.read_text()
    assert len(first) == 64
    assert file.stat().st_mode & 0o777 == 0o600
    ray_token.keep_private()
    assert file.read_text() == first
    assert [p.name for p in file.parent.iterdir()] == ["auth_token"]


def test_a_token_that_everybody_can_read_is_closed(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("of an earlier time")
    file.chmod(0o644)
    ray_token.keep_private()
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("of an earlier time", 0o600)


@pytest.mark.parametrize(
    ("name", "value"), [("RAY_AUTH_TOKEN", "x"), ("RAY_AUTH_TOKEN_PATH", "/x"), ("RAY_AUTH_MODE", "disabled")]
)
def test_where_it_is_given_or_not_wanted_none_is_made(
    file: Path, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    ray_token.keep_private()
    assert not file.exists()


def test_two_that_start_at_once_have_the_same(file: Path) -> None:
    seen, together = set[str](), threading.Barrier(8)

    def start() -> None:
        together.wait()
        ray_token.keep_private()
        seen.add(file.read_text())

    threads = [threading.Thread(target=start) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(seen) == 1


def test_a_home_that_cannot_be_written_is_rays_business(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/proc/1/none")
    ray_token.keep_private()
    monkeypatch.setenv("HOME", os.devnull)
    ray_token.keep_private()
