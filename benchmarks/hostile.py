"""Send hostile requests to a real `laud serve`; check the responses, the memory, and the latency of other callers.

    python -m benchmarks.hostile runs/demo

The script starts the service with one replica and sends each kind of request, while another caller classifies a text
every 50 ms. Then it keeps connections with slow bodies and incomplete headers open. The exit code is 1 if a response
has a status 5xx other than 503 or 504 or takes over 12 s, if the memory of the replica grows by more than 30 %, or if
the other caller waits for over a second while slow senders are connected.
"""

import argparse
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from benchmarks.hostile_kinds import HALF_HEADERS, TOKEN, answered, is_wrong, kinds, slow_kinds

MOST_GROWTH, OTHERS_S = 1.3, 1.0
AT_ONCE = 4


@dataclass
class Caller:
    """Another caller, who classifies a text every 50 ms; records status and seconds of each response."""

    url: str
    seen: list[tuple[int, float]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def asking(self) -> Iterator[None]:
        self._stop.clear()
        thread = threading.Thread(target=self._ask)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(0.05):
            began = time.perf_counter()
            # Each request has its own connection, like that of a new caller.
            with suppress(httpx.TransportError):
                answer = httpx.post(
                    self.url, json={"texts": "milk"}, headers={"authorization": f"Bearer {TOKEN}"}, timeout=30
                )
                self.seen.append((answer.status_code, time.perf_counter() - began))
                continue
            self.seen.append((0, time.perf_counter() - began))

    def summary(self) -> str:
        seconds = sorted(second for _, second in self.seen)
        statuses = dict(Counter(status for status, _ in self.seen))
        return (
            f"{len(seconds)} answers {statuses}, median {seconds[len(seconds) // 2]:.3f} s, longest {seconds[-1]:.3f} s"
        )


@contextmanager
def service(run: str, port: int) -> Iterator[subprocess.Popen[str]]:
    command = [str(Path(sys.executable).parent / "laud"), "serve", run, "--port", str(port), "--cpus", "0.5"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "LAUD_TOKENS": TOKEN})
    assert process.stdout is not None
    try:
        if not any(line.startswith("http://") for line in process.stdout):
            raise SystemExit("the service did not start")
        yield process
    finally:
        process.terminate()
        process.wait(60)


def replica_of(process: "subprocess.Popen[str]") -> psutil.Process:
    family = psutil.Process(process.pid).children(recursive=True)
    return next(one for one in family if "ServeReplica" in " ".join(one.cmdline()))


@contextmanager
def measured(replica: psutil.Process) -> Iterator[Callable[[], int]]:
    """Sample the memory of a replica continuously; yield a function that returns the maximum so far."""
    most, stop = [replica.memory_info().rss], threading.Event()

    def look() -> None:
        while not stop.wait(0.02):
            most[0] = max(most[0], replica.memory_info().rss)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield lambda: most[0]
    finally:
        stop.set()
        thread.join()


def send_all(port: int) -> tuple[Counter[str], list[str]]:
    """Send each kind of request, four at a time; return the statuses, and the failures."""
    found = kinds()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = dict(zip(found, pool.map(lambda data: answered(port, data), found.values()), strict=True))
    wrong = [
        f"{name}: {status} after {seconds:.1f} s"
        for name, (status, seconds) in answers.items()
        if is_wrong(status, seconds)
    ]
    return Counter(status for status, _ in answers.values()), wrong


def hold_open(port: int, n: int, data: bytes, caller: Caller, seconds: float) -> list[socket.socket]:
    """Start n requests that never end, while another caller sends requests."""
    open_ones = []
    for _ in range(n):
        one = socket.create_connection(("127.0.0.1", port), 5)
        with suppress(OSError):
            one.settimeout(0.5)
            one.sendall(data)
        open_ones.append(one)
    with caller.asking():
        time.sleep(seconds)
    return open_ones


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--port", type=int, default=18_742)
    given = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 3 * HALF_HEADERS)), hard))
    url, wrong = f"http://127.0.0.1:{given.port}/v1/classify", []
    with service(given.run, given.port) as process:
        replica = replica_of(process)
        for _ in range(3):  # a normal load first, to reach the memory that a replica needs anyway
            texts = [f"a name {i} " * 10 for i in range(1024)]
            httpx.post(url, json={"texts": texts}, headers={"authorization": f"Bearer {TOKEN}"}, timeout=60)
        before = replica.memory_info().rss
        with measured(replica) as most:
            caller = Caller(url)
            with caller.asking():
                statuses, wrong = send_all(given.port)
            print(f"{sum(statuses.values())} kinds: {dict(statuses.most_common())}")
            print(f"others beside them: {caller.summary()}")
            for name, n, data in slow_kinds():
                caller = Caller(url)
                for one in hold_open(given.port, n, data, caller, 6):
                    one.close()
                print(f"others beside {n} {name}: {caller.summary()}")
                late = [seen for seen in caller.seen if seen[0] != 200 or seen[1] > OTHERS_S]
                wrong += [f"{len(late)} of {len(caller.seen)} answers were late beside {n} {name}"] if late else []
                time.sleep(1)
            growth = most() / before
        print(
            f"memory of the replica: {before / 2**20:.0f} MiB before, {most() / 2**20:.0f} at most, {growth:.2f} times"
        )
        if growth > MOST_GROWTH:
            wrong.append(f"the replica grew to {growth:.2f} times its memory")
        if replica != replica_of(process):
            wrong.append("the replica was replaced")
    print("\n".join(["", "WRONG:", *wrong] if wrong else ["all as expected"]))
    return bool(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
