"""Print results on stdout and everything else on stderr. All output of the commands goes through this module.

Labels, names and texts are untrusted: control characters that a terminal would interpret, such as escape sequences,
are printed as visible escapes. Messages and logs show no password or key.
"""

import json
import logging
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

import click

from laud_ray.printable import shown
from laud_ray.storage.credentials import masked

if TYPE_CHECKING:  # a command with --json needs no rich
    from rich.console import RenderableType

    from laud_ray.cli.terminal import Terminal

EXIT_WAITING = 75
EXIT_PERSON = 3  # a person must decide


def print_json(found: Mapping[str, object]) -> None:
    """Print one JSON object. JSON escapes all control characters."""
    click.echo(json.dumps(found, indent=1, allow_nan=False))


def print_text(text: str, *, err: bool = False) -> None:
    """Print lines of text."""
    click.echo(shown(text), err=err)


def print_view(view: "RenderableType") -> None:
    """Print tables and curves."""
    terminal().print(view)


def terminal(*, err: bool = False) -> "Terminal":
    """The terminal for what rich draws."""
    from laud_ray.cli.terminal import Terminal

    return Terminal(stderr=err)


def say(message: str) -> None:
    """Print a message on stderr, beside the result on stdout."""
    for line in message.split("\n"):
        print_text(f"laud: {masked(line.rstrip())}", err=True)


def leave_waiting(pending: int, until: str, *, err: bool = False) -> NoReturn:
    """Print the number of pending answers and the reason, and exit with EXIT_WAITING."""
    print_text(f"{pending} {'answer is' if pending == 1 else 'answers are'} pending: {until}", err=err)
    raise SystemExit(EXIT_WAITING)


class ShownFormatter(logging.Formatter):
    """Formats log records with control characters escaped and secrets masked."""

    def format(self, record: logging.LogRecord) -> str:
        return shown(masked(super().format(record)))


def print_crash(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """Print the traceback of an unexpected error; installed as `sys.excepthook`."""
    print_text(masked("".join(traceback.format_exception(kind, error, where)).rstrip()), err=True)
