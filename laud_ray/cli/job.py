"""A command of the command line as a Ray job, on the cluster that it runs on.

The cluster is that of RAY_ADDRESS, which Ray sets in every job. The exit code is the command's: 0 finished, 75
waiting for people, 2 a mistake in the input, 1 anything else, 143 stopped.
"""

from collections.abc import Sequence

from laud_ray import cli


def main(arguments: Sequence[str]) -> None:
    """Run a command; `ray job stop` ends it cleanly, and the same submission resumes."""
    cli.main(arguments)
