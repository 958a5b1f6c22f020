"""The Ray that a command works on."""

import logging
import os
import signal
import threading

import ray

from laud_ray.errors import JobError
from laud_ray.workers import NICENESS


def connect() -> None:
    """Connect to the Ray of RAY_ADDRESS, or start one on this machine, unless that was done.

    Raises:
        JobError: if that cannot be.
    """
    # Ray Data sets its loggers up when it is imported, to write among the lines of whoever uses it.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if ray.is_initialized():
        return
    # Else Ray answers a SIGTERM, such as a scheduler's, with a dump of its stack. Set by a person, it stays.
    os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
    os.environ.setdefault(*NICENESS)
    address = os.environ.get("RAY_ADDRESS")
    stopping = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # noqa: BLE001 - Ray raises bare ones, as when a node is not up in time
        what = f"the Ray at {address} cannot be reached" if address else "Ray could not be started"
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise JobError(f"{what}: {reason}; the same command continues when that is mended") from None
    # Ray has put a handler of its own in place of the caller's.
    if callable(stopping) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stopping)
