"""A command of the command line as a Ray job, on the cluster that it runs on.

The cluster is that of RAY_ADDRESS, which Ray sets in every job. The exit code is the command's: 0 finished, 75
waiting for people, 2 a mistake in the input, 1 anything else, 143 stopped.
"""

import signal
import sys
from collections.abc import Sequence
from types import FrameType

from laud_ray import cli


def main(arguments: Sequence[str]) -> None:
    """Run a command; `ray job stop` ends it cleanly, and the same submission continues."""
    signal.signal(signal.SIGTERM, _leave)
    cli.main(arguments)


def _leave(signum: int, _: FrameType | None) -> None:
    # Said here and not on the way out: Ray kills a job that takes more than three seconds to leave.
    sys.stderr.write("laud: stopped; the same command continues\n")
    raise SystemExit(128 + signum)
