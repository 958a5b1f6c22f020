"""Killed in the middle of buying answers and run again: what was answered is not bought twice."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

from tests.endpoint import Reply, chat, endpoint

SCRIPT = Path(__file__).parent / "annotating.py"
IN_FLIGHT, ANSWERED = 4, 20


def start(database: Path, url: str, documents: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), str(database), url, str(documents), str(IN_FLIGHT)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


def test_after_a_kill_only_what_was_in_flight_is_asked_again(tmp_path: Path) -> None:
    database, stuck, killed = tmp_path / "laud.db", threading.Event(), threading.Event()

    def script(body: dict, before: int) -> Reply | None:
        if killed.is_set():
            return chat("A")
        with server.lock:
            place = len(server.seen)
        if place >= ANSWERED + IN_FLIGHT:
            stuck.set()
        position = server.prompts.index(body["messages"][0]["content"])
        return chat("A") if position < ANSWERED else None

    with endpoint(script) as server:
        process = start(database, server.url, 40)
        assert stuck.wait(120), process.stderr
        # All that may be in flight is held by the server, so all that it answered has been recorded.
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed.set()
        with sqlite3.connect(database) as look:
            states = dict(look.execute("select state, count(*) from oracle_calls group by state").fetchall())
        assert states == {"done": ANSWERED, "begun": IN_FLIGHT}
        out, err = start(database, server.url, 40).communicate(timeout=120)
        assert out.strip() == "40 None", err
        seen = Counter(server.prompts)
        assert Counter(seen.values()) == {1: 40 - IN_FLIGHT, 2: IN_FLIGHT}
        # What was in flight counts against the cap of 44 for ever: there is no 45th call.
        out, err = start(database, server.url, 41).communicate(timeout=120)
        assert out.startswith("40 oracle.max_calls: 44 of 44 calls of m are used"), err
        assert len(server.seen) == 44
