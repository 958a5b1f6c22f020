"""A Ray cluster of a test's own, with a dashboard and a token: `ray start` in a folder and on ports of its own."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil

from tests.served import eventually

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where it is reached: its dashboard, its own address, and its metrics; and its working folder."""

    dashboard: str
    address: str
    metrics: str
    folder: Path
    token: str

    @property
    def environment(self) -> dict[str, str]:
        """That of a process on it, without what would lead to another cluster."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("RAY_ADDRESS")}
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}
        return clean | secret | {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def ask(self, path: str, method: str = "GET") -> Any:
        """What the dashboard's HTTP interface answers."""
        headers = {"Authorization": f"Bearer {self.token}"}
        with urlopen(Request(self.dashboard + path, method=method, headers=headers), timeout=10) as reply:
            return json.load(reply)


def free_ports(n: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(n)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextmanager
def head(cpus: int = 2) -> Iterator[Cluster]:
    """Start a head; end what it started, and nothing else, afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="laud-ray-", dir="/tmp"))  # a socket's path may have 107 characters
    port, dashboard, agent, agent_http, metrics, client = free_ports(6)
    here = "http://127.0.0.1"
    cluster = Cluster(
        f"{here}:{dashboard}", f"127.0.0.1:{port}", f"{here}:{metrics}/metrics", folder, secrets.token_hex(32)
    )
    command = [
        *(str(BIN / "ray"), "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}"),
        *(f"--dashboard-port={dashboard}", f"--dashboard-agent-grpc-port={agent}", f"--num-cpus={cpus}"),
        *(f"--dashboard-agent-listen-port={agent_http}", f"--metrics-export-port={metrics}"),
        *(f"--ray-client-server-port={client}", f"--temp-dir={folder}", "--disable-usage-stats"),
        *("--object-store-memory=200000000", "--include-dashboard=true", "--labels=laud.run/test=head"),
    ]
    with open(folder / "start.log", "w") as log:
        process = subprocess.Popen(
            command, env=cluster.environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        eventually(lambda: process.poll() is not None or _answers(cluster), 300)
        assert process.poll() is None, (folder / "start.log").read_text()
        yield cluster
    finally:
        started = [*psutil.Process(process.pid).children(recursive=True), process]
        for one in started:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _answers(cluster: Cluster) -> bool:
    """Whether its dashboard answers, and the node's agent, which starts last and without which no job is taken."""
    try:
        with urlopen(cluster.metrics, timeout=10):
            return "ray_version" in cluster.ask("/api/version")
    except (OSError, ValueError):
        return False
