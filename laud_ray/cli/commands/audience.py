"""Audiences: how many names a rule reaches, and what showing them an advertisement changed."""

import os

import click

from laud_ray.cli.options import RATIO, SHARE, json_option, reading_of, reading_options
from laud_ray.cli.output import print_json, print_view, say


@click.group(short_help="Size an audience, and measure what it changed.")
def audience() -> None:
    """Size an audience, and measure what it changed."""


@audience.command(short_help="Measure the lift in click-through rate from EXPOSURES.")
@click.argument("exposures")
@click.option(
    "--pre",
    metavar="FILE",
    help="Impressions and clicks of the same users before the test, which narrow the intervals (CUPED); by default the "
    "columns pre_impressions and pre_clicks of EXPOSURES, where they exist.",
)
@click.option("--control", metavar="ARM", help="The arm to compare with; by default one with a usual name, as control.")
@click.option(
    "--ratio",
    default="1:1",
    show_default=True,
    type=RATIO,
    metavar="C:T",
    help="How many users were meant to come into the control and into the treatment.",
)
@click.option(
    "--precision",
    metavar="SHARE",
    type=SHARE,
    help="The share of the audience that belongs to it, to estimate what an audience without errors would give.",
)
@click.option("--user", default="user", show_default=True, metavar="COLUMN", help="The column of users.")
@click.option("--arm", default="arm", show_default=True, metavar="COLUMN", help="The column of arms.")
@click.option(
    "--impressions", default="impressions", show_default=True, metavar="COLUMN", help="The column of impressions."
)
@click.option("--clicks", default="clicks", show_default=True, metavar="COLUMN", help="The column of clicks.")
@click.option(
    "--segment",
    metavar="COLUMN",
    help="A property that users had before the test, to compare the arms in each part; by default `segment`, if any.",
)
@reading_options
@click.option("--html", metavar="FILE", help="Also write a page with plots.")
@json_option
def measure(
    exposures: str,
    pre: str | None,
    control: str | None,
    ratio: tuple[float, float],
    precision: float | None,
    user: str,
    arm: str,
    impressions: str,
    clicks: str,
    segment: str | None,
    delimiter: str | None,
    quote: str | None,
    encoding: str | None,
    html: str | None,
    as_json: bool,
) -> None:
    """Measure the lift in click-through rate of an experiment on users.

    EXPOSURES is a file, folder, glob or URI of Parquet, CSV or JSONL with the columns user, arm, impressions and
    clicks: a row for each user, or several rows, which are added up. Users must have been assigned to the two arms at
    random.
    """
    from laud_ray.audience.columns import Names
    from laud_ray.audience.measure import measure as measured
    from laud_ray.cli.paths import check_writable
    from laud_ray.report.audience.lift_json import lift_json, lift_view
    from laud_ray.storage.folder import Folder
    from laud_ray.types import Estimate

    columns = {"--user": user, "--arm": arm, "--impressions": impressions, "--clicks": clicks}
    columns |= {} if segment is None else {"--segment": segment}
    for key, name in columns.items():
        if other := next((one for one, value in columns.items() if value == name and one != key), None):
            raise click.UsageError(f"{key}: {name!r} is also the column of {other}; expected another column")
    place, file = os.path.split(html or "")
    if html is not None:
        if not file or os.path.isdir(html):
            raise click.UsageError(f"--html: {html!r} is not valid; expected the name of a file")
        check_writable(place or ".", "--html")
    found = measured(
        exposures,
        pre=pre,
        names=Names(user, arm, impressions, clicks, segment),
        control=control,
        ratio=ratio,
        precision=None if precision is None else Estimate(precision, precision, precision, 0),
        reading=reading_of(delimiter, quote, encoding),
    )
    if html is not None:
        from laud_ray.report.audience.page import render

        Folder(place or ".").write(file, render(found).encode())
        say(f"wrote {html}")
    if as_json:
        print_json(lift_json(found))
        return
    print_view(lift_view(found))
