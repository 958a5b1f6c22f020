"""Label a whole catalog, and compare two labelled outputs: relabel, diff."""

import click

from laud_ray.cli.options import SHARE, Share, json_option, reading_of, reading_options
from laud_ray.cli.output import print_json, print_view, say, terminal


@click.command(short_help="Label every row of DATA with a model of RUN, resumably.")
@click.argument("run")
@click.argument("data")
@click.option("--out", required=True, metavar="DIR", help="The folder or URI to which the labels are written.")
@click.option("--model", help="A model of the run; by default the current one.")
@click.option("--text", help="The column that holds the texts; by default that of the run's corpus.")
@click.option("--id", help="The column that holds the ids; by default that of the run's corpus, else file and row.")
@reading_options
@click.option(
    "--keep", multiple=True, metavar="COLUMN", help="A column of DATA to write beside the labels; repeatable."
)
@click.option("--partition", metavar="COLUMN", help="Write one folder for each value of `label`, or of a kept column.")
@click.option(
    "--threshold",
    default=0.0,
    show_default=True,
    metavar="SHARE",
    type=Share(zero=True),
    help="Mark rows below this confidence as abstained.",
)
@click.option("--previous", metavar="DIR", help="An earlier output; its labels are written beside the new ones.")
@click.option(
    "--changed",
    is_flag=True,
    help="Score only rows whose id and text the same model has not labelled in --previous, by default the finished "
    "output beside --out with the last name before it.",
)
@click.option(
    "--sample",
    metavar="SHARE",
    type=SHARE,
    help="Label a random sample of this size first (e.g. 1%), and stop if a limit below is exceeded.",
)
@click.option(
    "--max-change",
    metavar="SHARE",
    type=SHARE,
    help="Stop if more than this share of the sample has another label than in --previous (e.g. 5%).",
)
@click.option(
    "--max-drift",
    type=click.FloatRange(0),
    help="Stop if the population stability index exceeds this (0.1 is small, 0.25 large).",
)
@click.option(
    "--cascade",
    metavar="SHARE",
    type=SHARE,
    help="Let a small distilled model answer where it is verified to agree with the full model at least this often "
    "(e.g. 99%).",
)
@click.option(
    "--accuracy",
    metavar="SHARE",
    type=SHARE,
    help="Of a taxonomy: answer each row as deep as this share of right answers can be promised (e.g. 90%).",
)
@click.option(
    "--level", type=click.IntRange(1), help="Of a taxonomy: the deepest level that is answered; 1 is the top."
)
@click.option(
    "--rule",
    metavar="FILE",
    help="A rule that `laud audience size` wrote: its model labels the rows, and the column in_audience says which "
    "are in its audience.",
)
@click.option("--deduplicate/--no-deduplicate", default=True, help="Score a text that occurs in several rows once.")
@click.option(
    "--range-rows",
    default=50_000,
    type=click.IntRange(1),
    show_default=True,
    help="The most rows that are committed together.",
)
@json_option
def relabel(
    run: str,
    data: str,
    out: str,
    model: str | None,
    text: str | None,
    id: str | None,
    delimiter: str | None,
    quote: str | None,
    encoding: str | None,
    keep: tuple[str, ...],
    partition: str | None,
    threshold: float,
    previous: str | None,
    changed: bool,
    sample: float | None,
    max_change: float | None,
    max_drift: float | None,
    cascade: float | None,
    accuracy: float | None,
    level: int | None,
    rule: str | None,
    deduplicate: bool,
    range_rows: int,
    as_json: bool,
) -> None:
    """Label every row of DATA with the current model of RUN.

    Run the same command again to resume a relabel that was interrupted.

    RUN may be the folder of a model. DATA is a file, folder, glob or URI of Parquet, CSV or JSONL.
    """
    from laud_ray import relabel as relabeling
    from laud_ray.cli.console import Show
    from laud_ray.cli.metrics import counted
    from laud_ray.cli.paths import check_lasting, check_writable
    from laud_ray.report.relabelled import relabel_view, stopped_json, to_json
    from laud_ray.storage.folder import Folder

    if not out.strip():
        raise click.UsageError("--out: '' is not valid; expected a folder or URI")
    for path, key in ((run, "RUN"), (data, "DATA"), (out, "--out"), (previous or out, "--previous")):
        check_lasting(path, key)
    check_writable(out, "--out")
    if partition is not None and partition not in ("label", *keep):
        raise click.UsageError(f"--partition: {partition!r} is not valid; expected label, or a column of --keep")
    if (max_change is not None or max_drift is not None) != (sample is not None):
        raise click.UsageError("--sample: expected together with a limit, --max-change or --max-drift")
    if changed and cascade is not None:
        raise click.UsageError("--changed: would train a student for each output; expected no --cascade")
    if changed:
        previous = relabeling.previous_of(Folder(out).absolute(), previous)
    if max_change is not None and previous is None and not changed:
        raise click.UsageError("--max-change: needs an earlier output to compare with; expected --previous DIR")
    chosen = None if rule is None else relabeling.read_rule(rule).rule
    if chosen is not None and not Folder(run).exists("model.json"):
        model = model or chosen.model
    begun = relabeling.begun_with(Folder(out).absolute(), run) if model is None else None
    source = relabeling.open_source(run, model or begun)
    column = text or source.text
    if column is None:
        raise click.UsageError("--text: is missing; expected the column of the texts, since RUN is a model's folder")
    options = relabeling.Options(
        columns=relabeling.Columns(column, id or source.id, keep),
        range_rows=range_rows,
        threshold=threshold,
        partition=partition,
        previous=previous,
        deduplicate=deduplicate,
        cascade=cascade,
        reading=reading_of(delimiter, quote, encoding, source.reading),
        accuracy=accuracy,
        level=level,
        changed=changed or None,
        rule=chosen,
    )
    # The first night has no earlier output, from which labels could change.
    check = None if sample is None else relabeling.Canary(sample, max_change if previous else None, max_drift)
    if begun is not None:
        say(f"{out}: resuming with {begun}, the model that it was started with")
    with Show(terminal(err=True), None) as show:
        observer = counted(show, "relabel", run, source.name)
        try:
            outcome = relabeling.relabel(source, data, out, options, check, observer)
        except relabeling.CanaryError as stopped:
            if as_json:
                print_json(stopped_json(stopped.verdict, out, source.name))
            raise
    if as_json:
        print_json(to_json(outcome, out, source.name))
        return
    print_view(relabel_view(outcome, out, source.name, chosen))


@click.command(short_help="Show what changed between two labelled outputs.")
@click.argument("old")
@click.argument("new")
@click.option(
    "--examples", default=10, type=click.IntRange(0, 100_000), show_default=True, help="How many changes to show."
)
@click.option("--text", help="The column to show the changes with; by default `text`, where there is one.")
@json_option
def diff(old: str, new: str, examples: int, text: str | None, as_json: bool) -> None:
    """Show what changed from OLD to NEW.

    Both are outputs of `laud relabel`, or other Parquet files with the columns id and label.
    """
    from laud_ray.compare.diff import compare
    from laud_ray.report.changes import diff_json, diff_view

    found = compare(old, new, examples=examples, text=text)
    if not found.both:
        say("note: no id is in both outputs; expected outputs of the same catalog, with the same --id")
    if as_json:
        print_json(diff_json(found))
        return
    print_view(diff_view(found))
