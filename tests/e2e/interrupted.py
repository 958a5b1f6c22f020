"""Run a configuration and kill this process at the n-th event of the loop: python interrupted.py CONFIG N.

N counts the ends of steps and the first progress of a pass; 0 kills nothing.
"""

import os
import signal
import sys

from laud_ray import config, loop


def main(path: str, at: int) -> None:
    seen = 0

    def observe(event: loop.Event) -> None:
        nonlocal seen
        boundary = event.kind == "end" or (event.kind == "progress" and event.step == "score" and event.done > 0)
        seen += boundary
        if at and seen == at:
            os.kill(os.getpid(), signal.SIGKILL)

    print(loop.run(config.load(path), observe).reason)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
