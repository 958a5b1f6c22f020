"""Repeat a command's work at fixed times, until the process is interrupted."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from laud_ray.cli.output import say
from laud_ray.errors import LaudError


def repeat(
    round: Callable[[], None],
    every: float,
    *,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Do a round every so many seconds, for ever; one that takes longer than that is followed by the next at once.

    SIGTERM and Ctrl-C end it, as they end any command: nothing is lost, and the next call goes on.

    Args:
        round: the work.
        every: seconds from the begin of a round to that of the next.
        clock: returns seconds since 1970.
        sleep: waits for some seconds.

    Raises:
        LaudError: if the first round fails. A later one may fail: that is printed, and the next round tries again.
    """
    first = True
    while True:
        began = clock()
        try:
            round()
        except LaudError as error:
            if first:
                raise
            say(f"{error}; the watch goes on")
        first = False
        due = max(began + every, clock())
        say(f"the next round is at {datetime.fromtimestamp(due, UTC):%Y-%m-%d %H:%M} UTC; Ctrl-C ends the watch")
        if (left := due - clock()) > 0:
            sleep(left)
