"""Show what the oracles of a run are worth: oracle."""

import click

from laud_ray.cli.options import SHARE, json_option
from laud_ray.cli.output import print_json, print_view
from laud_ray.errors import RunError


@click.command(short_help="Show what each oracle of RUN is worth: accuracy, costs, confidence.")
@click.argument("run")
@click.option("--accuracy", default=0.95, type=SHARE, show_default=True, help="The accuracy to find thresholds for.")
@click.option(
    "--people",
    metavar="DOLLARS",
    type=click.FloatRange(min=0, min_open=True),
    help="The price of a label of people, to compare with; by default that of the people of RUN.",
)
@json_option
def oracle(run: str, accuracy: float, people: float | None, as_json: bool) -> None:
    """Show what each oracle of RUN is worth, from what its database already has: nothing is asked or bought."""
    if accuracy == 1:
        raise click.BadParameter("1 is not valid; expected an accuracy below 1, such as 95%", param_hint="--accuracy")
    from laud_ray.report.oracle.read import read_page
    from laud_ray.store.run import look_at

    with look_at(run) as folder:
        page = read_page(folder, wanted=accuracy, people=people)
    if page is None:
        raise RunError(f"{run}: no oracle has answered yet; expected a run with answers")
    if as_json:
        from laud_ray.report.oracle.json_form import oracle_json

        print_json(oracle_json(page))
        return
    from laud_ray.report.oracle.terminal import oracle_view

    print_view(oracle_view(page))
