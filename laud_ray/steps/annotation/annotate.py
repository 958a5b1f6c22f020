"""Ask the oracle about the open queries, and record each answer as it arrives."""

from collections.abc import Callable

from laud_ray import oracles
from laud_ray.config import OracleConfig, people_in
from laud_ray.config.oracles import asks_model
from laud_ray.oracles import asking as stage
from laud_ray.passes.scoring import load_scorer, open_model
from laud_ray.people.groups import Awaited
from laud_ray.steps.annotation.answers import asked, closed_key, left_open
from laud_ray.steps.annotation.suggest import suggestions
from laud_ray.steps.changed import first_round
from laud_ray.steps.work import Progress, WaitingError, Work
from laud_ray.storage.model_folder import version_of
from laud_ray.store.ledger import Ledger
from laud_ray.types import Example, Oracle, Purpose, Scorer


def oracle_of(work: Work, purpose: Purpose, round: int, share: float = 1.0, model: int | None = None) -> Oracle:
    """Create the oracle that answers for a purpose in a round.

    Args:
        work: the run.
        purpose: of the queries.
        round: of the queries.
        share: of the documents in a call, the share that people must have answered before the run continues.
        model: the round whose model suggests labels to people. None: that of the queries' round.
    """
    where, config = work.config.evaluation_oracle() if purpose == "evaluation" else ("oracle", work.config.oracle)
    # Seed queries and the evaluation sample are asked about when there is only the zero-shot classifier.
    known = (round if purpose == "query" else 0) if model is None else model
    return oracles.build(
        config,
        work.task,
        work.corpus,
        work.config.seed,
        Ledger(work.store),
        examples=_examples(work, config, round) if purpose == "query" else [],
        where=where,
        suggest=suggestions(work, known),
        share=share,
        encoder=encoder_of(work, known),
    )


def close_at(work: Work) -> float:
    """Return the share of a round's queries that must be answered before the round closes."""
    people = people_in(work.config.oracle)
    return 1.0 if people is None else people.close_at


def second_oracle(work: Work, attempt: int, round: int) -> Oracle:
    """Create the oracle that gives the second or third answer for a document (attempt 2 or 3)."""
    chain = [("oracle", work.config.oracle), *work.config.second_oracles()]
    # An earlier version asked once more where a trusted oracle abstained, so its runs may have a higher attempt.
    at = min(attempt, len(chain)) - 1
    where, config = chain[at]
    if config in [one for _, one in chain[:at]]:
        config = oracles.anew(config)
    return oracles.build(
        config,
        work.task,
        work.corpus,
        work.config.seed,
        Ledger(work.store),
        examples=_examples(work, config, round),
        where=where,
        attempt=attempt,
        encoder=encoder_of(work, round),
    )


def encoder_of(work: Work, round: int) -> Callable[[], Scorer] | None:
    """Return what opens the model of a round, which suggests leaves of a taxonomy; round 0 is zero-shot.

    None if it is no encoder: a language model would take longer to suggest leaves than to choose one. Also None if the
    model has the leaves of an earlier version of the taxonomy.
    """
    model = work.run.models / work.run.model_name(round)
    if work.task.taxonomy is None or work.is_engine(round) or version_of(model) is None:
        return None
    if round < first_round(work.store):
        return None
    return lambda: load_scorer(model, open_model)


def _examples(work: Work, config: OracleConfig, before: int) -> list[Example]:
    """Return the annotations of earlier rounds. With the round's own, a restart would use different prompts.

    A language model's candidates for a taxonomy depend on them too.
    """
    chooses = work.task.taxonomy is not None and asks_model(config)
    if not (oracles.wants_examples(config) or chooses):
        return []
    return [Example(a.query.document.text, a.label) for a in asked(work, before) if a.label is not None]


def annotate(work: Work, purpose: Purpose, round: int, model: int | None = None) -> None:
    """Get answers to the open queries; `model` as in `oracle_of`.

    Raises:
        WaitingError: if some answers stay pending.
    """
    if is_answered(work, purpose, round):
        return
    with work.step("annotate", round) as progress:
        if purpose == "query":
            take_late(work, round)
        waiting = answer(work, purpose, round, progress, model)
    if waiting is not None:
        raise waiting


def answer(
    work: Work, purpose: Purpose, round: int, progress: Progress, model: int | None = None
) -> WaitingError | None:
    """Get the available answers to the open queries; return a WaitingError if some answers stay pending."""
    if is_answered(work, purpose, round):
        return None
    share = close_at(work) if purpose == "query" else 1.0
    oracle = oracle_of(work, purpose, round, share, model)
    pending = stage.annotate(work.store, oracle, purpose, round, progress)
    unanswered = getattr(oracle, "unanswered", None)
    if share < 1 and pending and getattr(oracle, "enough", False) and pending == unanswered:
        # This fixes which answers the next model learns: a restart must neither wait again nor take more of them.
        work.store.set(closed_key(work.store, round), f"with {pending} open")
        return None
    if not pending:
        return None
    awaited = Awaited(purpose, round, share=share)
    return WaitingError(getattr(oracle, "waiting", None), unanswered or pending, [awaited])


def annotate_left_open(work: Work, round: int) -> None:
    """Wait for what earlier rounds left open, if a round has no queries: the budget or the pool allows no others.

    Raises:
        WaitingError: if some of these answers are pending.
    """
    if work.store.queries("query", round) or not left_open(work.store):
        return
    with work.step("annotate", round):
        take_late(work, round)
    if left := left_open(work.store):
        n, rounds = len(left), sorted({a.round for a in left})
        said = f"people have {n} {'question' if n == 1 else 'questions'} of earlier rounds to answer, the last ones"
        raise WaitingError(said, n, [Awaited("query", one) for one in rounds])


def is_answered(work: Work, purpose: Purpose, round: int) -> bool:
    """Whether a run can continue: all queries of a round are answered, or the round was closed with fewer answers."""
    if all(a.answered for a in work.store.queries(purpose, round)):
        return True
    return purpose == "query" and work.store.setting(closed_key(work.store, round)) is not None


def take_late(work: Work, round: int) -> None:
    """Record answers that came after an earlier round than this one was closed; the next round's model learns them."""
    for earlier in sorted({a.round for a in left_open(work.store) if a.round < round}):
        oracle = oracle_of(work, "query", earlier, share=0.0)
        stage.annotate(work.store, oracle, "query", earlier, lambda done, total: None)
