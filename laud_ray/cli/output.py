"""What commands print: results on stdout, everything else on stderr. All of it goes through here.

Labels, names and texts come from anybody: whatever a terminal would obey, such as an escape sequence, is printed as
an escape that can be seen. Messages and logs show no password or key.
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


def print_json(found: Mapping[str, object]) -> None:
    """Print one JSON object, whose own escapes leave nothing for a terminal to obey."""
    click.echo(json.dumps(found, indent=1, allow_nan=False))


def print_text(text: str, *, err: bool = False) -> None:
    """Print lines as they are."""
    click.echo(shown(text), err=err)


def print_view(view: "RenderableType") -> None:
    """Print what is for people: tables and curves."""
    terminal().print(view)


def terminal(*, err: bool = False) -> "Terminal":
    """The terminal for what rich draws."""
    from laud_ray.cli.terminal import Terminal

    return Terminal(stderr=err)


def say(message: str) -> None:
    """Say something beside the result."""
    for line in message.split("\n"):
        print_text(f"laud: {masked(line.rstrip())}", err=True)


def leave_waiting(pending: int, until: str, *, err: bool = False) -> NoReturn:
    """Say how many answers are pending, and what is waited for; then leave with EXIT_WAITING."""
    print_text(f"{pending} answers are pending: {until}", err=err)
    raise SystemExit(EXIT_WAITING)


class ShownFormatter(logging.Formatter):
    """Log records as a terminal may show them."""

    def format(self, record: logging.LogRecord) -> str:
        return shown(masked(super().format(record)))


def print_crash(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """Print an error that nobody expected, as `sys.excepthook`."""
    print_text(masked("".join(traceback.format_exception(kind, error, where)).rstrip()), err=True)
