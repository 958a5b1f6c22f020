"""Enlarge the evaluation sample where the current model is least sure, so that its intervals narrow most."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from laud_ray.evaluation import draw as sample
from laud_ray.evaluation.measure import predictions
from laud_ray.evaluation.strata import Cut, Population
from laud_ray.store.store import Sampled
from laud_ray.types import Bools, Estimate, Figures, Floats, Task

# A part needs documents to vary in; so many make one worth its own stratum.
DOCUMENTS_A_PART = 20
MOST_SHIFT = 10.0


@dataclass(frozen=True, slots=True)
class Extended:
    """An evaluation sample with what was added, under its new strata, and how these were cut."""

    sample: list[Sampled]
    cuts: tuple[Cut, ...]


def extend(
    population: Population,
    drawn: Sequence[Sampled],
    answers: Mapping[str, str | None],
    names: Sequence[str],
    n: int,
    *,
    round: int,
    seed: Sequence[int],
) -> Extended:
    """Draw n documents more, by what the model of a round says and what the answers so far say of it.

    Two phases make one stratified sample. The strata of the first are cut further, by scores alone; within such a
    part the first phase's documents are a simple random sample of it, for they were one of the stratum, and the
    second phase draws from the rest of the part by chance, so both together are one of it: post-stratification, with
    known sizes. The new documents are allotted by Neyman's rule, those that are there counted in. Cochran (1977),
    sections 5A.9 and 12.2.

    The population is what no training may have seen: documents that were asked about to train are left out, with all
    of their text. The first phase was drawn before them; it stands for the rest of a part as long as, within the
    part, they were chosen without regard to the true label, which holds as far as the scores tell what there is to
    know, and matters only where they are many beside the part.

    Args:
        drawn: the sample so far; its documents keep their answers.
        answers: labels by document id, None for an abstention.
        round: the model's, whose pass gives the scores.
    """
    parts = _parts(population, drawn, n, round)
    cut = sample.cut(population, round, parts)
    finer = replace(population, cuts=(*population.cuts, cut))
    label, confidence = predictions(population.passes(round), drawn, names)
    use = np.array([label[i] >= 0 and answers.get(one.document_id) is not None for i, one in enumerate(drawn)])
    shift = 0.0
    if use.any():
        said = np.array([answers.get(one.document_id) for one in drawn], object)
        predicted = np.array([names[i] for i in label], object)
        hit = said == (predicted if population.positive is None else population.positive)
        positive = (predicted == population.positive) | (population.positive is None)
        score = np.where(positive, confidence, 1 - confidence)
        shift = right_on_average(score[use], hit[use].astype(bool), _weights(drawn, use))
    enlarged = sample.draw(finer, n, seed=seed, round=round, taken=drawn, shift=shift)
    return Extended(enlarged, finer.cuts)


def right_on_average(score: Floats, hit: Bools, weights: Floats) -> float:
    """Return what to add to the log-odds of m scores so that they say as many hits as there were, half a one more.

    Args:
        score, hit, weights: (m,) probabilities, whether the event was so, and how much each counts.
    """
    odds = logit(score.clip(1e-9, 1 - 1e-9))
    mean = (np.average(hit, weights=weights) * len(hit) + 0.5) / (len(hit) + 1)

    def excess(shift: float) -> float:
        return float(np.average(expit(odds + shift), weights=weights) - mean)

    if excess(-MOST_SHIFT) > 0 or excess(MOST_SHIFT) < 0:
        return -MOST_SHIFT if excess(-MOST_SHIFT) > 0 else MOST_SHIFT
    return float(brentq(excess, -MOST_SHIFT, MOST_SHIFT))


def headline(figures: Figures, task: Task) -> tuple[str, Estimate]:
    """Return the figure that a width is asked of, with its name: accuracy, or the F1 of a binary task's positive."""
    estimates = figures.per_class[0].estimates
    if task.kind == "binary" and estimates is not None:
        return f"F1 of {task.names[0]}", estimates.f1
    return "accuracy", figures.accuracy


def needed(estimate: Estimate, width: float, drawn: Sequence[Sampled]) -> int:
    """Return how many answers in all would make the interval so wide, if it narrows with the root of their number.

    That is a little more than it takes where the further answers are allotted better than those so far. It is never
    more than the population of the sample.
    """
    population = sum({one.stratum: one.stratum_size for one in drawn}.values())
    return min(population, ceil(estimate.n * ((estimate.high - estimate.low) / width) ** 2))


def _parts(population: Population, drawn: Sequence[Sampled], n: int, round: int) -> list[int]:
    """Say into how many parts to cut each stratum: at most 3, more where more of the doubt is."""
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
