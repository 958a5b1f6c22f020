"""Run a command of the command line as a Ray job.

It runs on the cluster of RAY_ADDRESS, which Ray sets in every job. The exit code is the command's: 0 finished, 75
answers are pending, 3 an update that needs a person, 2 a user error, 1 any other error, 143 stopped.
"""

from collections.abc import Sequence

from laud_ray import cli


def main(arguments: Sequence[str]) -> None:
    """Run a command. `ray job stop` ends it cleanly, and the same submission resumes it."""
    cli.main(arguments)
