"""A real PostgreSQL server of its own for a test session, on a free port, with its files in a temporary folder."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

USER, PASSWORD = "laud", "swordfish"
INSTALLED = "/usr/lib/postgresql"


@dataclass(frozen=True)
class Server:
    """A running server. url names its database, without the password, which is in PGPASSWORD."""

    url: str
    bin: Path
    data: Path
    owner: str | None

    def control(self, *arguments: str) -> None:
        """Run pg_ctl, such as `control("restart")`, and wait for it."""
        run(
            [str(self.bin / "pg_ctl"), "-D", str(self.data), "-w", "-l", str(self.data / "log"), *arguments], self.owner
        )

    def execute(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(query)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def drop_connections(self) -> int:
        """End every other connection in the midst of what it does, and say how many there were."""
        ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'laud'"
        (count,) = self.execute(ended)[0]
        return int(str(count))


def run(command: list[str], owner: str | None) -> None:
    """PostgreSQL refuses to run as root: then it runs as `owner`."""
    done = subprocess.run(
        command, user=owner, group=owner and pwd.getpwnam(owner).pw_gid, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, timeout=60, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def unavailable(reason: str) -> None:
    if os.environ.get("LAUD_NEED_POSTGRES") == "1":
        pytest.fail(f"LAUD_NEED_POSTGRES=1, and {reason}")
    pytest.skip(reason)


@contextmanager
def postgres_server() -> Iterator[Server]:
    on_path = shutil.which("initdb")
    found = [Path(on_path).parent] if on_path else [p.parent for p in Path(INSTALLED).glob("*/bin/initdb")]
    if not found:
        unavailable(f"no initdb is on PATH or in {INSTALLED}: `make system` installs it")
    owner = None
    if os.geteuid() == 0:
        names = {entry.pw_name for entry in pwd.getpwall()}
        owner = next((name for name in ("postgres", "nobody") if name in names), None)
        if owner is None:
            unavailable("PostgreSQL does not run as root, and there is no user postgres or nobody")
    place = Path(tempfile.mkdtemp(prefix="laud-pg-"))
    before = os.environ.get("PGPASSWORD")
    try:
        (place / "password").write_text(PASSWORD)
        place.chmod(0o755)
        if owner is not None:
            shutil.chown(place, owner)
            shutil.chown(place / "password", owner)
        bin, data = sorted(found)[-1], place / "data"
        run(
            [str(bin / "initdb"), "-D", str(data), "-U", USER, "-A", "scram-sha-256", "--locale=C", "-E", "UTF8", "-N",
             "--pwfile", str(place / "password")],
            owner,
        )  # fmt: skip
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with open(data / "postgresql.conf", "a") as settings:
            settings.write(
                f"listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{place}'\n"
                "fsync = off\nshared_buffers = 16MB\nmax_connections = 60\n"
            )
        server = Server(f"postgresql://{USER}@127.0.0.1:{port}/postgres", bin, data, owner)
        os.environ["PGPASSWORD"] = PASSWORD
        server.control("start")
        try:
            yield server
        finally:
            server.control("stop", "-m", "immediate")
    finally:
        os.environ.pop("PGPASSWORD", None)
        if before is not None:
            os.environ["PGPASSWORD"] = before
        shutil.rmtree(place, ignore_errors=True)
