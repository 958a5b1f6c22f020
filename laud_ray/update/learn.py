"""Learn from old and new answers in one round, and decide whether its model becomes current."""

from dataclasses import dataclass

from sqlalchemy import Connection

from laud_ray.errors import RunError
from laud_ray.evaluation.carried import carried_samples
from laud_ray.stats.betting import Bounds, accuracy_bounds
from laud_ray.stats.estimates.accuracy import estimate_accuracy
from laud_ray.stats.promotion import Decision, compare, decide
from laud_ray.steps.close import Judgement, close, has_learned
from laud_ray.steps.score import heal, score
from laud_ray.steps.training.train import train
from laud_ray.steps.work import Work
from laud_ray.store.tables import put_setting
from laud_ray.store.updates import alarms, decisions
from laud_ray.store.updates.decisions import Decision as Recorded
from laud_ray.store.updates.evidence import BASE, Base, base_setting
from laud_ray.store.updates.generations import advance_in, updated
from laud_ray.types import Estimate, RoundResult
from laud_ray.update.open_run import Current, asked_generations, open_generations, sampled_in
from laud_ray.update.settle import left_by, now


@dataclass(frozen=True, slots=True)
class OnNew:
    """The accuracy of a model on random documents of new generations.

    Attributes:
        accuracy: its estimate.
        bounds: which hold however often one looks.
        abstained: documents for which the oracle gave no label; they do not count.
    """

    accuracy: Estimate
    bounds: Bounds
    abstained: int


def on_new(work: Work, round: int, numbers: list[int]) -> OnNew | None:
    """Estimate the accuracy of a round's model on generations; None if no document has an answer with a label."""
    rows = sampled_in(work, numbers)
    found = carried_samples(work.run, rows, [round])
    if not found:
        return None
    (one,) = found
    bounds = accuracy_bounds(one.true == one.predicted, weights=one.weights)
    return OnNew(estimate_accuracy(one), bounds, len(rows) - len(one))


def learn(work: Work, current: Current) -> Recorded:
    """Train a model, score every document with it, and promote it if it is better on new documents and safe on others.

    The decision is recorded in the transaction that closes the round.
    """
    round = len(work.store.history())
    if {one.range for one in work.store.sample("stop")} - work.run.scores(round - 1).names():
        heal(work, round - 1)  # the round's model is compared with the one before
    train(work, round)
    score(work, round)
    close(work, round, lambda result: _judge(work, current, result))
    return decisions.decided(work.store.engine)[-1]


def _judge(work: Work, current: Current, result: RoundResult) -> Judgement:
    numbers = asked_generations(work)
    last = updated(work.store.engine)[-1].number
    decision = _decide(work, current, result.number, numbers)
    learned = has_learned(work, result.number)
    promoted = decision.promote and learned
    words = decision.words if learned or not decision.promote else f"keep: {result.model} has not learned"
    verdict: decisions.Verdict = "promote" if promoted else "keep"
    base = Base(last, result.model if promoted else current.name, now())
    # An earlier alarm about the same current model is open as long as this one.
    earlier = alarms.open_alarm(work.store)
    about = numbers if promoted or earlier is None else [*earlier.generations, *numbers]
    found = on_new(work, result.number if promoted else current.round, about)
    alarm = left_by(work, current, result, verdict, words, about, None if found is None else found.bounds.low)

    def record(connection: Connection) -> None:
        decisions.add_in(connection, last, result.number, result.model, verdict, words)
        # Those that came meanwhile are compared with no more: later ones are compared with them.
        advance_in(connection, [one.number for one in open_generations(work)], "decided")
        put_setting(connection, BASE, base_setting(base))
        alarms.put_in(connection, alarm)

    return Judgement(promoted, record)


def _decide(work: Work, current: Current, round: int, numbers: list[int]) -> Decision:
    """Compare the round's model with the current one, on the old and the new part of the evaluation sample."""
    old = carried_samples(work.run, sampled_in(work, numbers, without=True), [current.round, round])
    new = carried_samples(work.run, sampled_in(work, numbers), [current.round, round])
    if not old:
        raise RunError(
            f"{work.run.folder.uri}: the evaluation sample has no answer with a label; expected at least one"
        )
    tree = work.task.taxonomy
    parents = None if tree is None else tree.parents
    found = [compare(both[0], both[1], parents) for both in (old, new) if both]
    return decide(found[0], found[1] if new else None, work.config.update.margin)
