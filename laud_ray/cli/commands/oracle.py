"""Show what the oracles of a run are worth, and probe its language models: oracle."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from laud_ray.cli.options import Share, json_option
from laud_ray.cli.output import leave_waiting, print_json, print_view, say, terminal
from laud_ray.errors import RunError

if TYPE_CHECKING:
    from laud_ray.evaluation.probing.probe import Asked, Planned


@click.command(short_help="Show what each oracle of RUN is worth: accuracy, costs, confidence.")
@click.argument("run")
@click.option(
    "--accuracy",
    metavar="SHARE",
    default=0.95,
    type=Share(whole=False),
    show_default=True,
    help="The accuracy to find thresholds for (e.g. 95%).",
)
@click.option(
    "--people",
    metavar="DOLLARS",
    type=click.FloatRange(min=0, min_open=True),
    help="The price of a label of people, to compare with; by default that of the people of RUN.",
)
@click.option(
    "--epsilon",
    default=0.15,
    metavar="SHARE",
    type=Share(zero=True, whole=False),
    show_default=True,
    help="Of the alternative annotator test: 0.2 if people are experts, 0.15 if skilled, 0.1 if crowd workers.",
)
@click.option(
    "--probe",
    metavar="N",
    type=click.IntRange(1),
    help="Ask each language model about N random documents, in six prompts of one meaning: 7 calls for each document.",
)
@click.option("--yes", is_flag=True, help="With --probe: do not ask before calls that cost money.")
@json_option
def oracle(
    run: str,
    accuracy: float,
    people: float | None,
    epsilon: float,
    probe: int | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Show what each oracle of RUN is worth, from what its database already has.

    Nothing is asked or bought, unless with --probe: it shows how much a language model's answers depend on the wording
    of the prompt and the order of the labels. A later probe asks about the same documents, and shows whether the model
    behind the name has changed. Run the same command again to resume an interrupted probe.
    """
    if yes and probe is None:
        raise click.UsageError("--yes is about --probe; expected both, or neither")
    from laud_ray.report.oracle.read import read_page
    from laud_ray.store.run import look_at

    with look_at(run) as folder:
        if (kind := folder.config.task.kind) == "multilabel":
            raise RunError(
                f"{run}: task.kind: {kind} is not valid here; expected a task whose documents have one label"
            )
    asked = [] if probe is None else _probe(run, probe, yes=yes)
    with look_at(run) as folder:
        page = read_page(folder, wanted=accuracy, people=people, epsilon=epsilon)
    if page is None:
        raise RunError(f"{run}: no oracle has answered yet; expected a run with answers")
    if as_json:
        from laud_ray.report.oracle.json_form import oracle_json

        print_json(oracle_json(page))
    else:
        from laud_ray.report.oracle.terminal import oracle_view

        print_view(oracle_view(page))
    if waiting := [one for one in asked if one.pending]:
        leave_waiting(sum(one.pending for one in waiting), "; ".join(one.waiting for one in waiting), err=as_json)


def _probe(run: str, n: int, *, yes: bool) -> "list[Asked]":
    """Buy a probe of n documents for each language model of a run, once its price is known and accepted."""
    from laud_ray.cli.console import Show
    from laud_ray.evaluation.probing.probe import ask, plan_probes
    from laud_ray.store.run import claim, existing

    settings = existing(run)
    with claim(settings) as folder:
        planned = plan_probes(folder, n)
    for one in planned:
        say(_price_line(one))
    _confirm(planned, yes=yes)
    with claim(settings) as folder, Show(terminal(err=True), None) as show:
        return [ask(folder, one, show) for one in plan_probes(folder, n)]


def _price_line(one: "Planned") -> str:
    from laud_ray.report.formatting import dollars

    price, config = one.price, one.config
    documents = len(one.probe.documents)
    resumed = f" (resumes probe {one.probe.number}, of {documents:,} documents)" if one.resumed else ""
    calls = f"{config.name} ({one.where}): {price.calls:,} calls about {documents:,} documents{resumed}"
    said = f"{calls}, about {price.tokens:,} tokens and at most {price.most_tokens:,}"
    if config.priced:
        return f"{said}: about {dollars(price.dollars)} and at most {dollars(price.most_dollars)}"
    free = config.engine == "vllm"
    return f"{said}: {'computed in this cluster' if free else 'dollars are unknown without input_price, output_price'}"


def _confirm(planned: "Sequence[Planned]", *, yes: bool) -> None:
    """Ask whether calls that cost money may be sent. Models that run in the cluster cost none."""
    if yes or not any(one.price.calls for one in planned if one.config.engine == "openai"):
        return
    if not sys.stdin.isatty():
        raise click.UsageError("the calls cost money; expected --yes, since nobody can be asked here")
    if not click.confirm("Send these calls?", err=True):
        say("nothing was sent")
        raise SystemExit(1)
