"""Configure, plan, start and inspect a run: init, plan, run, status, report."""

import gc
import sys
from typing import TYPE_CHECKING

import click

from laud_ray.cli.options import json_option, reading_of, reading_options
from laud_ray.cli.output import leave_waiting, print_json, print_text, print_view, say, terminal
from laud_ray.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laud_ray.planning.starter import Starter
    from laud_ray.store.versions.acceptance import Accept


@click.command(short_help="Print a commented task.yaml for DATA.")
@click.argument("data")
@click.option("--text", required=True, help="The column that holds the texts.")
@click.option(
    "--label", help="A column of labels for the replay oracle; by default one called label, category or similar."
)
@click.option("--id", help="The column that holds the ids.")
@click.option("--name", help="The task's name; by default that of the data.")
@click.option("--label-studio", metavar="FILE", help="Also write the labels as the label config of Label Studio (XML).")
@reading_options
def init(
    data: str,
    text: str,
    label: str | None,
    id: str | None,
    name: str | None,
    label_studio: str | None,
    delimiter: str | None,
    quote: str | None,
    encoding: str | None,
) -> None:
    """Print a commented task.yaml for DATA: a file, folder, glob or URI."""
    from laud_ray.planning.starter import starter

    reading = reading_of(delimiter, quote, encoding)
    made = starter(data, text=text, label=label, id=id, name=name, reading=reading)
    if label_studio is not None:
        _write_label_config(data, made, label_studio)
    print_text(made.text.rstrip("\n"))
    for note in made.notes:
        say(f"note: {note}")
    if made.fill_in:
        say(made.fill_in)


def _write_label_config(data: str, made: "Starter", file: str) -> None:
    """Write the label config of the labels that a column holds."""
    if made.fill_in:
        raise UserError(
            f"--label-studio: {data} has no column of labels; `laud questions push` gives the labels of a run to a new "
            "project"
        )
    from pathlib import Path

    from laud_ray.people.label_studio.label_config import label_config
    from laud_ray.storage.local import atomic

    atomic.write(Path(file), label_config(made.task).encode())


@click.command(short_help="Show what a run will cost, before anything is spent.")
@click.argument("config")
@click.option("--gpu", help="Plan for this GPU, such as A100; by default for this machine's GPU or CPU.")
@json_option
def plan(config: str, gpu: str | None, as_json: bool) -> None:
    """Estimate what the run that CONFIG describes will cost, before anything is spent."""
    from laud_ray.planning.plan import plan as make_plan
    from laud_ray.report.planned import plan_view, to_json
    from laud_ray.store.run import configured

    found = make_plan(configured(config), gpu)
    if as_json:
        print_json(to_json(found))
    else:
        print_view(plan_view(found))


@click.command(short_help="Start a run, or resume an existing one.")
@click.argument("config")
@click.option(
    "--zero-shot-only", is_flag=True, help="Stop after the zero-shot pass; run again without this option to continue."
)
@click.option("--wait", is_flag=True, help="Keep running while people answer, instead of ending with exit code 75.")
@click.option("--yes", is_flag=True, help="Go on with another version of the taxonomy without asking at the terminal.")
def run(config: str, zero_shot_only: bool, wait: bool, yes: bool) -> None:
    """Start the run that the YAML file CONFIG describes, or resume it.

    If its labels are another version of the run's taxonomy, the differences are listed first. Only what is new, split
    or moved is asked about then.
    """
    from laud_ray.cli.console import Show
    from laud_ray.cli.metrics import watched
    from laud_ray.cli.paths import check_lasting, check_writable
    from laud_ray.report.run import read
    from laud_ray.report.run.terminal import status_view
    from laud_ray.steps.stop import ended
    from laud_ray.store.run import configured, look_at

    settings = configured(config)
    check_lasting(settings.storage, f"{config}: storage")
    check_writable(settings.storage, f"{config}: storage")
    accept: Accept = lambda lines: _accept(lines, yes=yes)  # noqa: E731
    outcome = ended(settings, accept)
    if outcome is None:
        from laud_ray.loop import run as run_loop

        with Show(terminal(err=True), settings.storage) as show:
            observer = watched(show, settings.storage)
            outcome = run_loop(settings, observer, zero_shot_only=zero_shot_only, wait=wait, accept=accept)
    if zero_shot_only:
        print_text(f"{settings.storage}: {outcome.reason}")
        return
    with look_at(settings.storage) as folder:
        summary = read.read(folder)
    print_view(status_view(summary))
    if outcome.state == "waiting":
        known = outcome.reason != "answers are pending"
        leave_waiting(outcome.pending, outcome.reason if known else "run the same command again to ask for them")


def _accept(lines: "Sequence[str]", *, yes: bool) -> None:
    """List the differences between two versions of a taxonomy, and ask whether to go on, if somebody is there."""
    say("the labels are another version of the run's taxonomy:")
    for line in lines:
        say(f"  {line}")
    if not yes and sys.stdin.isatty() and not click.confirm("Go on with this version?", err=True):
        say("nothing has changed")
        raise SystemExit(1)


@click.command(short_help="Show a run's rounds, figures, state and current model.")
@click.argument("run")
@json_option
def status(run: str, as_json: bool) -> None:
    """Show the rounds of RUN, their figures, why it stopped, and its current model."""
    gc.disable()  # it takes a seventh of the time, and what is made is needed until the end
    from laud_ray.report.run.json_form import to_json
    from laud_ray.report.run.read import read
    from laud_ray.store.run import look_at

    with look_at(run) as folder:
        summary = read(folder)
    if as_json:
        print_json(to_json(summary))
        return
    from laud_ray.report.run.terminal import status_view

    print_view(status_view(summary))


@click.command(short_help="Write RUN/report.html: everything about RUN on one page.")
@click.argument("run")
def report(run: str) -> None:
    """Write RUN/report.html: everything about RUN on one page."""
    from laud_ray.report.oracle.read import read_page
    from laud_ray.report.oracle.sections import sections
    from laud_ray.report.run.page import render
    from laud_ray.report.run.read import read
    from laud_ray.store.run import look_at

    with look_at(run) as folder:
        found = read_page(folder)
        oracles = () if found is None else sections(found)
        folder.folder.write("report.html", render(read(folder, by_generation=True), oracles).encode())
    print_text(f"{run.rstrip('/')}/report.html")
