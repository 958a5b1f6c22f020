"""Which texts never train."""

from laud_ray.steps.work import Work


def held_out(work: Work) -> set[str]:
    """Return the texts that never train: those of the evaluation sample."""
    return {a.query.document.text for a in work.store.queries("evaluation")}
