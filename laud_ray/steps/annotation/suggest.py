"""The predictions of a round's model as suggestions for the people who annotate."""

from collections.abc import Sequence

from laud_ray.passes.stored import likeliest
from laud_ray.people.questions import Candidate, Suggest, Suggestions
from laud_ray.steps.work import Work
from laud_ray.types import Document


def suggestions(work: Work, round: int) -> Suggest:
    """Return a function that reads the likeliest labels of documents in the scores of a round; 0 is zero-shot."""

    def suggest(documents: Sequence[Document]) -> Suggestions:
        drawn = {one.document_id: one.range for one in work.store.sample("evaluation")}
        found = likeliest(work.corpus, work.run.scores(round), [one.id for one in documents], drawn)
        candidates = {name: [Candidate(label, p) for label, p in listed] for name, listed in found.items()}
        return Suggestions(work.run.model_name(round), candidates, several=work.task.multilabel)

    return suggest
