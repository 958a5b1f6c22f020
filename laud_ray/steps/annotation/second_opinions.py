"""Ask again about answers that are probably wrong, and settle on one label where there are several answers."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from sqlalchemy import Engine

from laud_ray.config import RunConfig
from laud_ray.quality.aggregation import MODEL, SURE, Opinion, Settled, settle
from laud_ray.quality.noise import LeftOut, combine_answers, noise
from laud_ray.store import rechecks
from laud_ray.store.rechecks import FIRST_ATTEMPT, SecondQuery
from laud_ray.store.store import Answered, Store
from laud_ray.taxonomy.groups import Groups, groups_of, single
from laud_ray.types import Floats, Oracle, Task

# Answers are left out of training if they are right with a lower probability.
LIKELY = 0.5
# If the oracle errs less often than this, more right answers than wrong ones would be left out.
NEGLIGIBLE = 0.03
# More answers times classes than this are judged in groups: their model would need gigabytes and many minutes.
MOST_CELLS = 20_000_000
_LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Prediction:
    """The likeliest label by a model that was not trained on the answer, and its probability.

    Attributes:
        node: whether the label is a node of a taxonomy that stands for all leaves below it, and no label itself.
    """

    label: str
    probability: float
    node: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """A document's likeliest answer and the probability that it is right.

    Attributes:
        predicted: the prediction of a model that was not trained on it; None if several answers settled the label.
        unsure: whether the answer is a candidate for another question.
    """

    answer: Answered
    probability: float
    predicted: Prediction | None
    unsure: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """The judgements of all answers with a label; `rate` is the estimated share of wrong first answers."""

    rate: float
    judgements: tuple[Judgement, ...]


def quota(config: RunConfig, round: int, spent: int) -> int:
    """Return how many answers of its batch, and of the remaining budget, a round may spend on re-checks."""
    audit = config.audit
    left = max(0, config.budget.annotations - spent)
    return int(audit.share * min(config.query.batch, left)) if round % audit.every == 0 else 0


def settled(config: RunConfig, opinions: Sequence[Opinion]) -> Settled:
    """Settle on one label for each document with several answers; trusted oracles are those of the configuration."""
    second = {one.who for one in opinions if one.attempt == FIRST_ATTEMPT} - {MODEL} if config.audit.trusted else set()
    return settle(opinions, len(config.task.to_task().names), second)


def with_settled(asked: Sequence[Answered], labels: dict[str, str | None]) -> list[Answered]:
    """Replace first answers by settled labels."""
    return [replace(a, label=labels.get(a.query.document.id, a.label)) for a in asked]


def judged_in(task: Task, answers: int) -> Groups:
    """Return the classes in which a number of answers is judged: those of the task, or nodes above too many leaves."""
    return groups_of(task) if answers * len(task.labels) > MOST_CELLS else single(task.names)


def out_of_fold(task: Task, asked: Sequence[Answered], model: str, groups: Groups, *, seed: int) -> Floats:
    """Return (n, g) out-of-fold probabilities for n labelled answers and g groups of classes.

    The model is the linear learner on frozen embeddings. It is cheap, and it is regularised towards the embeddings of
    the label names, so that it can predict classes with a single example too.

    Args:
        model: the encoder.
    """
    from laud_ray.models.encoder.linear import LinearLearner  # with PyTorch, which reading a run does not need

    texts, labels = [a.query.document.text for a in asked], [str(a.label) for a in asked]
    return LinearLearner(model).out_of_fold(task, texts, labels, seed=seed, groups=groups)


def judge(
    asked: Sequence[Answered],
    opinions: Sequence[Opinion],
    groups: Groups,
    proba: Callable[[Sequence[Answered]], Floats],
) -> Judged:
    """Judge the answers to each document by the out-of-fold prediction of a model.

    The result depends on the answers alone, so that a restart judges the same. A label that a further answer settled
    is final (probability 1), and so is a branch of a taxonomy, which is no class of the model. Otherwise the likeliest
    of a document's answers is right with its posterior probability. If classes are judged in groups, that is the
    probability that its group is right, and answers in one group that differ are not judged.

    Args:
        asked: seed and query answers with their settled labels.
        opinions: all answers to documents that were asked about again.
        groups: the classes of the task, or g groups of them.
        proba: maps m answers that have a label to (m, g) out-of-fold probabilities.
    """
    given_again: dict[str, list[str]] = {}
    for one in opinions:
        if one.label is not None and one.who != MODEL:
            given_again.setdefault(one.document_id, []).append(one.label)
    again = {one.document_id for one in opinions if one.attempt > 1 and one.label is not None and one.who != MODEL}
    labels_of = {a.query.document.id: given_again.get(a.query.document.id, [a.label] if a.label else []) for a in asked}
    places = groups.places
    labelled = [a for a in asked if labels_of[a.query.document.id]]
    can_judge = {name: _can_judge(labels, places) for name, labels in labels_of.items()}
    answered = [a for a in labelled if can_judge[a.query.document.id]]
    if len(answered) < 2:
        return Judged(0.0, tuple(Judgement(a, 1.0, None, False) for a in labelled))
    branches = [a for a in labelled if not can_judge[a.query.document.id]]
    label_indices = [[places[label] for label in labels_of[a.query.document.id]] for a in answered]
    labelled = [replace(a, label=a.label or labels_of[a.query.document.id][-1]) for a in answered]
    found = proba(labelled)
    error = noise(found, np.asarray([given[0] for given in label_indices], np.int64))
    likeliest, probability = combine_answers(error, label_indices)
    judgements = [Judgement(a, 1.0, None, False) for a in branches]
    best = found.argmax(axis=1)
    certain = np.concatenate([rows[np.arange(len(rows)), best[i : i + len(rows)]] for i, rows in error.chunks()])
    for i, a in enumerate(answered):
        if a.label is not None and a.query.document.id in again:
            judgements.append(Judgement(a, 1.0, None, False))
            continue
        name = groups.names[best[i]]
        predicted = Prediction(name, float(certain[i]), node=name not in groups.labels)
        label = next(one for one in labels_of[a.query.document.id] if places[one] == likeliest[i])
        unsure = bool(probability[i] < (LIKELY if a.label is not None else SURE))
        judgements.append(Judgement(replace(a, label=label), float(probability[i]), predicted, unsure))
    return Judged(error.rate, tuple(judgements))


def _can_judge(labels: Sequence[str], places: Mapping[str, int]) -> bool:
    """Whether the model has a class for each of a document's answers, and different ones for different answers."""
    if not all(label in places for label in labels):
        return False
    return len(set(labels)) == len({places[label] for label in labels})


def probably_right(judged: Judged) -> list[Answered]:
    """Return the answers on which a model should be trained: those that are right with probability LIKELY or more.

    If hardly any are wrong, all are returned. The likeliest answer of each class is returned whatever its
    probability, since a model that saw a class at most once finds all its answers implausible.
    """
    best = {one.answer.label: one for one in sorted(judged.judgements, key=lambda one: one.probability)}
    return [
        one.answer
        for one in judged.judgements
        if judged.rate < NEGLIGIBLE or one.probability >= LIKELY or best[one.answer.label] is one
    ]


def record_left_out(store: Store, left_out: LeftOut) -> None:
    """Record for the report how many answers a round's model was trained without."""
    store.set(_LEFT_OUT, json.dumps(asdict(left_out)))


def recorded_left_out(store: Store) -> LeftOut | None:
    """Return what the last model with judged answers was trained without; None if there is no such model."""
    found = store.setting(_LEFT_OUT)
    return None if found is None else LeftOut(**json.loads(found))


def questions(judged: Judged, attempts: Mapping[str, int], n: int, *, most: int) -> list[SecondQuery]:
    """Return at most n questions about unsure answers, those that are least likely to be right first.

    Args:
        attempts: the number of the last question about each document that was asked about again, by document id.
        most: the most answers for a document, the first one included; after that only a person can settle it.
    """
    wanted = []
    for judgement in sorted(judged.judgements, key=lambda each: each.probability):
        document, predicted = judgement.answer.query.document, judgement.predicted
        attempt = attempts.get(document.id, 1) + 1
        if not judgement.unsure or predicted is None or attempt > most:
            continue
        by_model = f"a model trained without it predicts {predicted.label} with {predicted.probability:.2f}"
        reason = f"{judgement.answer.label} is right with probability {judgement.probability:.2f}: {by_model}"
        # The model's prediction counts as a vote once, beside the second answer.
        voice = predicted.label if attempt == FIRST_ATTEMPT and not predicted.node else None
        wanted.append(SecondQuery(document, attempt, reason, voice))
    return wanted[:n]


def ask_again(
    engine: Engine, oracle_of: Callable[[int], Oracle], round: int, progress: Callable[[int, int], None]
) -> tuple[int, str | None]:
    """Ask a round's open questions; see `oracles.asking.ask_again`."""
    from laud_ray.oracles import asking  # with the engines of oracles, which reading a run does not need

    return asking.ask_again(engine, rechecks.pending(engine, round), oracle_of, progress)
