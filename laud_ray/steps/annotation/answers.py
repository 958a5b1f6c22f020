"""The answers and the feedback of a run so far. Read-only."""

from collections.abc import Sequence

from laud_ray.steps.annotation.second_opinions import settled, with_settled
from laud_ray.steps.training.held_out import held_out
from laud_ray.steps.work import Work
from laud_ray.store import rechecks
from laud_ray.store.feedback import Feedback, judge
from laud_ray.store.store import Answered, Store
from laud_ray.store.versions import renewals
from laud_ray.store.versions.record import history


def asked(work: Work, before: int | None = None) -> list[Answered]:
    """Return seed and query answers, with one settled label where a document has several answers.

    Args:
        before: leave out queries of this round and later ones. None: all.
    """
    found = [*work.store.queries("seed"), *work.store.queries("query")]
    labels = settled(work.config, rechecks.opinions(work.store.engine, before)).labels
    return with_settled([a for a in found if before is None or a.round < before or a.purpose == "seed"], labels)


def spent(work: Work) -> int:
    """The number of answers that count against the budget."""
    return work.store.spent()


def feedback_labels(work: Work, round: int) -> dict[str, str]:
    """Return the feedback on which a round's model is trained: labels by text, without the evaluation sample."""
    return to_labels(work, work.store.feedback_of(round))


def to_labels(work: Work, feedback: Sequence[Feedback]) -> dict[str, str]:
    """Combine feedback into labels by text, without the texts of the evaluation sample."""
    never = held_out(work)
    verdicts = judge(feedback, work.task.names, work.config.corpus.max_chars, multilabel=work.task.multilabel)
    return {text: label for text, label in verdicts.labels.items() if text not in never}


def left_open(store: Store) -> list[Answered]:
    """Return the unanswered queries of rounds that were closed before all their answers had come."""
    waiting = [a for a in store.queries("query") if not a.answered]
    closed = {n: store.setting(closed_key(store, n)) is not None for n in {a.round for a in waiting}}
    return [a for a in waiting if closed[a.round]]


def closed_key(store: Store, round: int) -> str:
    """Return the setting that a round's queries were closed with fewer answers; asking anew opens them again."""
    again = renewals.renewals(store.engine, history(store.engine))
    n = sum(one.query.document.id in again for one in store.queries("query", round)) if again else 0
    return f"answers of round {round}" + (f", {n} of them asked again" if n else "")
