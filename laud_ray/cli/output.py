"""What commands say: results on stdout, everything else on stderr."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:  # a command with --json needs no rich
    from rich.console import RenderableType

EXIT_WAITING = 75


def print_json(found: Mapping[str, object]) -> None:
    """Print one JSON object."""
    click.echo(json.dumps(found, indent=1, allow_nan=False))


def print_view(view: "RenderableType") -> None:
    """Print what is for people: tables and curves."""
    from rich.console import Console

    Console(highlight=False).print(view)


def say(message: str) -> None:
    """Say something beside the result."""
    for line in message.splitlines():
        click.echo(f"laud: {line}", err=True)


def leave_waiting(pending: int, until: str, *, err: bool = False) -> NoReturn:
    """Say how many answers are pending, and what is waited for; then leave with EXIT_WAITING."""
    click.echo(f"{pending} answers are pending: {until}", err=err)
    raise SystemExit(EXIT_WAITING)
