"""Show the progress of a run on stderr: a line per step, a bar with rows/s and time left, a table per round."""

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from laud_ray.events import Event
from laud_ray.report.formatting import duration
from laud_ray.types import RoundResult

SAYS = {
    "corpus": "reading and normalising the corpus",
    "zero-shot": "zero-shot: scoring every document",
    "sample": "drawing the evaluation sample",
    "annotate": "asking the oracle",
    "probe": "asking the language model in several prompts",
    "audit": "asking again about doubtful answers",
    "judge": "judging the answers",
    "train": "training",
    "score": "scoring every document",
    "evaluate": "evaluating",
    "select": "choosing the next queries",
    "append": "reading and appending the new documents",
    "reference": "measuring how far documents lie apart",
    "novelty": "measuring how far the new documents lie",
    "notice": "comparing the new documents with those before",
    "propose": "grouping the novel documents",
    "previous": "finding the previous labels",
    "carry": "finding rows whose scores carry over",
    "canary": "labelling a sample",
    "student": "distilling a student",
    "duplicates": "finding texts that occur in several rows",
    "repeats": "scoring texts that occur in several rows",
    "relabel": "labelling every row",
    "verify": "verifying the output",
    "exposures": "adding up the exposures of each user",
}
# Steps with a progress bar and a rate.
PASSES = ("zero-shot", "score", "reference", "novelty", "canary", "repeats", "relabel", "verify")
QUIET_EVERY = 10.0


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{_rate(task.speed)} rows/s" if task.speed else "")


class _Done(ProgressColumn):
    """The finished and all documents of a step. The total is unknown until the first progress event."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:,.0f}" + ("" if task.total is None else f"/{task.total:,.0f}"))


def _rate(speed: float) -> str:
    """Format a rate with two significant digits below 10, so that a slow start is not shown as 0."""
    return f"{speed:,.0f}" if speed >= 10 else f"{speed:.2g}"


class Show:
    """An observer of `loop.run`, or of a job without rounds, that prints to the console.

    If stderr is not a terminal, it prints a line every QUIET_EVERY seconds instead of a bar. As a context manager it
    removes the bar when the run ends early, so that the bar does not overwrite the error message.
    """

    def __init__(self, console: Console, storage: str | None) -> None:
        self._console, self._storage = console, storage
        self._history: list[RoundResult] | None = None
        self._progress: Progress | None = None
        self._asked = 0
        self._began = self._spoke = time.monotonic()

    def __enter__(self) -> "Show":
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def __call__(self, event: Event) -> None:
        # The first event shows that this process holds the run's lock.
        if self._history is None:
            self._history = self._continued()
        {"begin": self._begin, "progress": self._move, "end": self._end, "round": self._round, "note": self._note}[
            event.kind
        ](event)

    def _continued(self) -> list[RoundResult]:
        """Return the rounds that an earlier process closed, and print their number."""
        if self._storage is None:
            return []
        from laud_ray.store.run import look_at

        with look_at(self._storage) as folder:
            history = folder.store.history()
        if history:
            closed = len(history) - 1
            rounds = "1 round is closed" if closed == 1 else f"{closed} rounds are closed"
            self._console.print(f"Resuming {self._storage}: {rounds}.", markup=False, highlight=False, soft_wrap=True)
        return history

    def _begin(self, event: Event) -> None:
        self._asked = 0
        self._began = self._spoke = time.monotonic()
        self._first: int | None = None
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            _Done(),
            _Rate(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._progress.add_task(self._says(event), total=event.total or None, visible=event.step in PASSES)
        self._progress.start()

    def _move(self, event: Event) -> None:
        self._asked = event.done
        # The first event counts the documents of an earlier attempt, which are not part of the rate.
        self._first = event.done if self._first is None else self._first
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], completed=event.done, total=event.total)
        now = time.monotonic()
        done = event.done - self._first
        if not self._console.is_terminal and now - self._spoke >= QUIET_EVERY and done:
            self._spoke, rate = now, done / (now - self._began)
            left = duration((event.total - event.done) / rate)
            self._console.print(f"  {event.done:,} of {event.total:,}, {_rate(rate)} rows/s, {left} left", markup=False)

    def _end(self, event: Event) -> None:
        self._stop()
        number = event.total or self._asked
        # Documents of an earlier attempt, or of the generations before an update, cost nothing now.
        before = self._first or 0 if event.step in ("zero-shot", "score") else 0
        before = before if before < number else 0
        shown = event.step in PASSES and event.seconds > 0.1 and number > before
        rate = f", {_rate((number - before) / event.seconds)}/s" if shown else ""
        unit = {
            "exposures": "rows",
            "train": "examples",
            "annotate": "answers",
            "audit": "answers",
            "probe": "answers",
        }.get(event.step, "documents")
        fresh = f"{number - before:,} of " if before else ""
        count = f": {fresh}{number:,} {unit}" if number else ""
        self._console.print(Text(f"{self._says(event)}{count} in {duration(event.seconds)}{rate}"))

    def _note(self, event: Event) -> None:
        self._stop()
        self._console.print(f"  note: {event.note}", markup=False)

    def _round(self, event: Event) -> None:
        assert event.result is not None
        assert self._history is not None
        self._history.append(event.result)
        from laud_ray.report.run.tables import rounds_table  # not needed for a job without rounds

        self._console.print()
        self._console.print(rounds_table(self._history))
        self._console.print()

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()

    def _says(self, event: Event) -> str:
        if self._storage is None:
            return SAYS[event.step]
        where = f"round {event.round}" if event.round else "start"
        return f"[{where}] {SAYS[event.step]}"
