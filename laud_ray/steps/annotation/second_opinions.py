"""Ask again about answers that are probably wrong, and settle what several answers say."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from sqlalchemy import Engine

from laud_ray.config import RunConfig
from laud_ray.models.encoder.linear import LinearLearner
from laud_ray.oracles import asking
from laud_ray.quality.noise import LeftOut, believe, noise
from laud_ray.quality.settling import MODEL, SURE, Opinion, Settled, settle
from laud_ray.store import rechecks
from laud_ray.store.rechecks import FIRST_ATTEMPT, SecondQuery
from laud_ray.store.store import Answered, Store
from laud_ray.types import Floats, Oracle, Task

# Answers below this probability of being right train nothing.
LIKELY = 0.5
# Of an oracle that errs less often than this, more right answers than wrong ones would be left out.
NEGLIGIBLE = 0.03
_LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Prediction:
    """The likeliest label by a model that did not learn the answer, and its probability."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """A document's likeliest answer and the probability that it is right.

    Attributes:
        predicted: what a model says that did not learn it; None where several answers settled it.
        unsure: whether there is reason to ask again.
    """

    answer: Answered
    probability: float
    predicted: Prediction | None
    unsure: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """All answers with a label, judged; `rate` is the estimated share of wrong first answers."""

    rate: float
    judgements: tuple[Judgement, ...]


def quota(config: RunConfig, round: int, spent: int) -> int:
    """How many answers a round may ask for again, of those that its batch and the budget leave it."""
    audit = config.audit
    left = max(0, config.budget.annotations - spent)
    return int(audit.share * min(config.query.batch, left)) if round % audit.every == 0 else 0


def settled(config: RunConfig, opinions: Sequence[Opinion]) -> Settled:
    """Settle what several answers say of a document, as the configuration trusts them."""
    second = {one.who for one in opinions if one.attempt == FIRST_ATTEMPT} - {MODEL} if config.audit.trusted else set()
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


def judge(
    asked: Sequence[Answered],
    opinions: Sequence[Opinion],
    names: Sequence[str],
    proba: Callable[[Sequence[Answered]], Floats],
) -> Judged:
    """Weigh what was answered of each document against what a model says that did not learn it.

    A function of what was answered alone, so that a restart judges the same. What a further answer settled stands; a
    single answer, or answers in dispute, are right with the probability that Bayes gives the likeliest of them.

    Args:
        asked: seed and query answers with their settled labels.
        proba: maps answers that have a label to (m, k) out-of-fold probabilities.
    """
    voices: dict[str, list[str]] = {}
    for one in opinions:
        if one.label is not None and one.who != MODEL:
            voices.setdefault(one.document_id, []).append(one.label)
    again = {one.document_id for one in opinions if one.attempt > 1 and one.label is not None and one.who != MODEL}
    said = {a.query.document.id: voices.get(a.query.document.id, [a.label] if a.label else []) for a in asked}
    heard = [a for a in asked if said[a.query.document.id]]
    if len(heard) < 2:
        return Judged(0.0, tuple(Judgement(a, 1.0, None, False) for a in heard))
    index = {name: i for i, name in enumerate(names)}
    answers = [[index[label] for label in said[a.query.document.id]] for a in heard]
    labelled = [replace(a, label=a.label or said[a.query.document.id][-1]) for a in heard]
    found = proba(labelled)
    error = noise(found, np.asarray([given[0] for given in answers], np.int64))
    likeliest, probability = believe(error, answers)
    judgements = []
    for i, a in enumerate(heard):
        if a.label is not None and a.query.document.id in again:
            judgements.append(Judgement(a, 1.0, None, False))
            continue
        best = int(found[i].argmax())
        predicted = Prediction(names[best], float(error.proba[i, best]))
        unsure = bool(probability[i] < (LIKELY if a.label is not None else SURE))
        judgements.append(Judgement(replace(a, label=names[likeliest[i]]), float(probability[i]), predicted, unsure))
    return Judged(error.rate, tuple(judgements))


def believed(judged: Judged) -> list[Answered]:
    """Return the answers that a model should learn from: what is probably right.

    All of them, if hardly any are wrong. The likeliest answer for a class is kept whatever its probability: a model
    that saw a class once, or not at all, finds all its answers implausible.
    """
    best = {one.answer.label: one for one in sorted(judged.judgements, key=lambda one: one.probability)}
    return [
        one.answer
        for one in judged.judgements
        if judged.rate < NEGLIGIBLE or one.probability >= LIKELY or best[one.answer.label] is one
    ]


def keep(store: Store, left_out: LeftOut) -> None:
    """Record what a round's model does not learn, so that the report can say it."""
    store.set(_LEFT_OUT, json.dumps(asdict(left_out)))


def kept(store: Store) -> LeftOut | None:
    """What the last model that was trained on judged answers did not learn; None before."""
    found = store.setting(_LEFT_OUT)
    return None if found is None else LeftOut(**json.loads(found))


def questions(judged: Judged, opinions: Sequence[Opinion], n: int, *, most: int) -> list[SecondQuery]:
    """Return at most n questions: the answers that are least likely to be right, of those that give reason to doubt.

    Args:
        most: answers for a document, the first one too; then only a person can settle it.
    """
    attempts: dict[str, int] = {}
    for opinion in opinions:
        attempts[opinion.document_id] = max(opinion.attempt, attempts.get(opinion.document_id, 0))
    wanted = []
    for judgement in sorted(judged.judgements, key=lambda each: each.probability):
        document, predicted = judgement.answer.query.document, judgement.predicted
        attempt = attempts.get(document.id, 1) + 1
        if not judgement.unsure or predicted is None or attempt > most:
            continue
        by_model = f"a model without it says {predicted.label} with {predicted.probability:.2f}"
        reason = f"{judgement.answer.label} is right with probability {judgement.probability:.2f}: {by_model}"
        # The model is a voice beside the second answer, once.
        voice = predicted.label if attempt == FIRST_ATTEMPT else None
        wanted.append(SecondQuery(document, attempt, reason, voice))
    return wanted[:n]


def ask_again(
    engine: Engine, oracle_of: Callable[[int], Oracle], round: int, progress: Callable[[int, int], None]
) -> tuple[int, str | None]:
    """Ask a round's open questions; see `annotate.ask_again`."""
    return asking.ask_again(engine, rechecks.pending(engine, round), oracle_of, progress)
