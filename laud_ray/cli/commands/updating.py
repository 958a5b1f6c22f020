"""Keep a run up to date with data that keep coming: update."""

from typing import TYPE_CHECKING

import click

from laud_ray.cli.options import DURATION, json_option, reading_of, reading_options
from laud_ray.cli.output import EXIT_PERSON, EXIT_WAITING, print_json, print_text, say

if TYPE_CHECKING:
    from laud_ray.cluster.metrics import JobMetrics
    from laud_ray.storage.text_reading import Reading
    from laud_ray.update.outcome import Outcome


@click.command(short_help="Append new data to RUN, notice drift, ask, learn and promote.")
@click.argument("run")
@click.argument("new_data", required=False)
@click.option(
    "--watch",
    metavar="DURATION",
    type=DURATION,
    help="Repeat this with the same NEW_DATA every 30m, 1h or 1d, until it is interrupted.",
)
@click.option(
    "--acknowledge", is_flag=True, help="Settle an alarm after which the current model stays, because you decided so."
)
@reading_options
@json_option
def update(
    run: str,
    new_data: str | None,
    watch: float | None,
    acknowledge: bool,
    delimiter: str | None,
    quote: str | None,
    encoding: str | None,
    as_json: bool,
) -> None:
    """Append NEW_DATA to the finished RUN, and do what it makes necessary. Without NEW_DATA, go on with what was begun.

    Only new documents are scored. If they differ from those before, some are asked about, a model learns the answers,
    and it becomes current if it is better on new documents and not worse on others. Exit codes: 0 nothing to do, or
    the new model was promoted; 75 answers are pending; 3 a person must decide, until an alarm is settled.
    """
    if acknowledge:
        if new_data is not None or watch is not None or as_json:
            raise click.UsageError("--acknowledge: only settles an alarm; expected no NEW_DATA, --watch or --json")
        from laud_ray.update.settle import acknowledge as settle

        print_text(settle(run))
        return
    from laud_ray.cluster.metrics import JobMetrics

    reading = reading_of(delimiter, quote, encoding)
    if watch is None:
        outcome = _update(run, new_data, JobMetrics("run", run), reading)
        _print(outcome, as_json)
        if code := _code(outcome, run):
            raise SystemExit(code)
        return
    if as_json:
        raise click.UsageError("--json: prints one object; expected no --watch")
    if new_data is None:
        raise click.UsageError("--watch: needs data to look for; expected NEW_DATA")
    from laud_ray.cli.watching import repeat

    metrics = JobMetrics("run", run)

    def round() -> None:
        outcome = _update(run, new_data, metrics, reading)
        _print(outcome, as_json)
        if code := _code(outcome, run):
            say(f"this round ends with {code}; the watch goes on")

    repeat(round, watch)


def _update(run: str, new_data: str | None, metrics: "JobMetrics", reading: "Reading") -> "Outcome":
    from laud_ray.cli.console import Show
    from laud_ray.cli.metrics import watched
    from laud_ray.cli.output import terminal
    from laud_ray.stats.betting import TESTS
    from laud_ray.update.update import update as run_update

    with Show(terminal(err=True), run) as show:
        outcome = run_update(run, new_data, watched(show, run, metrics), reading=reading)
    metrics.update(
        appended=outcome.added > 0,
        wealth={test: value for test, value in outcome.evidence.items() if test in TESTS},
        alarms=outcome.alarms,
        accuracy=None if outcome.accuracy is None else outcome.accuracy.value,
        verdict=None if outcome.decision is None else outcome.decision.verdict,
    )
    return outcome


def _print(outcome: "Outcome", as_json: bool) -> None:
    from laud_ray.update.outcome import to_json

    if as_json:
        print_json(to_json(outcome))
        return
    for line in outcome.words:
        print_text(line)
    for command in outcome.commands:
        print_text(f"  {command}")


def _code(outcome: "Outcome", run: str) -> int:
    """Return the exit code of an outcome, and say how many answers it waits for."""
    if outcome.state == "waiting":
        say(f"{outcome.pending} answers are pending; then run `laud update {run}`")
        return EXIT_WAITING
    return EXIT_PERSON if outcome.state == "person" else 0
