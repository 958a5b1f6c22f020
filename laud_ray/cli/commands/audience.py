"""Audiences: how many names a rule reaches, and what showing them an advertisement changed."""

import os
import time

import click

from laud_ray.cli.options import RATIO, SHARE, Share, json_option, reading_of, reading_options
from laud_ray.cli.output import EXIT_PERSON, print_json, print_view, say, terminal


@click.group(short_help="Size an audience, and measure what it changed.")
def audience() -> None:
    """Size an audience, and measure what it changed."""


@audience.command(short_help="Find how many of NAMES an audience with a promised precision reaches.")
@click.argument("run")
@click.argument("names")
@click.option("--label", required=True, help="The label of the audience; in a taxonomy any node.")
@click.option(
    "--precision",
    required=True,
    metavar="SHARE",
    type=Share(whole=False),
    help="The least share of the audience that has the label (e.g. 95%).",
)
@click.option("--user", metavar="COLUMN", help="The column of NAMES that says whose a name is, to count users too.")
@click.option("--out", metavar="RULE", help="Write the rule to this file, for `laud relabel --rule`.")
@click.option(
    "--labels",
    metavar="DIR",
    help="Keep the labelled names here, as `laud relabel` writes them; by default in a private folder under TMPDIR. "
    "The same names are not labelled twice.",
)
@click.option("--model", help="A model of the run; by default the current one.")
@click.option("--text", help="The column that holds the texts; by default that of the run's corpus.")
@reading_options
@json_option
def size(
    run: str,
    names: str,
    label: str,
    precision: float,
    user: str | None,
    out: str | None,
    labels: str | None,
    model: str | None,
    text: str | None,
    delimiter: str | None,
    quote: str | None,
    encoding: str | None,
    as_json: bool,
) -> None:
    """Find the largest audience of a label whose precision is shown with 95 % confidence.

    The audience are the names that a model of RUN gives the label with at least some confidence. NAMES is a file,
    folder, glob or URI of Parquet, CSV or JSONL, or a finished output of `laud relabel` by the same model. Precision
    and recall are measured on the run's evaluation sample, which never trains. Exit codes: 0 an audience is shown; 3
    none is shown to have the precision: no rule is written, and the command says how many answers are missing.
    """
    from laud_ray.audience.size import size as sized
    from laud_ray.cli.console import Show
    from laud_ray.cli.paths import check_lasting, check_writable
    from laud_ray.errors import RunError
    from laud_ray.relabel import open_source
    from laud_ray.relabel.rule import write_rule
    from laud_ray.report.audience.size_view import size_json, size_view
    from laud_ray.storage.folder import Folder

    for path, key in ((run, "RUN"), (names, "NAMES"), (out or run, "--out"), (labels or run, "--labels")):
        check_lasting(path, key)
    if out is not None:
        _require_file(out, "--out")
    if labels is not None:
        check_writable(labels, "--labels")
    if Folder(run).exists("model.json"):
        raise RunError(f"{run}: is the folder of a model, without an evaluation sample to measure on; expected a run")
    source = open_source(run, model)
    with Show(terminal(err=True), None) as show:
        found = sized(
            source,
            names,
            label,
            precision,
            show,
            text=text,
            user=user,
            labels=labels,
            reading=reading_of(delimiter, quote, encoding, source.reading),
        )
    if found.audience is not None and out is not None:
        write_rule(out, found.rule())
    if as_json:
        print_json(size_json(found, out if found.audience is not None else None))
    else:
        print_view(size_view(found))
    if found.audience is None:
        nothing = "" if out is None else f"; {out} was not written"
        say(f"no audience of {found.label} is shown to have a precision of {precision:g}{nothing}")
        raise SystemExit(EXIT_PERSON)
    if out is not None and not as_json:
        say(f"wrote {out}; `laud relabel {run} NAMES --rule {out} --out DIR` applies it")


def _require_file(path: str, key: str) -> None:
    """Check, before anything is computed, that a file can be written.

    Raises:
        ConfigError: if its folder cannot be written.
        click.UsageError: if the path names no file.
    """
    from laud_ray.cli.paths import check_writable

    place, file = os.path.split(path)
    if not file or os.path.isdir(path):
        raise click.UsageError(f"{key}: {path!r} is not valid; expected the name of a file")
    check_writable(place or ".", key)


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
@click.option("--rule", metavar="FILE", help="The rule of the audience, whose precision and interval take that place.")
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
    rule: str | None,
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
    from laud_ray.cli.console import Show
    from laud_ray.events import Event
    from laud_ray.report.audience.lift_json import lift_json, lift_view
    from laud_ray.storage.folder import Folder
    from laud_ray.types import Estimate

    columns = {"--user": user, "--arm": arm, "--impressions": impressions, "--clicks": clicks}
    columns |= {} if segment is None else {"--segment": segment}
    for key, name in columns.items():
        if other := next((one for one, value in columns.items() if value == name and one != key), None):
            raise click.UsageError(f"{key}: {name!r} is also the column of {other}; expected another column")
    if html is not None:
        _require_file(html, "--html")
    if rule is not None and precision is not None:
        raise click.UsageError("--precision: is in the --rule too; expected one of them")
    share = None if precision is None else Estimate(precision, precision, precision, 0)
    if rule is not None:
        from laud_ray.relabel.rule import read_rule

        share = read_rule(rule).precision
    with Show(terminal(err=True), None) as show:
        began = time.monotonic()
        show(Event("begin", "exposures", 0))
        found = measured(
            exposures,
            pre=pre,
            names=Names(user, arm, impressions, clicks, segment),
            control=control,
            ratio=ratio,
            precision=share,
            reading=reading_of(delimiter, quote, encoding),
        )
        show(Event("end", "exposures", 0, total=found.rows, seconds=time.monotonic() - began))
    if html is not None:
        from laud_ray.report.audience.page import render

        folder, file = Folder.of_file(html)
        folder.write(file, render(found).encode())
        say(f"wrote {html}")
    if as_json:
        print_json(lift_json(found))
        return
    print_view(lift_view(found))
