"""Enlarge the evaluation sample where the model is least confident, so that intervals narrow most."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import TypeAlias

import numpy as np
import scipy

from laud_ray.evaluation import draw as sample
from laud_ray.evaluation.measure import predicted_sets, predictions
from laud_ray.evaluation.strata import Cut, Population
from laud_ray.label_sets import APPLIES, NOT_ASKED, masks
from laud_ray.store.store import Sampled
from laud_ray.types import Bools, Estimate, Figures, Floats, Task

# The documents of the sample that each stratum should have, so that its variance can be estimated.
DOCUMENTS_A_PART = 20
MOST_SHIFT = 10.0


@dataclass(frozen=True, slots=True)
class Extended:
    """An enlarged evaluation sample with its new strata, and the cuts that define them."""

    sample: list[Sampled]
    cuts: tuple[Cut, ...]


def extend(
    population: Population,
    drawn: Sequence[Sampled],
    answers: Mapping[str, str | None],
    task: Task,
    n: int,
    *,
    round: int,
    seed: Sequence[int],
) -> Extended:
    """Draw n more documents, allotted by the scores of a round's model and by its errors in the answers so far.

    Both phases together are one stratified sample. Each stratum of the first phase is cut further, by scores alone.
    Within such a part the documents of the first phase are a simple random sample, because they were one of the whole
    stratum; the second phase draws at random from the rest of the part, so both together are a simple random sample
    of it (post-stratification with known sizes). New documents are allotted by Neyman's rule, which takes the
    documents of the first phase into account. Cochran (1977), sections 5A.9 and 12.2.

    The population excludes all documents that were annotated for training, and those with the same text. The first
    phase was drawn before them. It still represents the rest of a part if the training documents in the part were
    chosen independently of the true label, given the score; this matters only where they are a large share of a part.

    Args:
        drawn: the sample so far; its documents keep their answers.
        answers: labels by document id, None for an abstention.
        task: in a multilabel task, an error is a predicted set that is not exactly the right one.
        n: documents to add.
        round: the round whose pass gives the scores.
    """
    parts = _parts(population, drawn, n, round)
    cut = sample.cut(population, round, parts)
    finer = replace(population, cuts=(*population.cuts, cut))
    score, hit, use = (_of_sets if task.multilabel else _of_labels)(population, drawn, answers, task.names, round)
    shift = right_on_average(score[use], hit[use], _weights(drawn, use)) if use.any() else 0.0
    enlarged = sample.draw(finer, n, seed=seed, round=round, taken=drawn, shift=shift)
    return Extended(enlarged, finer.cuts)


Hits: TypeAlias = tuple[Floats, Bools, Bools]  # (m,) scores, whether the event happened, and whether both are known


def _of_labels(
    population: Population,
    drawn: Sequence[Sampled],
    answers: Mapping[str, str | None],
    names: Sequence[str],
    round: int,
) -> Hits:
    """Return the scores of the sample's documents, and whether their labels are right, or the positive one."""
    label, confidence = predictions(population.passes(round), drawn, names)
    said = np.array([answers.get(one.document_id) for one in drawn], object)
    predicted = np.array([names[i] for i in label], object)
    hit = said == (predicted if population.positive is None else population.positive)
    positive = (predicted == population.positive) | (population.positive is None)
    use = (label >= 0) & np.array([one is not None for one in said], np.bool_)
    return np.where(positive, confidence, 1 - confidence), hit.astype(np.bool_), use


def _of_sets(
    population: Population,
    drawn: Sequence[Sampled],
    answers: Mapping[str, str | None],
    names: Sequence[str],
    round: int,
) -> Hits:
    """Return the same of a multilabel task: whether a predicted set is right in all labels that were asked about."""
    found = predicted_sets(population.passes(round), drawn, names)
    said = [answers.get(one.document_id) for one in drawn]
    true = masks([one or "[]" for one in said], names)
    right = ((true == NOT_ASKED) | ((true == APPLIES) == found.applies)).all(axis=1)
    return found.confidence, right, found.scored & np.array([one is not None for one in said], np.bool_)


def right_on_average(score: Floats, hit: Bools, weights: Floats) -> float:
    """Return the shift of the log-odds of m scores after which their mean equals the rate of hits.

    The rate is smoothed by half a hit in one more observation. The shift is within [-MOST_SHIFT, MOST_SHIFT].

    Args:
        score: (m,) probabilities.
        hit: (m,) whether the event happened.
        weights: (m,) sampling weights.
    """
    odds = scipy.special.logit(score.clip(1e-9, 1 - 1e-9))
    mean = (np.average(hit, weights=weights) * len(hit) + 0.5) / (len(hit) + 1)

    def excess(shift: float) -> float:
        return float(np.average(scipy.special.expit(odds + shift), weights=weights) - mean)

    if excess(-MOST_SHIFT) > 0 or excess(MOST_SHIFT) < 0:
        return -MOST_SHIFT if excess(-MOST_SHIFT) > 0 else MOST_SHIFT
    return float(scipy.optimize.brentq(excess, -MOST_SHIFT, MOST_SHIFT))


def headline(figures: Figures, task: Task) -> tuple[str, Estimate]:
    """Return the figure whose interval `width` is about, with its name.

    It is accuracy, in a binary task F1 of the positive class, and in a multilabel task micro-F1.
    """
    if figures.multilabel is not None:
        return "micro-F1", figures.multilabel.micro_f1
    estimates = figures.per_class[0].estimates
    if task.kind == "binary" and estimates is not None:
        return f"F1 of {task.names[0]}", estimates.f1
    return "accuracy", figures.accuracy


def needed(estimate: Estimate, width: float, drawn: Sequence[Sampled]) -> int:
    """Return how many answers in all would narrow the interval to a width, at most the size of the population.

    The width is assumed to shrink with the square root of the number of answers. This overestimates a little, because
    further answers are allotted better than the first ones.
    """
    population = sum({one.stratum: one.stratum_size for one in drawn}.values())
    return min(population, ceil(estimate.n * ((estimate.high - estimate.low) / width) ** 2))


def _parts(population: Population, drawn: Sequence[Sampled], n: int, round: int) -> list[int]:
    """Return into how many parts to cut each stratum: 1 to 3, more for strata with more uncertainty."""
    doubt = np.zeros(population.strata)
    for part in population.parts(round):
        doubt += np.bincount(
            part.stratum, part.usable * np.sqrt(part.score * (1 - part.score)), minlength=population.strata
        )
    share = doubt / max(doubt.sum(), 1e-12)
    most = max(1, (len(drawn) + n) // DOCUMENTS_A_PART)
    return [int(np.clip(min(np.rint(4 * one), most * one), 1, 3)) for one in share]


def _weights(drawn: Sequence[Sampled], use: Bools) -> Floats:
    sampled: dict[int, int] = {}
    for one, used in zip(drawn, use, strict=True):
        sampled[one.stratum] = sampled.get(one.stratum, 0) + bool(used)
    return np.array([one.stratum_size / sampled[one.stratum] for one, used in zip(drawn, use, strict=True) if used])


def ids_outside_sample(ids: Collection[str], drawn: Sequence[Sampled]) -> frozenset[str]:
    """Return the ids that are not of the sample."""
    return frozenset(ids) - {one.document_id for one in drawn}
