"""Run a configuration and kill this process at the n-th boundary: python interrupted.py CONFIG N.

Boundaries are the ends of steps and the ranges that a pass commits; 0 kills nothing.
"""

import os
import signal
import sys

from laud_ray import config, loop


class Boundaries:
    """Counts boundaries, and kills this process at the given one."""

    def __init__(self, at: int) -> None:
        self._at, self._seen, self._committed = at, 0, -1

    def __call__(self, event: loop.Event) -> None:
        if event.kind == "progress" and event.step in ("score", "zero-shot"):
            # The first progress of a pass only tells what an earlier process committed.
            self._seen += 0 <= self._committed < event.done
            self._committed = max(self._committed, event.done)
        elif event.kind == "end":
            self._seen, self._committed = self._seen + 1, -1
        if self._at and self._seen >= self._at:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    print(loop.run(config.load(sys.argv[1]), Boundaries(int(sys.argv[2]))).reason)
