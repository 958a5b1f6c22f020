"""Keep a run up to date with data that keep coming: update."""

from typing import TYPE_CHECKING

import click

from laud_ray.cli.options import json_option
from laud_ray.cli.output import EXIT_WAITING, print_json, print_text, say

if TYPE_CHECKING:
    from laud_ray.update.outcome import Outcome

EXIT_PERSON = 3


@click.command(short_help="Append new data to RUN, notice drift, ask, learn and promote.")
@click.argument("run")
@click.argument("new_data", required=False)
@json_option
def update(run: str, new_data: str | None, as_json: bool) -> None:
    """Append NEW_DATA to the finished RUN, and do what it makes necessary. Without NEW_DATA, go on with what was begun.

    Only new documents are scored. If they differ from those before, some are asked about, a model learns the answers,
    and it becomes current if it is better on new documents and not worse on others. Exit codes: 0 nothing to do,
    promoted or kept; 75 answers are pending; 3 a person must decide.
    """
    from laud_ray.cli.console import Show
    from laud_ray.cli.metrics import watched
    from laud_ray.cli.output import terminal
    from laud_ray.update.outcome import to_json
    from laud_ray.update.update import update as run_update

    with Show(terminal(err=True), run) as show:
        outcome = run_update(run, new_data, watched(show, run))
    if as_json:
        print_json(to_json(outcome))
    else:
        for line in outcome.words:
            print_text(line)
        for command in outcome.commands:
            print_text(f"  {command}")
    _leave(outcome, run)


def _leave(outcome: "Outcome", run: str) -> None:
    """Exit with the code that the outcome has, if it is not 0."""
    if outcome.state == "waiting":
        say(f"{outcome.pending} answers are pending; then run `laud update {run}`")
        raise SystemExit(EXIT_WAITING)
    if outcome.state == "person":
        raise SystemExit(EXIT_PERSON)
