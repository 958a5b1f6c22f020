"""A command of the command line as a Ray job, on the cluster that it runs on.

The cluster is that of RAY_ADDRESS, which Ray sets in every job. The exit code is the command's: 0 finished, 75
waiting for people, 2 a mistake in the input, 1 anything else, 143 stopped.
"""

import signal
import sys
from collections.abc import Sequence
from types import FrameType

from laud_ray import cli

STOPPED = 128 + signal.SIGTERM


def main(arguments: Sequence[str]) -> None:
    """Run a command; `ray job stop` ends it cleanly, and the same submission continues."""
    signal.signal(signal.SIGTERM, _leave)
    try:
        cli.main(arguments)
    except SystemExit as left:
        # Once connected, Ray's own handler is in place of ours, and leaves with the bare number of the signal.
        if left.code in (STOPPED, int(signal.SIGTERM)):
            sys.stderr.write("laud: stopped; the same command continues\n")
            raise SystemExit(STOPPED) from None
        raise


def _leave(signum: int, _: FrameType | None) -> None:
    raise SystemExit(128 + signum)
