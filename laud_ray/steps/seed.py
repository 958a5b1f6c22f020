"""Find the first annotations, and whether there is anything to learn from."""

from laud_ray.models.encoder.neighbours import Neighbours
from laud_ray.passes.shortlists import read_shortlist
from laud_ray.steps.annotate import answer
from laud_ray.steps.answers import judged
from laud_ray.steps.nearby import Nearby
from laud_ray.steps.seed_walk import (
    next_wave,
    nothing_to_learn,
    outcome,
    ranking_depth,
    seed_cap,
    shortfall,
    to_rankings,
)
from laud_ray.steps.training import to_examples
from laud_ray.steps.work import Work


def seed(work: Work) -> None:
    """Walk down the zero-shot rankings, a wave of queries at a time, until no class lacks any or has its share.

    Raises:
        WaitingError: if answers are pending.
    """
    names, per_class, cap = work.task.names, work.config.init.per_class, seed_cap(work.config)
    listed = read_shortlist(work.corpus, work.run.scores(0), ranking_depth(len(names), cap))
    held_out = {one.document_id for one in work.store.sample("evaluation")}
    rankings = [[q for q in ranking if q.document.id not in held_out] for ranking in to_rankings(listed, names)]
    nearby = Nearby(rankings, Neighbours().embed)
    with work.step("annotate", 1) as progress:
        while True:
            waiting = answer(work, "seed", 1, progress)
            asked = work.store.queries("seed")
            if waiting is not None or not (
                wave := next_wave(rankings, asked, names, per_class=per_class, cap=cap, nearness=nearby)
            ):
                break
            work.store.add_queries("seed", 1, wave)
    if waiting is not None:
        raise waiting
    if (short := shortfall(outcome(asked, names), per_class)) is not None:
        work.note("annotate", 1, short)


def one_sided(work: Work) -> str | None:
    """End the run, with the reason, if the seed found too little for any model to learn from."""
    asked, names = work.store.queries("seed"), work.task.names
    learned = {example.label for example in to_examples(asked, judged(work, work.store.feedback()))}
    reason = nothing_to_learn(outcome(asked, names), learned)
    if reason is not None:
        work.store.set_stop_reason(reason)
    return reason
