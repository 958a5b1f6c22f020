"""Score what was appended, with the current model."""

from laud_ray.passes.incomplete import drop_incomplete
from laud_ray.steps import score as step
from laud_ray.steps.work import Work
from laud_ray.store.updates.generations import advance, updated
from laud_ray.update.open_run import Current


def score(work: Work, current: Current) -> None:
    """Score the ranges that the current model has no scores of, which are only the new ones as a rule."""
    if drop_incomplete(work.corpus, work.run.scores(current.round)):
        if current.round:
            step.score(work, current.round)
        else:
            step.zero_shot(work)
    new = [one.number for one in updated(work.store.engine) if one.state == "appended"]
    advance(work.store.engine, new, "scored", current.name)
