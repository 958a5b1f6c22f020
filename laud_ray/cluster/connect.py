"""Connect a command to Ray: to an existing cluster, or to one that it starts on this machine."""

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
from laud_ray.printable import first_line

# Attempts to start Ray. On a busy machine Ray ends its own processes when they are slow to start.
STARTS = 3
_log = logging.getLogger(__name__)


def connect() -> None:
    """Connect to the cluster at RAY_ADDRESS, or start one on this machine; do nothing if already connected.

    Raises:
        JobError: if the cluster cannot be reached, or Ray cannot be started.
    """
    # When it is imported, Ray Data sets up loggers that would write between our own lines.
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
        except Exception as error:  # noqa: BLE001 - Ray raises bare Exceptions, e.g. if a node is not ready in time
            ray.shutdown()
            if address or attempt == STARTS or not timed_out(error):
                what = f"the Ray cluster at {address} cannot be reached" if address else "Ray could not be started"
                raise JobError(f"{what}: {_reason(error)}. Run the same command again to resume.") from None
            _log.warning("Ray did not start in time (%s); retrying (%d of %d)", _reason(error), attempt + 1, STARTS)


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep the caller's SIGTERM handler: while it starts, Ray would replace it three times."""
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
    """Whether Ray failed because it was slow, so that a retry may succeed."""
    words = f"{type(error).__name__} {error}".lower().replace(" ", "")
    slow = ("timedout", "timeout", "readinesscheck", "actordied", "actorunavailable", "nodedied")
    return isinstance(error, (TimeoutError, ConnectionError)) or any(word in words for word in slow)


def _reason(error: BaseException) -> str:
    return first_line(error).rstrip(".")
