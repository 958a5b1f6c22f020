"""What a run was told so far, as its steps need it. Nothing is recorded here."""

from collections.abc import Sequence

from laud_ray.steps.annotation.second_opinions import settled, with_settled
from laud_ray.steps.training.held_out import held_out
from laud_ray.steps.work import Work
from laud_ray.store import rechecks
from laud_ray.store.feedback import Feedback, judge
from laud_ray.store.store import Answered


def asked(work: Work, before: int | None = None) -> list[Answered]:
    """Return seed and query answers, with one label where there are several answers.

    Args:
        before: what an earlier round than this asked for.
    """
    found = [*work.store.queries("seed"), *work.store.queries("query")]
    labels = settled(work.config, rechecks.opinions(work.store.engine, before)).labels
    return with_settled([a for a in found if before is None or a.round < before or a.purpose == "seed"], labels)


def spent(work: Work) -> int:
    """How many answers count against the budget."""
    counts = work.store.counts()
    return counts["seed"] + counts["query"] + counts["audit"]


def said(work: Work, round: int) -> dict[str, str]:
    """Return what people said that a round's model learns: labels by text, none of the evaluation sample."""
    return judged(work, work.store.feedback_of(round))


def judged(work: Work, feedback: Sequence[Feedback]) -> dict[str, str]:
    """Return what feedback comes to: labels by text, none of the evaluation sample."""
    never = held_out(work)
    verdicts = judge(feedback, work.task.names, work.config.corpus.max_chars)
    return {text: label for text, label in verdicts.labels.items() if text not in never}
