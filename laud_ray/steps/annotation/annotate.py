"""Ask the oracle about the open queries, and record each answer as it arrives."""

from collections.abc import Sequence

from laud_ray import oracles
from laud_ray.config import OracleConfig
from laud_ray.oracles import asking as stage
from laud_ray.steps.annotation.answers import asked
from laud_ray.steps.work import Progress, WaitingError, Work
from laud_ray.store.ledger import Ledger
from laud_ray.types import Example, Oracle, Purpose


def oracle_of(work: Work, purpose: Purpose, round: int) -> Oracle:
    """Create the oracle that answers for a purpose in a round."""
    where, config = work.config.evaluation_oracle() if purpose == "evaluation" else ("oracle", work.config.oracle)
    return _built(work, config, where, _examples(work, config, round) if purpose == "query" else [])


def second_oracle(work: Work, attempt: int, round: int) -> Oracle:
    """Create the oracle that gives the second or third answer for a document (attempt 2 or 3)."""
    chain = [("oracle", work.config.oracle), *work.config.second_oracles()]
    # An earlier version asked once more where a trusted oracle abstained, so its runs may have a higher attempt.
    at = min(attempt, len(chain)) - 1
    where, config = chain[at]
    if config in [one for _, one in chain[:at]]:
        config = oracles.anew(config)
    return _built(work, config, where, _examples(work, config, round), attempt)


def _examples(work: Work, config: OracleConfig, before: int) -> list[Example]:
    """Return the annotations of earlier rounds. With the round's own, a restart would use different prompts."""
    if not oracles.wants_examples(config):
        return []
    return [Example(a.query.document.text, a.label) for a in asked(work, before) if a.label is not None]


def _built(work: Work, config: OracleConfig, where: str, examples: Sequence[Example], attempt: int = 1) -> Oracle:
    ledger, seed = Ledger(work.store), work.config.seed
    return oracles.build(config, work.task, work.corpus, seed, ledger, examples=examples, where=where, attempt=attempt)


def annotate(work: Work, purpose: Purpose, round: int) -> None:
    """Get answers to the open queries.

    Raises:
        WaitingError: if some answers stay pending.
    """
    if _is_answered(work, purpose, round):
        return
    with work.step("annotate", round) as progress:
        waiting = answer(work, purpose, round, progress)
    if waiting is not None:
        raise waiting


def answer(work: Work, purpose: Purpose, round: int, progress: Progress) -> WaitingError | None:
    """Get the available answers to the open queries; return a WaitingError if some answers stay pending."""
    if _is_answered(work, purpose, round):
        return None
    oracle = oracle_of(work, purpose, round)
    pending = stage.annotate(work.store, oracle, purpose, round, progress)
    return WaitingError(getattr(oracle, "waiting", None), pending) if pending else None


def _is_answered(work: Work, purpose: Purpose, round: int) -> bool:
    return all(a.answered for a in work.store.queries(purpose, round))
