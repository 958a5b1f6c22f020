"""Ask the oracle what is open, and record each answer as it arrives."""

from collections.abc import Sequence

from laud_ray import oracles
from laud_ray.config import OracleConfig
from laud_ray.oracles import asking as stage
from laud_ray.steps.annotation.answers import asked
from laud_ray.steps.work import Progress, WaitingError, Work
from laud_ray.store.ledger import Ledger
from laud_ray.types import Example, Oracle, Purpose


def oracle_of(work: Work, purpose: Purpose, round: int) -> Oracle:
    """Make the oracle that answers for a purpose in a round."""
    where, config = work.config.evaluation_oracle() if purpose == "evaluation" else ("oracle", work.config.oracle)
    return _built(work, config, where, _examples(work, config, round) if purpose == "query" else [])


def second_oracle(work: Work, attempt: int, round: int) -> Oracle:
    """Make the oracle that answers when a document is asked about for the second or third time."""
    chain = [("oracle", work.config.oracle), *work.config.second_oracles()]
    # A version that asked once more where a trusted oracle abstained may have left such a question behind.
    at = min(attempt, len(chain)) - 1
    where, config = chain[at]
    if config in [one for _, one in chain[:at]]:
        config = oracles.anew(config)
    return _built(work, config, where, _examples(work, config, round), attempt)


def _examples(work: Work, config: OracleConfig, before: int) -> list[Example]:
    """What was annotated before a round asks: not what it adds itself, or a restart would ask differently."""
    if not oracles.wants_examples(config):
        return []
    return [Example(a.query.document.text, a.label) for a in asked(work, before) if a.label is not None]


def _built(work: Work, config: OracleConfig, where: str, examples: Sequence[Example], attempt: int = 1) -> Oracle:
    ledger, seed = Ledger(work.store), work.config.seed
    return oracles.build(config, work.task, work.corpus, seed, ledger, examples=examples, where=where, attempt=attempt)


def annotate(work: Work, purpose: Purpose, round: int) -> None:
    """Get the answers to what is open.

    Raises:
        WaitingError: if some stay pending.
    """
    if _is_answered(work, purpose, round):
        return
    with work.step("annotate", round) as progress:
        waiting = answer(work, purpose, round, progress)
    if waiting is not None:
        raise waiting


def answer(work: Work, purpose: Purpose, round: int, progress: Progress) -> WaitingError | None:
    """Get what answers there are to what is open; return why a run has to wait, if some stay pending."""
    if _is_answered(work, purpose, round):
        return None
    oracle = oracle_of(work, purpose, round)
    pending = stage.annotate(work.store, oracle, purpose, round, progress)
    return WaitingError(getattr(oracle, "waiting", None), pending) if pending else None


def _is_answered(work: Work, purpose: Purpose, round: int) -> bool:
    return all(a.answered for a in work.store.queries(purpose, round))
