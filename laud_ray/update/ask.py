"""Ask about new documents after an alarm: at random for an estimate without bias, and others to learn from."""

from dataclasses import replace
from math import ceil

from laud_ray.evaluation import draw, trusted
from laud_ray.people.groups import Awaited
from laud_ray.steps.annotation.annotate import annotate
from laud_ray.steps.annotation.renew import renew
from laud_ray.steps.changed import first_round
from laud_ray.steps.work import WaitingError, Work, together
from laud_ray.store import rechecks
from laud_ray.store.rechecks import FIRST_ATTEMPT, SecondQuery
from laud_ray.store.updates import evidence as records
from laud_ray.store.updates import questions
from laud_ray.store.updates.evidence import BASE
from laud_ray.store.updates.generations import updated
from laud_ray.update.choose import AT_RANDOM, choose, draw_at_random
from laud_ray.update.open_run import Current, asked_generations, open_generations, sampled_in


def ask(work: Work, current: Current) -> None:
    """Record the questions of an update, unless that was done before, and get answers to them.

    Once its labels have changed, these questions are asked again where that made the answers unclear.

    Raises:
        WaitingError: if answers stay pending.
    """
    if all(one.state == "alarm" for one in open_generations(work)):
        _record(work, current)
    round = len(work.store.history()) - 1
    if first_round(work.store) == round + 1:
        found = [_renewing(work, round)]
    else:
        found = [_waiting(work, purpose, round, current) for purpose in ("evaluation", "query")]
    found.append(_trust(work, round))
    if waiting := [one for one in found if one is not None]:
        raise together(waiting)


def _record(work: Work, current: Current) -> None:
    numbers = [one.number for one in open_generations(work)]
    with work.step("select", current.round):
        store, n = work.store, work.config.update.annotations
        drawn = draw_at_random(work, current, numbers, ceil(AT_RANDOM * n))
        learned = {one.text for one in store.feedback()}  # models may be trained on feedback
        asked = {one.query.document.id for one in store.queries()}
        evaluation = [one for one in draw.to_queries(work.corpus, drawn) if one.document.text not in learned]
        without = asked | {one.document_id for one in drawn}
        # Novel documents may have come in earlier generations too, before there was enough evidence.
        base = records.base(store.setting(BASE))
        assert base is not None, "an alarm was noticed by comparison with one"
        since = [one.number for one in updated(store.engine) if base.generation < one.number <= numbers[-1]]
        queries = choose(work, current, base, since, n - len(drawn), without)
        questions.record(store.engine, numbers, len(store.history()) - 1, drawn, evaluation, queries)


def _waiting(work: Work, purpose: str, round: int, current: Current) -> WaitingError | None:
    assert purpose in ("evaluation", "query")
    try:
        annotate(work, "evaluation" if purpose == "evaluation" else "query", round, current.round)
    except WaitingError as waiting:
        return waiting
    return None


def _renewing(work: Work, round: int) -> WaitingError | None:
    """Ask again about unclear answers, at most `update.annotations` for training; all other open questions too."""
    config, n = work.config, work.config.update.annotations
    more = {
        "budget": config.budget.model_copy(
            update={"annotations": max(config.budget.annotations, work.store.spent() + n)}
        ),
        "query": config.query.model_copy(update={"batch": n}),
    }
    try:
        renew(replace(work, run=replace(work.run, config=config.model_copy(update=more))), round)
    except WaitingError as waiting:
        return waiting
    return None


def _trust(work: Work, round: int) -> WaitingError | None:
    """Ask the trusted oracle, if the run has one, about all new documents of the evaluation sample."""
    if work.config.trusted_oracle() is None:
        return None
    engine, known = work.store.engine, rechecks.trusted_answers(work.store.engine)
    drawn = {one.document_id for one in sampled_in(work, asked_generations(work))}
    asked = [one.query.document for one in work.store.queries("evaluation") if one.query.document.id in drawn]
    why = "drawn at random from new documents"
    rechecks.record(engine, round, [SecondQuery(one, FIRST_ATTEMPT, why) for one in asked if one.id not in known])
    if not rechecks.pending_trusted(engine):
        return None
    with work.step("annotate", round) as progress:
        pending, waiting = trusted.ask(work.store, work.config, work.corpus, progress)
    return WaitingError(waiting, pending, [Awaited("evaluation", None, FIRST_ATTEMPT)]) if pending else None
