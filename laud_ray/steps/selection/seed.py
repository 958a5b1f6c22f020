"""Find the first annotations, and check that a model can be trained on them. n candidates, d dimensions."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import zip_longest

import numpy as np

from laud_ray.config import people_in
from laud_ray.models.encoder.neighbours import Neighbours
from laud_ray.passes.shortlists import read_shortlist
from laud_ray.steps.annotation.annotate import answer
from laud_ray.steps.annotation.answers import to_labels
from laud_ray.steps.selection.seed_walk import (
    CANDIDATES,
    CLASSES,
    in_groups,
    naming,
    next_wave,
    nothing_to_learn,
    outcome,
    ranking_depth,
    seed_cap,
    shortfall,
    sought_groups,
    to_rankings,
)
from laud_ray.steps.training.model import to_examples
from laud_ray.steps.work import Work
from laud_ray.store.store import Query
from laud_ray.taxonomy.groups import Groups
from laud_ray.types import Document, Floats


class Nearby:
    """Ranks candidates by their greatest cosine similarity to a confirmed document.

    The candidates are the first documents of all rankings, in turn, up to `most`. They depend on the rankings alone,
    so that a restart ranks alike. They are embedded once, on first use.

    Args:
        embed: maps n texts to (n, d) unit vectors.
    """

    def __init__(
        self,
        rankings: Sequence[Sequence[Query]],
        embed: Callable[[Sequence[str]], Floats],
        most: int = CANDIDATES,
    ) -> None:
        together = {q.document.id: q for place in zip_longest(*rankings) for q in place if q is not None}
        self._candidates, self._embed = list(together.values())[:most], embed

    def ranking(self, name: str, confirmed: Sequence[Document]) -> Iterator[Query]:
        """Yield all candidates, confirmed ones included, those nearest to a document confirmed as `name` first."""
        if not confirmed or not self._candidates:
            return
        known = {q.document.id: i for i, q in enumerate(self._candidates)}
        rows = [known[one.id] for one in confirmed if one.id in known]
        others = [one.text for one in confirmed if one.id not in known]
        anchors = self._vectors[rows]
        if others:
            anchors = np.concatenate([anchors, self._embed(others)])
        similarity = (self._vectors @ anchors.T).max(axis=1)
        for i in np.argsort(-similarity, kind="stable"):
            reason = f"near a confirmed {name} ({similarity[i]:.2f})"
            yield replace(self._candidates[i], reason=reason, sought=name, walk="nearness")

    @cached_property
    def _vectors(self) -> Floats:
        return self._embed([q.document.text for q in self._candidates])


def seed(work: Work) -> None:
    """Walk down the zero-shot rankings, a wave of queries at a time, until every class is found or has had its share.

    Raises:
        WaitingError: if answers are pending.
    """
    per_class, cap = work.config.init.per_class, seed_cap(work.config)
    groups = sought_groups(work.task, work.config)
    names, named = groups.names, naming(groups)
    listed = read_shortlist(work.corpus, work.run.scores(0), ranking_depth(len(names), cap))
    held_out = {one.document_id for one in work.store.sample("evaluation")}
    rankings = [[q for q in ranking if q.document.id not in held_out] for ranking in to_rankings(listed, names)]
    nearby = Nearby(rankings, Neighbours().embed)
    people = people_in(work.config.oracle) is not None
    with work.step("annotate", 1) as progress:
        while True:
            waiting = answer(work, "seed", 1, progress)
            asked = in_groups(work.store.queries("seed"), groups)
            if waiting is not None:
                break
            wave = next_wave(
                rankings, asked, names, per_class=per_class, cap=cap, nearness=nearby, growing=people, named=named
            )
            if not wave:
                break
            work.store.add_queries("seed", 1, wave)
    if waiting is not None:
        raise waiting
    if (short := shortfall(outcome(asked, names, named), per_class, _word(work, groups))) is not None:
        work.note("annotate", 1, short)


def can_learn(work: Work) -> bool:
    """Whether the seed has examples of two classes at least."""
    return _nothing_to_learn(work) is None


def one_sided(work: Work) -> str | None:
    """End the run if the seed has examples of fewer than two classes; return the reason, or None."""
    reason = _nothing_to_learn(work)
    if reason is not None:
        work.store.set_stop_reason(reason)
    return reason


def _nothing_to_learn(work: Work) -> str | None:
    asked = work.store.queries("seed")
    learned = {example.label for example in to_examples(asked, to_labels(work, work.store.feedback()))}
    groups = sought_groups(work.task, work.config)
    named = naming(groups)
    sought = outcome(in_groups(asked, groups), groups.names, named)
    group_of = str if groups.independent else groups.name_of
    return nothing_to_learn(sought, learned, named, group_of=group_of, what=_word(work, groups))


def _word(work: Work, groups: Groups) -> str:
    """Return the word for the names that the seed looks for."""
    if work.task.taxonomy is not None:
        return "leaves" if groups.single else "branches"
    return "labels" if work.task.multilabel else CLASSES
