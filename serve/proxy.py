"""HAProxy, which Ray Serve puts in front of the replicas: its settings and its shutdown.

On a cluster, set the variables before `ray start`: eval "$(python -m serve.proxy)"
"""

import json
import random
import resource
import shlex
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress

import psutil

# The most concurrent requests for one replica, and the seconds that others wait in the proxy before they are refused.
# Without these limits, an overload would queue in the replica's Python, which refuses only some hundreds per second.
AT_ONCE, WAIT_S = 128, 1
# The proxy buffers a request until it has this many bytes or the whole; nearly all requests are smaller.
HELD = 131_072
# The most seconds for the buffered part of a request, and between bytes after that.
REQUEST_S, CLIENT_S = 8, 5
# Seconds between health checks of a replica, and the timeout of each. After two failures it gets no requests.
LOOK_S, LOOK_ANSWER_S = 2, 3
# Seconds beyond the deadline of the service, after which the proxy gives a request up.
PATIENCE_S = 5
DEADLINE_S = 10.0
# The most connections, if the limit of open files allows it: each needs 2.5 files.
MOST_CONNECTIONS, FILES_EACH, OTHER_FILES = 10_000, 3, 100
# The range of its ports for metrics and statistics, and the error message if another process has taken one.
PORTS = (20_000, 29_000)
LOST_PORT = "failed to start their listeners"
# The proxy's own errors, in the form of the service's. Otherwise 502, 503 and 504 would be a 500 of Ray, as text.
SAID = {
    408: ("too_slow", f"the request did not come within {REQUEST_S} s"),
    502: ("no_replica", "the replica that had this request is gone"),
    503: ("no_replica", "no replica was free for this request in time, or the one that had it is gone"),
    504: ("no_answer", "the replica that had this request did not answer in time"),
}
_AGAIN = {502, 503, 504}


def settings(deadline_s: float = DEADLINE_S) -> dict[str, str]:
    """Return the environment variables that Ray Serve reads on import, for a service with this deadline.

    Ray has no settings for many options of HAProxy. They are appended to the values of other settings, which Ray copies
    verbatim into HAProxy's configuration.
    """
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        # Classification is idempotent, so requests are retried when their replica dies.
        "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
        "RAY_SERVE_HAPROXY_HEALTH_CHECK_INTER": f"{LOOK_S}s maxconn {AT_ONCE}",
        # HAProxy applies the connection timeout to requests that wait for a replica too.
        "RAY_SERVE_HAPROXY_TIMEOUT_CONNECT_S": str(WAIT_S),
        "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": str(HELD),
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": str(CLIENT_S),
        "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S": str(round(deadline_s) + PATIENCE_S),
        "RAY_SERVE_HAPROXY_BALANCE_ALGORITHM": "\n    ".join(["leastconn", *_lines()]),
        # Removes headers that Ray cannot decode.
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "serve.incoming:middlewares",
        # A replica that does not answer health checks does not react to a graceful shutdown either.
        "RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS": "1",
        # On a busy machine the proxy starts more slowly than Ray's default timeout of five seconds.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "30",
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
        "RAY_SERVE_LOG_TO_STDERR": "0",
    }


def _lines() -> Iterator[str]:
    """Yield lines for HAProxy's section `defaults`, which follow its last line, `balance`."""
    # A request that has not arrived completely does not occupy a replica.
    yield "option http-buffer-request"
    yield f"timeout http-request {REQUEST_S}s"
    yield f"timeout check {LOOK_ANSWER_S}s"
    for status, (code, message) in SAID.items():
        body = json.dumps({"error": {"code": code, "message": message, "request_id": ""}})
        again = " hdr Retry-After 1" if status in _AGAIN else ""
        yield f"http-error status {status} content-type application/json string '{body}'{again}"


def connections() -> int:
    """Return the most concurrent connections of a proxy on this machine."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max((files - OTHER_FILES) // FILES_EACH, 1))


def free_port() -> int:
    """Return a free port below the range of outgoing connections, of which Ray opens many."""
    while True:
        port = random.randrange(*PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def drain(place: str, seconds: float) -> None:
    """Tell the proxies whose files are in a folder to accept no more requests, and wait until they have ended."""
    ours = [process for process in psutil.process_iter() if _is_proxy(process, place)]
    for process in ours:
        process.send_signal(signal.SIGUSR1)
    psutil.wait_procs(ours, timeout=seconds)


def _is_proxy(process: psutil.Process, place: str) -> bool:
    try:
        command = process.cmdline()
    except psutil.Error:
        return False
    return bool(command) and command[0].endswith("haproxy") and any(part.startswith(place) for part in command)


if __name__ == "__main__":
    for name, value in settings().items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
