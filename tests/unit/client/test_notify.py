"""Telling the service: what it is told, and that nothing it does stops anybody."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from laud_ray import config
from laud_ray.client import notify
from laud_ray.config import ServingConfig

ADDRESS = "http://127.0.0.1:{}"


@contextmanager
def service(status: int = 202) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """A service on loopback; yields its URL and the list of (path, authorization) that it was sent."""
    seen: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append((self.path, self.headers.get("authorization")))
            body = b'{"current": "round-0001", "loading": null}'
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield ADDRESS.format(server.server_port), seen
        finally:
            server.shutdown()
            thread.join()


def test_it_is_told_with_the_token_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUD_TEST_TOKEN", "s3cret\n")
    with service() as (url, seen):
        assert notify.reload(ServingConfig(url=f"{url}/", token_env="LAUD_TEST_TOKEN")) is None
        assert notify.reload(ServingConfig(url=url)) is None
    assert seen == [("/v1/reload", "Bearer s3cret"), ("/v1/reload", None)]


def test_without_a_url_nothing_is_done() -> None:
    assert notify.reload(ServingConfig()) is None


def test_a_refusal_is_one_line() -> None:
    with service(401) as (url, _):
        said = notify.reload(ServingConfig(url=url))
    assert said == f"serving.url: {url}/v1/reload: answered 401; the service polls anyway"


def test_a_service_that_is_not_there_is_one_line() -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        said = notify.reload(ServingConfig(url=ADDRESS.format(taken.getsockname()[1])))
    assert said is not None
    assert "refused" in said.lower()
    assert "\n" not in said


def test_a_service_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = notify.reload(ServingConfig(url=ADDRESS.format(silent.getsockname()[1])))
    assert said is not None
    assert "timed out" in said


@pytest.mark.parametrize(("token", "message"), [(None, "is not set"), ("a\nb", "illegal header"), ("é", "ASCII")])
def test_a_token_that_cannot_be_sent_is_named_and_not_told(
    monkeypatch: pytest.MonkeyPatch, token: str | None, message: str
) -> None:
    if token is not None:
        monkeypatch.setenv("LAUD_TEST_TOKEN", token)
    with service() as (url, seen):
        said = notify.reload(ServingConfig(url=url, token_env="LAUD_TEST_TOKEN"))
    assert said is not None
    assert message in said
    assert "a\nb" not in said
    assert "é" not in said
    assert not seen


def test_the_section_is_strict_and_changes_no_results() -> None:
    text = "task: {name: x, labels: [a, b]}\ncorpus: {path: p, text: t}\nstorage: s\noracle: {kind: replay, label: l}\n"
    plain = config.parse(text)
    assert plain.serving == ServingConfig()
    served = config.parse(text + "serving: {url: http://localhost:8000, token_env: TOKEN}")
    assert config.differences(plain, served) == []
    with pytest.raises(
        config.reading.ConfigError, match="serving.url: 'localhost:8000' is not valid; expected a URL such as"
    ):
        config.parse(text + "serving: {url: 'localhost:8000'}")
    with pytest.raises(config.reading.ConfigError, match="serving.token: unknown key.*did you mean 'token_env'"):
        config.parse(text + "serving: {token: x}")
