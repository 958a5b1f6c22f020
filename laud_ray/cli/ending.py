"""End a command cleanly on SIGTERM (a scheduler, `ray job stop`, `timeout`): one line and exit code 143."""

import _thread
import os
import signal
import sys
import threading
import time
from types import FrameType

STOPPED = "stopped; run the same command again to resume"
TERMINATED = 128 + signal.SIGTERM
# The most seconds that a clean exit may take; `docker stop` kills after ten seconds.
LEAVE_SECONDS = 8.0


def leave_on_sigterm() -> None:
    """Install the handler for SIGTERM, unless there is one or this is not the main thread."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _leave)


def close_ray() -> None:
    """Shut Ray down before Python exits. Ray's own exit handler would end this process with exit code 1."""
    if (ray := sys.modules.get("ray")) is not None:
        ray.shutdown()


def _leave(signum: int, _: FrameType | None) -> None:
    # `timeout` signals both the process and its group; the second signal must not interrupt the exit.
    signal.signal(signum, signal.SIG_IGN)
    # The line is written here, since Ray kills a job that takes more than three seconds to exit. Python's stderr is not
    # reentrant, and the signal may have interrupted a write to it, so the line is written to the file descriptor.
    os.write(2, f"laud: {STOPPED}\n".encode())
    # A library may catch SystemExit, so a thread ends the process in any case. threading.Thread would take a lock that
    # this thread may hold.
    _thread.start_new_thread(_leave_at_last, ())
    raise SystemExit(TERMINATED)


def _leave_at_last() -> None:
    time.sleep(LEAVE_SECONDS)
    os._exit(TERMINATED)
