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

# The most seconds to wait until the proxy has found the replicas.
PROXY_S = 30


def command(settings: Mapping[str, object], *, host: str, port: int, say: Callable[[str], None]) -> None:
    """Run `laud serve`.

    Raises:
        UserError: if a setting is invalid, or the run or model does not exist.
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
    say(f"Loading {current}" if current is not None else f"{arguments.run}: no model yet; the first one will be served")
    serve_here(arguments, host, port, say)


def check_address(host: str, port: int, arguments: Arguments) -> Arguments:
    """Refuse a public address without tokens, and a port that is in use.

    Returns:
        The arguments, which allow anonymous requests if there are no tokens and the address is a loopback address.

    Raises:
        ConfigError: if the address or the port cannot be used, or tokens are missing.
    """
    try:
        socket.getaddrinfo(host, port)
    except OSError:
        raise ConfigError(f"--host {host}: no such address; expected one of this machine, such as 127.0.0.1") from None
    tokens = Tokens.open(arguments.tokens_file)
    if not tokens.any:
        if not is_loopback(host):
            raise ConfigError(
                f"--host {host}: other machines can reach it, and there is no token; expected tokens in {ENVIRONMENT} "
                "or --tokens FILE, or --host 127.0.0.1"
            )
        arguments = arguments.model_copy(update={"allow_anonymous": True})
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        cause = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigError(f"--port {port}: cannot be opened on {host}: {cause}; expected a free port") from None
    return arguments


def serve_here(arguments: Arguments, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM, and answer the requests in flight before the end.

    Raises:
        UserError: if the service cannot start.
        JobError: if Ray cannot start.
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
        with suppress(KeyboardInterrupt):  # a second Ctrl-C ends at once
            proxy.drain(place, arguments.limits.deadline_s + proxy.PATIENCE_S)
    finally:
        _stop()


def _start(arguments: Arguments, host: str, port: int, say: Callable[[str], None]) -> None:
    """Start Ray and the application, with retries, because Ray's processes may time out on a busy machine.

    Raises:
        JobError: if they do not start.
    """
    from laud_ray.cluster.connect import STARTS, timed_out

    ours = environment.unset_ports()
    for attempt in range(1, STARTS + 1):
        environment.choose_ports(ours)
        try:
            _start_once(arguments, host, port)
        except (ConfigError, KeyboardInterrupt):
            raise
        except Exception as error:  # noqa: BLE001 - Ray raises bare exceptions, such as for a node that timed out
            if attempt == STARTS or not (timed_out(error) or proxy.LOST_PORT in str(error)):
                raise JobError(f"The service could not be started: {_reason(error)}") from None
            what = "Ray did not start in time" if timed_out(error) else "another process took a port of the proxy"
            say(f"{what}; retrying ({attempt + 1} of {STARTS})")
            _stop()
        else:
            return


def _start_once(arguments: Arguments, host: str, port: int) -> None:
    import ray
    from ray import serve

    from serve.app import NAME, build

    # Ray Serve's log is silenced here; the replicas' logs are in files.
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    ray_token.keep_private()
    ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    # Set after ray.init, which installs its own handler for SIGTERM.
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.default_int_handler)
    _check_room(arguments, ray.cluster_resources())
    serve.start(http_options={"host": host, "port": port})
    serve.run(build(arguments), name=NAME, route_prefix="/")


def _reason(error: Exception) -> str:
    """Return in one line why a start failed: the message of a replica, if there is one, else the error."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    with suppress(Exception):  # Ray may be gone
        from ray import serve

        deployments = [one for app in serve.status().applications.values() for one in app.deployments.values()]
        lines += [line for one in deployments for line in one.message.strip().splitlines() if line.strip()]
    return printable(lines[-1].strip())


def _stop() -> None:
    """Shut down Ray Serve and Ray, even if only partly started, without their messages about ended processes."""
    import ray
    from ray import serve

    with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
        with suppress(Exception):  # the service ends anyway
            serve.shutdown()
        ray.shutdown()
    with suppress(ScratchError):
        scratch.tidy(scratch.private_folder("serve"), days=0.0)


def _say_what_failed(url: str, token: str | None, say: Callable[[str], None]) -> None:
    """Wait until the proxy has found the replicas, and report a model that could not be loaded."""
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
    """Return the JSON of the service; an empty dict for a response of the proxy while it has no replica."""
    kind = answer.headers.get("content-type")
    return dict(answer.json()) if kind == "application/json" else {}


def _check_room(arguments: Arguments, there: Mapping[str, float]) -> None:
    """Raise ConfigError if this machine has too few CPUs or GPUs for the replicas; Ray would wait silently."""
    replicas = arguments.replicas if isinstance(arguments.replicas, int) else arguments.replicas.min
    for option, each, resource in (("--cpus", arguments.cpus, "CPU"), ("--gpus", arguments.gpus, "GPU")):
        have = there.get(resource, 0.0)
        if replicas * each > have:
            raise ConfigError(
                f"{option}: {each:g} is not valid; {replicas} replicas need {replicas * each:g}; expected at most "
                f"{have:g} for all, which this machine has"
            )


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
