"""The texts that never train."""

from laud_ray.steps.work import Work


def held_out(work: Work) -> set[str]:
    """Return the texts of the evaluation sample, which no model is trained on."""
    return {a.query.document.text for a in work.store.queries("evaluation")}
