"""List the models of a run and choose the current one: models, promote."""

import click

from laud_ray.cli.options import json_option
from laud_ray.cli.output import print_json, print_text, print_view, say


@click.command(short_help="List the models of RUN and which one is current.")
@click.argument("run")
@json_option
def models(run: str, as_json: bool) -> None:
    """List the models of RUN, and which one is current."""
    from laud_ray.report.run.read import read_models
    from laud_ray.store.run import look_at

    with look_at(run) as folder:
        found = read_models(folder)
    if as_json:
        from laud_ray.report.run.json_form import models_json

        print_json(models_json(found))
        return
    from laud_ray.report.run.tables import models_table

    print_view(models_table(found))


@click.command(short_help="Make a model of RUN current, such as an earlier one.")
@click.argument("run")
@click.argument("model")
def promote(run: str, model: str) -> None:
    """Make MODEL the current one of RUN. Use it also to return to an earlier model.

    The command may run while `laud run` works on RUN. The next round with an accepted model makes that model current,
    as usual.
    """
    from laud_ray.store import registry

    changed = registry.promote(run, model)
    if changed.old == changed.new:
        print_text(f"{run}: {changed.new} is already current")
    else:
        print_text(f"{run}: {changed.old} -> {changed.new}")
    if changed.note:
        say(f"note: {changed.note}")
