"""HAProxy, which Ray Serve puts before the replicas: its settings, and its end.

Before `ray start` on a cluster: eval "$(python -m serve.proxy)"
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

# Requests that the proxy gives to one replica at once, and seconds that others wait in it before they are refused.
# Without these, all of an overload waits for the replica's Python, which takes and refuses some hundreds a second.
AT_ONCE, WAIT_S = 128, 1
# The proxy holds a request back until so many bytes of it are there, or the whole: nearly all requests are smaller.
HELD = 131_072
# Seconds for as much of a request as is held; and between bytes after that.
REQUEST_S, CLIENT_S = 8, 5
# Seconds between looks at a replica, and that it has to answer one; after two without an answer it gets no requests.
LOOK_S, LOOK_ANSWER_S = 2, 3
# Seconds beyond a service's deadline: what is not answered then never is.
PATIENCE_S = 5
DEADLINE_S = 10.0
# Connections that it has at once where the system lets a process open enough files: it wants 2.5 for each.
MOST_CONNECTIONS, FILES_EACH, OTHER_FILES = 10_000, 3, 100
# Where its ports for metrics and such are sought, and what it says where another process has taken one.
PORTS = (20_000, 29_000)
LOST_PORT = "failed to start their listeners"
# The proxy's own answers, in the form of the service's. 502, 503 and 504 would otherwise be a 500 of Ray's, in text.
SAID = {
    408: ("too_slow", f"the request did not come within {REQUEST_S} s"),
    502: ("no_replica", "the replica that had this request is gone"),
    503: ("no_replica", "no replica was free for this request in time, or the one that had it is gone"),
    504: ("no_answer", "the replica that had this request did not answer in time"),
}
_AGAIN = {502, 503, 504}


def settings(deadline_s: float = DEADLINE_S) -> dict[str, str]:
    """The environment variables that Ray Serve reads when it is imported, for a service with this deadline.

    What follows a value stands as it is in HAProxy's configuration: for most of this Ray has no setting of its own.
    """
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        # A text is classified the same however often it is asked: a replica's death costs its requests a retry.
        "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
        "RAY_SERVE_HAPROXY_HEALTH_CHECK_INTER": f"{LOOK_S}s maxconn {AT_ONCE}",
        # Without a limit of its own, HAProxy lets requests wait for a replica as long as for a connection.
        "RAY_SERVE_HAPROXY_TIMEOUT_CONNECT_S": str(WAIT_S),
        "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": str(HELD),
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": str(CLIENT_S),
        "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S": str(round(deadline_s) + PATIENCE_S),
        "RAY_SERVE_HAPROXY_BALANCE_ALGORITHM": "\n    ".join(["leastconn", *_lines()]),
        # Headers that Ray itself would stumble over.
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "serve.incoming:middlewares",
        # One that does not answer cannot end its work either.
        "RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS": "1",
        # On a busy machine a proxy takes longer to start than the five seconds that Ray gives it.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "30",
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
        "RAY_SERVE_LOG_TO_STDERR": "0",
    }


def _lines() -> Iterator[str]:
    """Lines of HAProxy's section `defaults`, in which that of `balance` is the last."""
    # A request that has not come takes no place in a replica.
    yield "option http-buffer-request"
    yield f"timeout http-request {REQUEST_S}s"
    yield f"timeout check {LOOK_ANSWER_S}s"
    for status, (code, message) in SAID.items():
        body = json.dumps({"error": {"code": code, "message": message, "request_id": ""}})
        again = " hdr Retry-After 1" if status in _AGAIN else ""
        yield f"http-error status {status} content-type application/json string '{body}'{again}"


def connections() -> int:
    """How many connections a proxy on this machine can have at once."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max((files - OTHER_FILES) // FILES_EACH, 1))


def free_port() -> int:
    """A port that nobody has now. Below those that the system gives to outgoing connections: Ray makes many of them."""
    while True:
        port = random.randrange(*PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def drain(place: str, seconds: float) -> None:
    """Have the proxies whose files are in a folder take no more requests, and wait until they have answered theirs."""
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
