"""SIGTERM, as from a scheduler, `ray job stop` or `timeout`: one line and exit code 143. What is committed stays."""

import _thread
import os
import signal
import sys
import threading
import time
from types import FrameType

STOPPED = "stopped; run the same command again to resume"
TERMINATED = 128 + signal.SIGTERM
# For how long the way out may take; `docker stop` waits for ten seconds.
LEAVE_SECONDS = 8.0


def leave_on_sigterm() -> None:
    """Let SIGTERM end this process in an orderly way, from now on and unless somebody else handles it."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _leave)


def close_ray() -> None:
    """Leave Ray before Python does: it would end its own processes first, and then this one with exit code 1."""
    if (ray := sys.modules.get("ray")) is not None:
        ray.shutdown()


def _leave(signum: int, _: FrameType | None) -> None:
    # `timeout` sends it to the process and to its group: the second one must not cut the way out short.
    signal.signal(signum, signal.SIG_IGN)
    # Said here and not on the way out: Ray kills a job that takes more than three seconds to leave. The signal may have
    # come in the middle of a write to stderr, which Python's own does not bear.
    os.write(2, f"laud: {STOPPED}\n".encode())
    # A library may catch what is raised here. threading.Thread takes a lock that this very thread may hold.
    _thread.start_new_thread(_leave_at_last, ())
    raise SystemExit(TERMINATED)


def _leave_at_last() -> None:
    time.sleep(LEAVE_SECONDS)
    os._exit(TERMINATED)
