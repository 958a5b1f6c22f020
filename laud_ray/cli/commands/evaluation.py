"""Measure a model: evaluate."""

import click

from laud_ray.cli.options import SHARE, json_option, reading_of, reading_options
from laud_ray.cli.output import leave_waiting, print_json, print_view, say, terminal


@click.command(short_help="Measure a model on a labelled file, or buy more answers.")
@click.argument("run")
@click.argument("data", required=False)
@click.option("--label", help="The column of DATA that holds the true labels.")
@click.option("--text", help="The column that holds the texts; by default that of the run's corpus.")
@reading_options
@click.option("--budget", metavar="N", type=click.IntRange(1), help="Without DATA: buy up to N more answers.")
@click.option(
    "--width", metavar="SHARE", type=SHARE, help="Stop buying when the 95 % interval is this narrow (e.g. 0.05)."
)
@click.option("--model", help="A model of the run; by default the current one.")
@json_option
def evaluate(
    run: str,
    data: str | None,
    label: str | None,
    text: str | None,
    delimiter: str | None,
    quote: str | None,
    encoding: str | None,
    budget: int | None,
    width: float | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Measure a model of RUN: on the labelled file DATA, or with --budget on more answers of its oracle.

    With --budget, documents are chosen that narrow the intervals most; no model is trained on their answers. If
    evaluation.trusted is set, the trusted oracle answers. Run the same command again to resume an interrupted purchase.
    --width is about the interval of accuracy, in a binary task of F1 of the positive label, and in a multilabel task of
    micro-F1.
    """
    if data is None:
        if budget is None or label is not None or text is not None:
            raise click.UsageError("expected DATA with --label, or --budget N without either")
        _buy(run, budget, width, model, as_json=as_json)
        return
    if budget is not None or width is not None:
        raise click.UsageError("--budget and --width buy answers for the run's own documents; expected no DATA")
    if label is None:
        raise click.UsageError("Missing option '--label': the column of DATA that holds the true labels")
    from laud_ray.data.seen import Seen
    from laud_ray.evaluation.labelled_file import check_labelled, evaluate_labelled
    from laud_ray.store.registry import fetched, find
    from laud_ray.store.run import look_at
    from laud_ray.store.versions.tasks import task_of_model

    with look_at(run) as folder:
        config, name = folder.config, find(folder, model)
        task = task_of_model(config, folder.store, name)
        if task.names != config.task.to_task().names:
            say(f"note: {name} has labels of an earlier version, by which it is measured")
        text = text or config.corpus.text
        reading = reading_of(delimiter, quote, encoding, config.corpus.reading)
        # Checked before the model is loaded, which takes seconds.
        check_labelled(task, data, text=text, label=label, reading=reading)
        from laud_ray.models import kinds

        scorer = kinds.load(fetched(folder, name))
        seen, most = Seen(), config.corpus.max_chars
        found = evaluate_labelled(
            scorer, task, data, text=text, label=label, seed=config.seed, max_chars=most, reading=reading, seen=seen
        )
    for note in seen.notes:
        say(f"note: {note}")
    from laud_ray.report.labelled import labelled_json, labelled_view

    if as_json:
        print_json(labelled_json(found, name))
        return
    print_view(labelled_view(found, name, data, binary=task.kind == "binary"))


def _buy(run: str, budget: int, width: float | None, model: str | None, *, as_json: bool) -> None:
    from laud_ray.cli.console import Show
    from laud_ray.evaluation.buy import buy
    from laud_ray.people.questions import rules_of
    from laud_ray.report.bought import bought_json, bought_view
    from laud_ray.store.run import claim, existing

    settings = existing(run)
    with claim(settings) as folder, Show(terminal(err=True), None) as show:
        found = buy(folder, budget, model=model, width=width, observer=show)
    if as_json:
        print_json(bought_json(found))
    else:
        print_view(bought_view(found))
    if found.pending:
        how = f"; answer them with `laud annotate {run}`, and then run this command again" if rules_of(settings) else ""
        leave_waiting(found.pending, f"{found.waiting}{how}", err=as_json)
