"""`laud serve`: Ray and the application on this machine, until Ctrl-C."""

import io
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from typing import Any

import httpx
from pydantic import ValidationError

from laud_ray.cluster import ray_token
from laud_ray.config import mistakes
from laud_ray.errors import ConfigError, JobError, ScratchError
from laud_ray.printable import printable
from laud_ray.storage.local import scratch
from serve import environment, proxy
from serve.arguments import Arguments
from serve.origin import is_loopback
from serve.registry import open_registry
from serve.tokens import ENVIRONMENT, Tokens, first_token

# Seconds in which the proxy learns of the replicas.
PROXY_S = 30


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
        if not is_loopback(host):
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
    """Serve until Ctrl-C or SIGTERM; then what is in flight is answered first.

    Raises:
        UserError: if it cannot start.
        JobError: if Ray cannot.
    """
    place = environment.prepare(arguments)
    try:
        _start(arguments, host, port, say)
        url = f"http://{_shown(host)}:{port}"
        _say_what_failed(url, first_token(arguments.tokens_file), say)
        say(url)
        threading.Event().wait()
    except KeyboardInterrupt:
        say("stopping")
        with suppress(KeyboardInterrupt):  # pressed again: at once
            proxy.drain(place, arguments.limits.deadline_s + proxy.PATIENCE_S)
    finally:
        _stop()


def _start(arguments: Arguments, host: str, port: int, say: Callable[[str], None]) -> None:
    """Start Ray and the application. On a busy machine Ray gives up on its own processes: then it is tried again.

    Raises:
        JobError: in one line, if it does not start.
    """
    from laud_ray.cluster.connect import STARTS, timed_out

    ours = environment.unset_ports()
    for attempt in range(1, STARTS + 1):
        environment.choose_ports(ours)
        try:
            _start_once(arguments, host, port)
        except (ConfigError, KeyboardInterrupt):
            raise
        except Exception as error:  # noqa: BLE001 - Ray raises bare ones, as when a node is not up in time
            if attempt == STARTS or not (timed_out(error) or proxy.LOST_PORT in str(error)):
                raise JobError(f"The service could not be started: {_reason(error)}") from None
            what = "Ray was not up in time" if timed_out(error) else "a port of the proxy was taken meanwhile"
            say(f"{what}; trying again ({attempt + 1} of {STARTS})")
            _stop()
        else:
            return


def _start_once(arguments: Arguments, host: str, port: int) -> None:
    import ray
    from ray import serve

    from serve.app import NAME, build

    # Its word on what goes on here; the replicas' logs are in files.
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    ray_token.keep_private()
    ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    # After Ray, which has a handler of its own for SIGTERM.
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.default_int_handler)
    _check_room(arguments, ray.cluster_resources())
    serve.start(http_options={"host": host, "port": port})
    serve.run(build(arguments), name=NAME, route_prefix="/")


def _reason(error: Exception) -> str:
    """Why a start failed, in one line: what a replica said, if it came so far."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    with suppress(Exception):  # Ray may be gone
        from ray import serve

        deployments = [one for app in serve.status().applications.values() for one in app.deployments.values()]
        lines += [line for one in deployments for line in one.message.strip().splitlines() if line.strip()]
    return printable(lines[-1].strip())


def _stop() -> None:
    """End what was started, also half. Ray writes of processes that end because they are told to."""
    import ray
    from ray import serve

    with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
        with suppress(Exception):  # nobody waits for its answer any more
            serve.shutdown()
        ray.shutdown()
    with suppress(ScratchError):
        scratch.tidy(scratch.private_folder("serve"), days=0.0)


def _say_what_failed(url: str, token: str | None, say: Callable[[str], None]) -> None:
    """Wait until the proxy knows the replicas, and say which model could not be loaded, if that is so."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    for _ in range(PROXY_S * 10):
        try:
            answer = httpx.get(f"{url}/readyz", headers=headers, timeout=30)
        except httpx.TransportError:
            answer = None
        if answer is not None and "failed" in (found := _json(answer)):
            failed = found["failed"]
            if failed is not None:
                say(f"no model is served: {failed['name']}: {failed['error']}")
            return
        time.sleep(0.1)


def _json(answer: httpx.Response) -> dict[str, Any]:
    """What the service answers; nothing of what the proxy does while it knows no replica."""
    kind = answer.headers.get("content-type")
    return dict(answer.json()) if kind == "application/json" else {}


def _check_room(arguments: Arguments, there: Mapping[str, float]) -> None:
    """Raise ConfigError if this machine never has what the replicas take: Ray would wait for it without a word."""
    replicas = arguments.replicas if isinstance(arguments.replicas, int) else arguments.replicas.min
    for option, each, resource in (("--cpus", arguments.cpus, "CPU"), ("--gpus", arguments.gpus, "GPU")):
        have = there.get(resource, 0.0)
        if replicas * each > have:
            raise ConfigError(
                f"{option} {each:g}: {replicas} replicas of it need {replicas * each:g}; this machine has {have:g}"
            )


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
