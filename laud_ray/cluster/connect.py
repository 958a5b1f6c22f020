"""The Ray that a command works on."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray._private import utils

from laud_ray.cluster import ray_token
from laud_ray.cluster.workers import NICENESS
from laud_ray.errors import JobError

# How often Ray is started before that is given up: on a busy machine it ends its own processes when they are slow.
STARTS = 3
_log = logging.getLogger(__name__)


def connect() -> None:
    """Connect to the Ray of RAY_ADDRESS, or start one on this machine, unless that was done.

    Raises:
        JobError: if that cannot be.
    """
    # Ray Data sets its loggers up when it is imported, to write among the lines of whoever uses it.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if ray.is_initialized():
        return
    os.environ.setdefault(*NICENESS)
    address = os.environ.get("RAY_ADDRESS")
    if address is None:
        ray_token.keep_private()
    for attempt in range(1, STARTS + 1):
        try:
            with _own_sigterm():
                ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
            break
        except Exception as error:  # noqa: BLE001 - Ray raises bare ones, as when a node is not up in time
            ray.shutdown()
            if address or attempt == STARTS or not timed_out(error):
                what = f"the Ray at {address} cannot be reached" if address else "Ray could not be started"
                raise JobError(f"{what}: {_reason(error)}. Run the same command again to resume.") from None
            _log.warning("Ray was not up in time (%s); trying again (%d of %d)", _reason(error), attempt + 1, STARTS)


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep what the caller does on SIGTERM: while Ray starts, it puts three handlers of its own in that place."""
    stopping = signal.getsignal(signal.SIGTERM)
    if not callable(stopping) or threading.current_thread() is not threading.main_thread():
        yield
        return
    theirs = utils.set_sigterm_handler
    utils.set_sigterm_handler = lambda _: None
    try:
        yield
    finally:
        utils.set_sigterm_handler = theirs
        signal.signal(signal.SIGTERM, stopping)


def timed_out(error: BaseException) -> bool:
    """Whether Ray failed because it was slow, so that another try may succeed."""
    words = f"{type(error).__name__} {error}".lower().replace(" ", "")
    slow = ("timedout", "timeout", "readinesscheck", "actordied", "actorunavailable", "nodedied")
    return isinstance(error, (TimeoutError, ConnectionError)) or any(word in words for word in slow)


def _reason(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
