"""The command line: arguments -> config -> loop. A user's mistake is one line and exit code 2."""

import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

import click

from laud_ray.errors import LaudError, UserError

EXIT_WAITING = 75


class Share(click.ParamType[float]):
    """A share of a whole: 5% or 0.05."""

    name = "share"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        said = str(value).strip()
        try:
            share = float(said.removesuffix("%")) / (100 if said.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not 0 < share <= 1:
            self.fail(f"{said!r}: expected a share above 0 and up to 1, such as 5% or 0.05", param, ctx)
        return share


SHARE = Share()

# What takes long to import is imported by the command that needs it: `laud --help` stays fast.


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(package_name="laud_ray")
@click.pass_context
def laud(context: click.Context) -> None:
    """Turn a pile of unlabeled text into a calibrated classifier."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        raise SystemExit(2)


@laud.command()
@click.argument("data")
@click.option("--text", required=True, help="The column that holds the texts.")
@click.option("--label", help="A column with labels, for the replay oracle; found by its name if it is called so.")
@click.option("--id", help="The column that holds the ids.")
@click.option("--name", help="The task's name; by default that of the data.")
def init(data: str, text: str, label: str | None, id: str | None, name: str | None) -> None:
    """Print a commented task.yaml for DATA: a file, folder, glob or URI."""
    from laud_ray.starter import starter

    made = starter(data, text=text, label=label, id=id, name=name)
    click.echo(made.text, nl=False)
    if made.fill_in:
        click.echo(f"laud: {made.fill_in}", err=True)


@laud.command()
@click.argument("config")
@click.option("--zero-shot-only", is_flag=True, help="Stop after the zero-shot pass; without it the run goes on.")
def run(config: str, zero_shot_only: bool) -> None:
    """Start the run that the YAML file CONFIG describes, or continue it."""
    from rich.console import Console

    from laud_ray.console import Show
    from laud_ray.lasting import check_lasting
    from laud_ray.loop import run as run_loop
    from laud_ray.report import read, terminal
    from laud_ray.run_folder import configured, look_at
    from laud_ray.watch import watched

    settings = configured(config)
    check_lasting(settings.storage, f"{config}: storage")
    with Show(Console(stderr=True, highlight=False), settings.storage) as show:
        outcome = run_loop(settings, watched(show, settings.storage), zero_shot_only=zero_shot_only)
    if zero_shot_only:
        click.echo(f"{settings.storage}: {outcome.reason}")
        return
    with look_at(settings.storage) as folder:
        summary = read.read(folder)
    Console(highlight=False).print(terminal.status_view(summary))
    if outcome.state == "waiting":
        known = outcome.reason != "answers are pending"
        click.echo(f"{outcome.pending} answers are pending: " + (outcome.reason if known else "run it again then"))
        raise SystemExit(EXIT_WAITING)


@laud.command()
@click.argument("config")
@click.option("--gpu", help="Plan for this GPU, such as A100; by default for what this machine has.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def plan(config: str, gpu: str | None, as_json: bool) -> None:
    """Say what the run that CONFIG describes will cost, before anything is spent."""
    from laud_ray.plan import plan as make_plan
    from laud_ray.run_folder import configured

    found = make_plan(configured(config), gpu)
    if as_json:
        totals = {"dollars": found.dollars, "hours": found.hours}
        click.echo(json.dumps({**asdict(found), **totals}, indent=1, allow_nan=False))
        return
    from rich.console import Console

    from laud_ray.report.terminal import plan_view

    Console(highlight=False).print(plan_view(found))


@laud.command()
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(run: str, as_json: bool) -> None:
    """Show the rounds of RUN, their figures, why it stopped, and its current model."""
    from laud_ray.report.read import read
    from laud_ray.report.summary import to_json
    from laud_ray.run_folder import look_at

    with look_at(run) as folder:
        summary = read(folder)
    if as_json:
        click.echo(json.dumps(to_json(summary), indent=1, allow_nan=False))
        return
    from rich.console import Console

    from laud_ray.report.terminal import status_view

    Console(highlight=False).print(status_view(summary))


@laud.command()
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def models(run: str, as_json: bool) -> None:
    """List the models of RUN and say which one is current."""
    from laud_ray.report.read import read_models
    from laud_ray.run_folder import look_at

    with look_at(run) as folder:
        found = read_models(folder)
    if as_json:
        from laud_ray.report.summary import models_json

        click.echo(json.dumps(models_json(found), indent=1, allow_nan=False))
        return
    from rich.console import Console

    from laud_ray.report.terminal import models_table

    Console(highlight=False).print(models_table(found))


@laud.command()
@click.argument("run")
@click.argument("model")
def promote(run: str, model: str) -> None:
    """Make MODEL the current one of RUN; also the way back to an earlier one.

    It may be done while `laud run` works on RUN. The next round that closes with an accepted model makes that model
    current, as always.
    """
    from laud_ray import registry

    changed = registry.promote(run, model)
    if changed.old == changed.new:
        click.echo(f"{run}: {changed.new} is current already")
    else:
        click.echo(f"{run}: {changed.old} -> {changed.new}")
    if changed.note:
        click.echo(f"laud: note: {changed.note}", err=True)


@laud.command()
@click.argument("run")
@click.argument("data", required=False)
@click.option("--label", help="The column of DATA that holds the true labels.")
@click.option("--text", help="The column that holds the texts; by default that of the run's corpus.")
@click.option("--budget", metavar="N", type=click.IntRange(1), help="Without DATA: buy up to N further answers.")
@click.option("--width", metavar="SHARE", type=SHARE, help="Stop buying at this width of the 95 % interval, as 0.05.")
@click.option("--model", help="A model of the run; by default the current one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def evaluate(
    run: str,
    data: str | None,
    label: str | None,
    text: str | None,
    budget: int | None,
    width: float | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Measure a model of RUN: on the labelled file DATA, or with --budget on more answers of the run's own oracle.

    The answers are those that narrow the intervals most; they never train. The same command finishes a purchase that
    was broken off. The width is that of accuracy's interval, in a binary task of F1's of the positive label.
    """
    if data is None:
        if budget is None or label is not None or text is not None:
            raise click.UsageError("expected DATA with --label, or --budget N without either")
        _buy(run, budget, width, model, as_json=as_json)
        return
    if budget is not None or width is not None:
        raise click.UsageError("--budget and --width are for the run's own documents: expected no DATA with them")
    if label is None:
        raise click.UsageError("Missing option '--label': the column of DATA that holds the true labels")
    from laud_ray.registry import fetched, find
    from laud_ray.run_folder import look_at
    from laud_ray.stages.labelled import check_labelled, evaluate_labelled

    with look_at(run) as folder:
        config, task = folder.config, folder.config.task.to_task()
        name = find(folder, model)
        text = text or config.corpus.text
        check_labelled(task, data, text=text, label=label)  # before the model is loaded, which takes seconds
        from laud_ray import models

        scorer = models.load(fetched(folder, name))
        found = evaluate_labelled(scorer, task, data, text=text, label=label, seed=config.seed)
    from laud_ray.report.labelled import labelled_json, labelled_view

    if as_json:
        click.echo(json.dumps(labelled_json(found, name), indent=1, allow_nan=False))
        return
    from rich.console import Console

    Console(highlight=False).print(labelled_view(found, name, data, binary=task.kind == "binary"))


def _buy(run: str, budget: int, width: float | None, model: str | None, *, as_json: bool) -> None:
    from rich.console import Console

    from laud_ray.console import Show
    from laud_ray.evaluation import buy
    from laud_ray.report.bought import bought_json, bought_view
    from laud_ray.run_folder import claim, configured, look_at

    with look_at(run):  # that there is a run at all, before one is claimed
        settings = configured(f"{run.rstrip('/')}/config.yaml")
    with claim(settings) as folder, Show(Console(stderr=True, highlight=False), None) as show:
        found = buy(folder, budget, model=model, width=width, observer=show)
    if as_json:
        click.echo(json.dumps(bought_json(found), indent=1, allow_nan=False))
    else:
        Console(highlight=False).print(bought_view(found))
    if found.pending:
        click.echo(f"{found.pending} answers are pending: {found.waiting}", err=as_json)
        raise SystemExit(EXIT_WAITING)


@laud.command()
@click.argument("old")
@click.argument("new")
@click.option("--examples", default=10, type=click.IntRange(0, 100_000), show_default=True, help="Changes to show.")
@click.option("--text", help="The column to show them with; by default text, where there is one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def diff(old: str, new: str, examples: int, text: str | None, as_json: bool) -> None:
    """Say what changed from OLD to NEW: two outputs of `laud relabel`, or any Parquet with the columns id and label."""
    from laud_ray.diff import compare
    from laud_ray.report.changes import diff_json, diff_view

    found = compare(old, new, examples=examples, text=text)
    if not found.both:
        click.echo("laud: note: no id is in both: expected outputs of the same catalog, with the same --id", err=True)
    if as_json:
        click.echo(json.dumps(diff_json(found), indent=1, allow_nan=False))
        return
    from rich.console import Console

    Console(highlight=False).print(diff_view(found))


@laud.command()
@click.argument("run")
def report(run: str) -> None:
    """Write RUN/report.html: everything about RUN on one page."""
    from laud_ray.report.page import render
    from laud_ray.report.read import read
    from laud_ray.run_folder import look_at

    with look_at(run) as folder:
        folder.folder.write("report.html", render(read(folder)).encode())
    click.echo(f"{run.rstrip('/')}/report.html")


@laud.command()
@click.argument("run")
@click.argument("data")
@click.option("--out", required=True, metavar="DIR", help="Where the labels go: a folder or URI.")
@click.option("--model", help="A model of the run; by default the current one.")
@click.option("--text", help="The column that holds the texts; by default that of the run's corpus.")
@click.option("--id", help="The column that holds the ids; by default that of the run's corpus, else file and row.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="A column of DATA to put beside the labels; repeatable.")
@click.option("--partition", metavar="COLUMN", help="Write a folder for each value of `label` or a kept column.")
@click.option("--threshold", default=0.0, show_default=True, type=click.FloatRange(0, 1), help="Mark rows of less.")
@click.option("--previous", metavar="DIR", help="An earlier output, to put its labels beside the new ones.")
@click.option("--sample", metavar="SHARE", type=SHARE, help="Label this share first, such as 1%; stop beyond a limit:")
@click.option("--max-change", metavar="SHARE", type=SHARE, help="changed labels, such as 5%; needs --previous;")
@click.option("--max-drift", type=click.FloatRange(0), help="population stability index, such as 0.2.")
@click.option("--cascade", metavar="SHARE", type=SHARE, help="Let a distilled student answer where it agrees so often.")
@click.option("--deduplicate/--no-deduplicate", default=True, help="Score texts that stand in several files once.")
@click.option("--range-rows", default=50_000, type=click.IntRange(1), show_default=True, help="Rows committed as one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def relabel(
    run: str,
    data: str,
    out: str,
    model: str | None,
    text: str | None,
    id: str | None,
    keep: tuple[str, ...],
    partition: str | None,
    threshold: float,
    previous: str | None,
    sample: float | None,
    max_change: float | None,
    max_drift: float | None,
    cascade: float | None,
    deduplicate: bool,
    range_rows: int,
    as_json: bool,
) -> None:
    """Label every row of DATA with the current model of RUN; the same command continues what was broken off.

    RUN may be the folder of a model. DATA is a file, folder, glob or URI of Parquet, CSV or JSONL.
    """
    from rich.console import Console

    from laud_ray import relabel as relabeling
    from laud_ray.console import Show
    from laud_ray.lasting import check_lasting
    from laud_ray.report.relabelled import relabel_view, stopped_json, to_json
    from laud_ray.storage import Folder
    from laud_ray.watch import counted

    for path, key in ((run, "RUN"), (data, "DATA"), (out, "--out"), (previous or out, "--previous")):
        check_lasting(path, key)
    if partition is not None and partition not in ("label", *keep):
        raise click.UsageError(f"--partition {partition}: expected label, or a column of --keep")
    if (max_change is not None or max_drift is not None) != (sample is not None):
        raise click.UsageError("--sample and a limit (--max-change or --max-drift) belong together")
    if max_change is not None and previous is None:
        raise click.UsageError("--max-change: changes are told from --previous DIR, which is missing")
    begun = relabeling.begun_with(Folder(out).absolute(), run) if model is None else None
    source = relabeling.open_source(run, model or begun)
    column = text or source.text
    if column is None:
        raise click.UsageError("--text: the folder of a model does not say which column holds the texts")
    options = relabeling.Options(
        columns=relabeling.Columns(column, id or source.id, keep),
        range_rows=range_rows,
        threshold=threshold,
        partition=partition,
        previous=previous,
        deduplicate=deduplicate,
        cascade=cascade,
    )
    check = None if sample is None else relabeling.Canary(sample, max_change, max_drift)
    if begun is not None:
        click.echo(f"laud: {out}: goes on with {begun}, with which it began", err=True)
    with Show(Console(stderr=True, highlight=False), None) as show:
        observer = counted(show, "relabel", run, source.name)
        try:
            outcome = relabeling.relabel(source, data, out, options, check, observer)
        except relabeling.CanaryError as stopped:
            if as_json:
                click.echo(json.dumps(stopped_json(stopped.verdict, out, source.name), indent=1, allow_nan=False))
            raise
    if as_json:
        click.echo(json.dumps(to_json(outcome, out, source.name), indent=1, allow_nan=False))
        return
    Console(highlight=False).print(relabel_view(outcome, out, source.name))


@laud.command()
@click.argument("run")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, type=click.IntRange(1, 65535), show_default=True, help="The port to listen on.")
@click.option("--replicas", default=1, type=click.IntRange(1), show_default=True, help="How many processes answer.")
@click.option("--cpus", default=1.0, show_default=True, help="Cores that each of them computes on.")
@click.option("--gpus", default=0.0, show_default=True, help="The GPUs, or the share of one, that each of them takes.")
@click.option("--tokens", metavar="FILE", help="Bearer tokens, one a line; LAUD_TOKENS in the environment counts too.")
@click.option("--threshold", default=0.0, show_default=True, help="Mark answers of less confidence as abstained.")
def serve(
    run: str, host: str, port: int, replicas: int, cpus: float, gpus: float, tokens: str | None, threshold: float
) -> None:
    """Answer over HTTP with the current model of RUN, or with the model in the folder RUN, until Ctrl-C."""
    from pkgutil import resolve_name

    # The application imports this package, and is named here only to be started.
    resolve_name("serve.launch:command")(
        {
            "run": run if "://" in run else os.path.abspath(run),
            "replicas": replicas,
            "cpus": cpus,
            "gpus": gpus,
            "tokens_file": None if tokens is None else os.path.abspath(tokens),
            "threshold": threshold,
        },
        host=host,
        port=port,
        say=click.echo,
    )


@laud.command()
@click.argument("script")
@click.argument("arguments", nargs=-1)
@click.option(
    "--address", help="The cluster's dashboard, such as http://127.0.0.1:8265; by default that of RAY_ADDRESS."
)
@click.option("--working-dir", default=".", show_default=True, help="The folder that is sent along.")
@click.option("--no-follow", is_flag=True, help="Submit, say its id, and leave.")
@click.option("--again", is_flag=True, help="Run once more what has succeeded.")
@click.option("--cpus", default=0.0, type=click.FloatRange(0), help="Cores to reserve for the script itself.")
@click.option("--gpus", default=0.0, type=click.FloatRange(0), help="GPUs to reserve for the script itself.")
@click.option("--on", multiple=True, metavar="LABEL=VALUE", help="Run the script on a node with this label.")
def submit(
    script: str,
    arguments: tuple[str, ...],
    address: str | None,
    working_dir: str,
    no_follow: bool,
    again: bool,
    cpus: float,
    gpus: float,
    on: tuple[str, ...],
) -> None:
    """Run SCRIPT with ARGUMENTS (after --) as a Ray job, once: the same submission again is the same job.

    What runs is followed, what has succeeded is not run again, what has failed continues. The exit code is the job's.
    """
    from laud_ray.submission import Needs, submission
    from laud_ray.submit import submit_and_follow

    wanted = submission(script, arguments, working_dir, Needs.of(cpus, gpus, on))
    code = submit_and_follow(wanted, address=address, again=again, follow=not no_follow, say=_say)
    raise SystemExit(code)


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point of `laud`."""
    _quieten()
    try:
        laud.main(args=None if arguments is None else list(arguments), standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _leave("stopped; the same command continues", 130)
    except click.UsageError as error:
        hint = f" (try {error.ctx.command_path} --help)" if error.ctx else ""
        _leave(f"{error.format_message()}{hint}", 2)
    except UserError as error:
        _leave(str(error), 2)
    except LaudError as error:
        _leave(str(error), 1)
    except OSError as error:
        _leave(f"{error}; the same command continues when that is mended", 1)
    except _foreign() as error:
        _leave(str(error).partition("\n")[0], 1)


def _quieten() -> None:
    """Keep libraries from writing between the lines of the command; what a person set stays."""
    for key, value in {
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "VLLM_LOGGING_LEVEL": "ERROR",
    }.items():
        os.environ.setdefault(key, value)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    for name in ("ray", "ray.data", "ray.train", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _say(message: str) -> None:
    for line in message.splitlines():
        click.echo(f"laud: {line}", err=True)


def _leave(message: str, code: int) -> None:
    _say(message)
    raise SystemExit(code)


def _foreign() -> tuple[type[Exception], ...]:
    """What a broken file of a run raises; what has not been imported can have raised nothing."""
    pyarrow = sys.modules.get("pyarrow")
    return (pyarrow.ArrowException,) if pyarrow else ()
