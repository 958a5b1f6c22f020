"""Run a configuration and kill this process at boundaries: python interrupted.py CONFIG [KILLED [STEP]].

KILLED names a file with the boundaries where a process was killed before; this one dies at the first boundary
that is not in it. Boundaries are the ends of steps and the ranges that a pass commits; with STEP only those of
that step. Without KILLED nothing is killed.
"""

import os
import signal
import sys
from pathlib import Path

from laud_ray import config, loop


class Boundaries:
    """Kills this process at the first boundary where none was killed yet."""

    def __init__(self, killed: Path, step: str | None = None) -> None:
        self._file, self._step = killed, step
        self._before = set(killed.read_text().splitlines()) if killed.exists() else set()

    def __call__(self, event: loop.Event) -> None:
        boundary = f"{event.kind} {event.step} {event.round} {event.done} of {event.total}"
        if self._step not in (None, event.step):
            return
        if event.kind in ("progress", "end") and boundary not in self._before:
            with open(self._file, "a") as file:
                file.write(boundary + "\n")
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    observers = [Boundaries(Path(sys.argv[2]), *sys.argv[3:])] if sys.argv[2:] else []
    print(loop.run(config.load(sys.argv[1]), *observers).reason)
