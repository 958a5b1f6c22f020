"""The labels of a run: labels, and its changes accept, merge, refuse, add, rename, split, join."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from laud_ray.cli.options import json_option
from laud_ray.cli.output import print_json, print_text, print_view, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from laud_ray.config import LabelConfig
    from laud_ray.config.labels.edits import Edited
    from laud_ray.store.run import RunFolder
    from laud_ray.store.versions.proposal import Proposal

NUMBER = click.argument("number", metavar="N", type=click.IntRange(1))
DESCRIPTION = click.option(
    "--description", metavar="TEXT", help="A sentence about the label, from which it starts too."
)


class _OfRun(click.Group):
    """A group whose first argument is a run. Options may stand after it if no command does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if len(args) > 1 and all(one.startswith("-") for one in args[1:]):
            args = [*args[1:], args[0]]
        return super().parse_args(ctx, args)


@click.group(cls=_OfRun, short_help="List, add, rename, join and split the labels of RUN.", invoke_without_command=True)
@click.argument("run")
@json_option
@click.pass_context
def labels(context: click.Context, run: str, as_json: bool) -> None:
    """List the labels of RUN with their numbers of answers, and the labels that are proposed; or change them.

    Answers that a change leaves valid are kept. `laud run` asks about the others again, and trains a model with the
    changed labels. Only for tasks of kind multiclass.
    """
    context.obj = run
    if context.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError("--json: is not valid here; expected it at the end")
        return
    from laud_ray.report.labels import labels_json, labels_view, read
    from laud_ray.store.run import look_at
    from laud_ray.store.versions.labels import require_flat

    with look_at(run) as folder:
        if folder.config.task.tree is None:
            require_flat(folder.config)
        found = read(folder)
    if as_json:
        print_json(labels_json(found))
    else:
        print_view(labels_view(found, run))


@labels.command(short_help="Make a label of proposal N.")
@NUMBER
@click.option("--name", help="The name of the label; by default the proposed one.")
@DESCRIPTION
@json_option
@click.pass_obj
def accept(run: str, number: int, name: str | None, description: str | None, as_json: bool) -> None:
    """Make a label of proposal N. Documents that no label fitted are asked about again."""
    from laud_ray.errors import ConfigError
    from laud_ray.store.versions import labels as changes

    def make(folder: "RunFolder") -> "Proposal":
        try:
            return changes.accept(folder, number, name, description)
        except ConfigError as error:
            raise ConfigError(f"{error}, by --name, or `merge {number} LABEL`") from None

    _change(run, "accepted", make, as_json=as_json)


@labels.command(short_help="Say that proposal N belongs to LABEL.")
@NUMBER
@click.argument("label")
@json_option
@click.pass_obj
def merge(run: str, number: int, label: str, as_json: bool) -> None:
    """Record that the documents of proposal N belong to LABEL, which the run has. The labels stay as they are."""
    from laud_ray.store.versions import labels as changes

    with changes.changing(run) as folder:
        name = changes.merge(folder, number, label)
    _decided(run, number, "merged", name, as_json=as_json)


@labels.command(short_help="Say that proposal N is no label.")
@NUMBER
@json_option
@click.pass_obj
def refuse(run: str, number: int, as_json: bool) -> None:
    """Record that proposal N is no label. The labels stay as they are."""
    from laud_ray.store.versions import labels as changes

    with changes.changing(run) as folder:
        changes.refuse(folder, number)
    _decided(run, number, "refused", None, as_json=as_json)


@labels.command(short_help="Add a label.")
@click.argument("name")
@DESCRIPTION
@json_option
@click.pass_obj
def add(run: str, name: str, description: str | None, as_json: bool) -> None:
    """Add the label NAME. Documents that no label fitted are asked about again."""
    from laud_ray.config.labels import edits

    _edit(run, "added", lambda known: edits.add(known, name, description), as_json=as_json)


@labels.command(short_help="Give a label another name.")
@click.argument("old")
@click.argument("new")
@json_option
@click.pass_obj
def rename(run: str, old: str, new: str, as_json: bool) -> None:
    """Give the label OLD the name NEW. Its answers are kept, and data may still call it OLD."""
    from laud_ray.config.labels import edits

    _edit(run, "renamed", lambda known: edits.rename(known, old, new), as_json=as_json)


@labels.command(short_help="Make a label a part of another one.")
@click.argument("label")
@click.argument("into")
@json_option
@click.pass_obj
def join(run: str, label: str, into: str, as_json: bool) -> None:
    """Make LABEL a part of INTO. Its answers are answers of INTO then, and data may still call them LABEL."""
    from laud_ray.config.labels import edits

    _edit(run, "joined", lambda known: edits.join(known, label, into), as_json=as_json)


@labels.command(short_help="Divide a label into several.")
@click.argument("label")
@click.argument("names", metavar="NEW NEW...", nargs=-1, required=True)
@json_option
@click.pass_obj
def split(run: str, label: str, names: tuple[str, ...], as_json: bool) -> None:
    """Divide LABEL into the labels NEW, one of which may be LABEL again. Its documents are asked about again."""
    from laud_ray.config.labels import edits

    _edit(run, "split", lambda known: edits.split(known, label, names), as_json=as_json)


def _edit(run: str, kind: str, make: "Callable[[Sequence[LabelConfig]], Edited]", *, as_json: bool) -> None:
    from laud_ray.store.versions import labels as changes

    def edit(folder: "RunFolder") -> "Proposal":
        changes.require_flat(folder.config)
        return changes.change(folder, make(folder.config.task.labels))

    _change(run, kind, edit, as_json=as_json)


def _change(run: str, kind: str, make: "Callable[[RunFolder], Proposal]", *, as_json: bool) -> None:
    """Change the labels of a run, and print what this means."""
    from laud_ray.report.labels import change_json, next_step
    from laud_ray.store.versions.flat import labels_at
    from laud_ray.store.versions.labels import changing
    from laud_ray.store.versions.record import history

    with changing(run) as folder:
        found = make(folder)
        versions, then = history(folder.store.engine), next_step(folder, run, found)
        assert versions is not None, "the labels have changed"
        number = versions.current.number
        known = labels_at(folder.store, number)
    if as_json:
        print_json(change_json(kind, found, known, number))
        return
    print_text(f"{run}: version {number} of the labels")
    for line in found.lines():
        print_text(f"  {line}")
    say(then)


def _decided(run: str, number: int, state: str, label: str | None, *, as_json: bool) -> None:
    if as_json:
        print_json({"change": state, "proposal": number, "label": label})
        return
    into = "" if label is None else f" into {label!r}"
    print_text(f"{run}: proposal {number} is {state}{into}; labels and answers stay as they are")
