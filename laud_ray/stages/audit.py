"""Ask again about answers that are probably wrong, and settle what several answers say."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from sqlalchemy import Engine

from laud_ray import second_opinions
from laud_ray.aggregation import Opinion, Settled, settle
from laud_ray.auditing import doubtful, self_confidence
from laud_ray.config import RunConfig
from laud_ray.models.linear import LinearLearner
from laud_ray.second_opinions import FIRST_ATTEMPT, SecondQuery
from laud_ray.stages import annotate
from laud_ray.store import Answered
from laud_ray.types import Floats, Oracle, Task

# After the third answer only a person can settle a document.
LAST_ATTEMPT = 3


def quota(config: RunConfig, round: int, spent: int) -> int:
    """How many answers a round may ask for again, of those that its batch and the budget leave it."""
    audit = config.audit
    left = max(0, config.budget.annotations - spent)
    return int(audit.share * min(config.query.batch, left)) if round % audit.every == 0 else 0


def settled(config: RunConfig, opinions: Sequence[Opinion]) -> Settled:
    """Settle what several answers say of a document, as the configuration trusts them."""
    second = {one.who for one in opinions if one.attempt == FIRST_ATTEMPT} if config.audit.trusted else set()
    return settle(opinions, len(config.task.to_task().names), second)


def with_settled(asked: Sequence[Answered], labels: dict[str, str | None]) -> list[Answered]:
    """Put settled labels in the place of first answers."""
    return [replace(a, label=labels.get(a.query.document.id, a.label)) for a in asked]


def out_of_fold(task: Task, asked: Sequence[Answered], model: str, *, seed: int) -> Floats:
    """Return (n, k) probabilities of n labelled answers, none of which taught the model that gave them.

    The model is the linear learner's on frozen embeddings: it is cheap, and pulled towards what the names of the
    labels say, so that it has a word on classes with a single example too.
    """
    texts, labels = [a.query.document.text for a in asked], [str(a.label) for a in asked]
    return LinearLearner(model).out_of_fold(task, texts, labels, seed=seed)


def questions(
    asked: Sequence[Answered],
    opinions: Sequence[Opinion],
    disputed: Sequence[str],
    names: Sequence[str],
    proba: Callable[[Sequence[Answered]], Floats],
    n: int,
) -> list[SecondQuery]:
    """Return at most n questions: first where two answers differ, then the most doubtful of single answers.

    A function of what was answered alone, so that a restart asks the same.

    Args:
        asked: seed and query answers with their settled labels.
        proba: maps the labelled ones of `asked` to their (m, k) out-of-fold probabilities.
    """
    attempts: dict[str, int] = {}
    for one in opinions:
        attempts[one.document_id] = max(one.attempt, attempts.get(one.document_id, 0))
    documents = {a.query.document.id: a.query.document for a in asked}
    wanted = [
        SecondQuery(documents[name], attempts[name] + 1, "two answers differ")
        for name in disputed
        if attempts[name] < LAST_ATTEMPT
    ]
    labelled = [a for a in asked if a.label is not None]
    if len(wanted) >= n or len(labelled) < 2:
        return wanted[:n]
    index = {name: i for i, name in enumerate(names)}
    labels = np.asarray([index[str(a.label)] for a in labelled], np.int64)
    found = proba(labelled)
    own = self_confidence(found, labels)
    for i in doubtful(found, labels):
        document = labelled[i].query.document
        if document.id not in attempts:
            reason = f"{labelled[i].label} {own[i]:.2f}, and {names[found[i].argmax()]} {found[i].max():.2f}"
            predicted = names[found[i].argmax()]
            wanted.append(SecondQuery(document, FIRST_ATTEMPT, f"doubtful: {reason} by a model without it", predicted))
    return wanted[:n]


def ask_again(
    engine: Engine, oracle_of: Callable[[int], Oracle], round: int, progress: Callable[[int, int], None]
) -> tuple[int, str | None]:
    """Ask a round's open questions; see `annotate.ask_again`."""
    return annotate.ask_again(engine, second_opinions.pending(engine, round), oracle_of, progress)
