"""The command line, called in this process."""

from laud_ray import cli


def laud(*arguments: str) -> int:
    """Run a command; return its exit code."""
    try:
        cli.main(arguments)
    except SystemExit as left:
        return int(left.code or 0)
    return 0
