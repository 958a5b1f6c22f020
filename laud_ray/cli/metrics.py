"""Count the events of a run for Prometheus."""

from laud_ray.cluster.metrics import JobMetrics
from laud_ray.errors import LaudError
from laud_ray.events import Event, Observer


def watched(observer: Observer, storage: str, metrics: JobMetrics | None = None) -> Observer:
    """Return an observer that passes events on, and counts them as metrics of the run in `storage`."""
    counts = metrics or JobMetrics("run", storage)
    count = _counting(counts)
    tokens: int | None = None

    def observe(event: Event) -> None:
        nonlocal tokens
        observer(event)
        count(event)
        if event.step == "annotate" and event.kind in ("begin", "end"):
            tokens = _count_spend(counts, storage, tokens)

    return observe


def counted(observer: Observer, kind: str, run: str, model: str) -> Observer:
    """Return an observer like `watched`, for a job without rounds that uses the given model."""
    counts = JobMetrics(kind, run)
    count = _counting(counts)

    def observe(event: Event) -> None:
        observer(event)
        count(event)
        if event.kind == "begin":
            counts.round(event.round, model)

    return observe


def _counting(counts: JobMetrics) -> Observer:
    def count(event: Event) -> None:
        if event.kind == "begin":
            counts.begin(event.step)
            counts.round(event.round)
        elif event.kind == "progress":
            counts.progress(event.done, event.total)
            counts.errors(event.errors)
        elif event.kind == "round" and event.result is not None:
            counts.round(event.round, event.result.model)

    return count


def _count_spend(counts: JobMetrics, storage: str, before: int | None) -> int | None:
    """Count the dollars that the run has spent, and the tokens since the total was `before`; return the total."""
    from laud_ray.store.ledger import Ledger  # imports the database, which a job without rounds does not need
    from laud_ray.store.run import look_at

    try:
        with look_at(storage) as folder:
            counts.spend(folder.store.cost())
            tokens = Ledger(folder.store).tokens()
    except LaudError:
        return before  # a run does not fail because of its metrics
    if before is not None:
        counts.tokens(tokens - before)
    return tokens
