"""Questions that people answer elsewhere: questions export, import, push, pull."""

import os
import shlex
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from laud_ray.cli.options import Decorated, json_option, reading_of, reading_options
from laud_ray.cli.output import print_json, print_text, say

if TYPE_CHECKING:
    from laud_ray.people.exchange.files import Imported

PURPOSE = click.option(
    "--purpose",
    type=click.Choice(["seed", "query", "evaluation", "audit"]),
    help="Only the questions asked for this purpose.",
)


def _part(_context: click.Context, _option: click.Parameter, said: str | None) -> tuple[int, int] | None:
    """Read a part such as 2/3."""
    if said is None:
        return None
    i, _, n = said.partition("/")
    if not (i.isdecimal() and n.isdecimal() and 1 <= int(i) <= int(n)):
        raise click.BadParameter(f"{said!r} is not valid; expected a part such as 2/3")
    return int(i), int(n)


@click.group(short_help="Exchange a run's questions: by file, or with Label Studio.")
def questions() -> None:
    """Exchange the questions that a run asks people: by file, or with Label Studio."""


@questions.command(name="export", short_help="Write the open questions of RUN into a file.")
@click.argument("run")
@click.option(
    "--out", metavar="FILE", required=True, help="A name that ends in .csv or .jsonl (.gz may follow); - is stdout."
)
@click.option("--blind", is_flag=True, help="Leave out all suggestions; by default each question decides.")
@PURPOSE
@click.option("--limit", metavar="N", type=click.IntRange(1), help="The first N questions.")
@click.option("--who", metavar="NAME", help="Leave out what this person has answered.")
@click.option("--part", metavar="I/N", callback=_part, help="The I-th of N parts, such as 2/3, one for each person.")
@click.option("--disputed", is_flag=True, help="Only the questions on which people differ, with their answers.")
def export_(
    run: str,
    out: str,
    blind: bool,
    purpose: str | None,
    limit: int | None,
    who: str | None,
    part: tuple[int, int] | None,
    disputed: bool,
) -> None:
    """Write the open questions of RUN into a file, for people to fill in the column `label`.

    A label, "unsure", or "none fits" is an answer; a row without one stays open. In a multilabel task the answers are
    labels with semicolons between them, "no label applies", and "unsure".
    """
    from laud_ray.people.exchange.files import export
    from laud_ray.store.run import look_at

    with look_at(run) as folder:
        found = export(folder, out, blind=blind, purpose=purpose, limit=limit, who=who, part=part, disputed=disputed)
    if out == "-":
        _write_out(found.data)
        return
    number = "1 question" if found.questions == 1 else f"{found.questions:,} questions"
    if not found.questions:
        command = "laud update" if found.updating else "laud run"
        print_text(f"{out}: no questions are {'disputed' if disputed else 'open'}; `{command}` continues the run")
        return
    print_text(f"{out}: {number}, {found.shown:,} of them with candidates")
    answers = (
        'labels with semicolons between them, "no label applies" or "unsure"'
        if found.multilabel
        else 'a label, "unsure" or "none fits"'
    )
    print_text(f'Fill in the column "label" with {answers}; then')
    decides = " --adjudicator" if disputed else ""
    print_text(f"  laud questions import {shlex.quote(run)} {shlex.quote(out)} --who NAME{decides}")


def _write_out(data: bytes) -> None:
    """Write to standard output; a reader that has seen enough, such as `head`, is no error."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Python would write what is left when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@questions.command(name="import", short_help="Record the answers of a file in RUN.")
@click.argument("run")
@click.argument("file")
@click.option("--who", metavar="NAME", help="Who answered; a column `who` of the file overrides it.")
@click.option("--adjudicator", is_flag=True, help="These answers decide where people differ.")
@reading_options
@json_option
def import_(
    run: str,
    file: str,
    who: str | None,
    adjudicator: bool,
    delimiter: str | None,
    quote: str | None,
    encoding: str | None,
    as_json: bool,
) -> None:
    """Record the answers of FILE in RUN: all of them, or none if a row is not valid.

    FILE is a file that `laud questions export` wrote, filled in, or a folder or glob of such files. Importing it again
    changes nothing.
    """
    from laud_ray.people.exchange.files import import_answers
    from laud_ray.store.run import look_at

    reading = reading_of(delimiter, quote, encoding)
    with look_at(run) as folder:
        found = import_answers(folder, file, who, adjudicator=adjudicator, reading=reading)
    for note in found.notes:
        say(f"note: {note}")
    _print(run, file, found, as_json=as_json)


def _studio_options(command: Decorated) -> Decorated:
    """Add --label-studio, --project and --token-env to a command."""
    options = (
        click.option("--label-studio", "url", metavar="URL", required=True, help="The address of Label Studio."),
        click.option(
            "--project", metavar="ID", type=click.IntRange(1), required=True, help="The number of the project."
        ),
        click.option(
            "--token-env",
            metavar="NAME",
            default="LABEL_STUDIO_TOKEN",
            show_default=True,
            help="The environment variable that holds the access token.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@questions.command(short_help="Send the open questions of RUN to a project of Label Studio.")
@click.argument("run")
@_studio_options
@click.option("--blind", is_flag=True, help="Send no suggestions; by default each question decides.")
@PURPOSE
@click.option("--limit", metavar="N", type=click.IntRange(1), help="The first N questions.")
@click.option("--set-labels", is_flag=True, help="Write the task's labels into the project, in place of its own.")
@json_option
def push(
    run: str,
    url: str,
    project: int,
    token_env: str,
    blind: bool,
    purpose: str | None,
    limit: int | None,
    set_labels: bool,
    as_json: bool,
) -> None:
    """Send the open questions of RUN to a project of Label Studio, each once.

    A project without a label config is given the labels of the task.
    """
    from laud_ray.people.label_studio import sync
    from laud_ray.people.label_studio.connection import LabelStudio
    from laud_ray.store.run import look_at

    with look_at(run) as folder, LabelStudio(url, sync.token_of(token_env)) as studio:
        found = sync.push(folder, studio, project, blind=blind, purpose=purpose, limit=limit, set_labels=set_labels)
    if as_json:
        print_json(asdict(found))
        return
    if found.set_up:
        print_text(f"{url} project {project}: has the labels of the task now")
    there = f", {found.present:,} were there" if found.present else ""
    print_text(f"{url} project {project}: {found.sent:,} tasks sent, {found.suggested:,} with a suggestion{there}")
    there = f"--label-studio {shlex.quote(url)} --project {project}"
    print_text(f"Answer them there; then\n  laud questions pull {shlex.quote(run)} {there}")


@questions.command(short_help="Record the answers of a project of Label Studio in RUN.")
@click.argument("run")
@_studio_options
@json_option
def pull(run: str, url: str, project: int, token_env: str, as_json: bool) -> None:
    """Record the answers of a project of Label Studio in RUN; those that are recorded change nothing.

    The latest answer of each person counts, a skipped task is "unsure", and people go by their e-mail addresses.
    """
    from laud_ray.people.label_studio import sync
    from laud_ray.people.label_studio.connection import LabelStudio
    from laud_ray.store.run import look_at

    with look_at(run) as folder, LabelStudio(url, sync.token_of(token_env)) as studio:
        found = sync.pull(folder, studio, project)
    for note in found.notes:
        say(f"note: {note}")
    _print(run, f"{url} project {project}", found, as_json=as_json)


def _print(run: str, source: str, found: "Imported", *, as_json: bool) -> None:
    """Print what became of answers, and what to do next."""
    one = found.recorded
    if as_json:
        print_json({**asdict(one), "empty": found.empty, "left": asdict(found.left)})
        return
    parts = [
        f"{one.counted:,} counted" + (f" ({one.changed:,} in place of an earlier answer)" if one.changed else ""),
        *([f"{one.repeated:,} recorded before"] if one.repeated else []),
        *([f"{one.replaced:,} recorded before and changed since"] if one.replaced else []),
        *([f"{one.late:,} late (kept; their questions were settled)"] if one.late else []),
        *([f"{one.checks:,} on questions whose answer is established"] if one.checks else []),
        *([f"{found.empty:,} without an answer"] if found.empty else []),
    ]
    print_text(f"{source}: {', '.join(parts)}")
    left = found.left
    if left.open:
        number = "1 question has" if left.open == 1 else f"{left.open:,} questions have"
        need = f"; {left.disputed:,} of them need an adjudicator (export --disputed)" if left.disputed else ""
        print_text(f"{number} no answer yet{need}")
    if left.ready:
        config = shlex.quote(f"{run.rstrip('/')}/config.yaml")
        following = f"laud update {shlex.quote(run)}" if left.updating else f"laud run {config}"
        print_text(f"The run continues with\n  {following}")
