"""Choose how a model answers, from what it says about a few texts: with codes, keywords or the words of the labels.

A large instruct model binds letters to the labels that a prompt lists. A small one chooses a letter by its place
(Robinson et al. 2023, "Leveraging Large Language Models for Multiple Choice Question Answering", arXiv 2210.12353), but
it may know what a text is about. So the better answers are found by measurement: with annotated examples if there are
enough, else with the encoder's zero-shot labels. Two classifiers whose errors are independent agree more often, the
more accurate they are (Platanios et al. 2014, "Estimating Accuracy from Unlabeled Data"). Codes have the least label
bias, and words need several prompts for a document, so keywords are chosen only if they are clearly better than codes,
and words only if they are clearly better than both. n texts, k classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from laud_ray.models.encoder.neighbours import Neighbours
from laud_ray.models.language.label_prompt import Answers
from laud_ray.models.language.scorer import PromptedScorer, measured
from laud_ray.types import Example

# The number of annotated examples from which they decide, and the most of them that are scored.
ENOUGH, MOST = 32, 128
# Codes whose labels hardly depend on their order, and which the model does name, are kept without a comparison.
SOUND_MASS, SOUND_FLIPS = 0.5, 0.1

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Choice:
    """The answers of a model, and why.

    Attributes:
        answers: `codes`, `keywords` or `words`.
        health: figures of the chosen answers as `measured` reports them, and of the comparison: `chosen` (the index of
            the answers among these three), `compared` (n), `codes_right`, `keywords_right` and `words_right` (the
            shares of the texts that got the annotated label, or the encoder's; those that are possible), and
            `by_annotations` (1 if it is the annotated one, else 0).
        prior: (k,) label bias of the chosen answers; None if scores are not divided by it.
    """

    answers: Answers
    health: dict[str, float]
    prior: tuple[float, ...] | None


def choose(
    scorers: Mapping[Answers, PromptedScorer],
    probe: Sequence[str],
    examples: Sequence[Example],
    calibrate: Mapping[Answers, bool],
) -> Choice:
    """Choose between the scorers of codes, keywords and words.

    Args:
        scorers: those that are possible, the preferred one first, on one engine.
        probe: a random sample of the corpus.
        examples: annotated examples that no prompt shows to itself.
        calibrate: whether the scores of each are divided by its label bias on the probe.
    """
    found = {name: measured(scorer, probe, calibrate[name]) for name, scorer in scorers.items()}
    first, *_ = scorers.values()
    labels = first.labels
    known = set(labels)
    # In a taxonomy, an annotation may be an inner node, which is no class.
    examples = [example for example in examples if example.label in known]
    decisive = examples[:MOST] if len(examples) >= ENOUGH else ()
    if decisive:
        classes = {name: c for c, name in enumerate(labels)}
        reference = np.asarray([classes[example.label] for example in decisive])
        proba = {name: scorer.score([e.text for e in decisive]) for name, (scorer, _) in found.items()}
    else:
        reference = Neighbours(labels=first.prompt.labels).label_probabilities(probe).argmax(1)
        proba = {name: of_probe for name, (_, of_probe) in found.items()}
    right = {name: one.argmax(1) == reference for name, one in proba.items()}
    answers, *others = scorers
    for other in others:
        sound = answers == "codes" and not decisive and is_sound(found[answers][0].health)
        if not sound and is_better(right[other], right[answers]):
            answers = other
    scorer = found[answers][0]
    compared = {
        "chosen": float(get_args(Answers).index(answers)),
        "compared": float(len(reference)),
        "by_annotations": float(bool(decisive)),
        **{f"{name}_right": float(one.mean()) for name, one in right.items()},
    }
    prior = None if scorer.prior is None else tuple(map(float, scorer.prior))
    return Choice(answers, scorer.health | compared, prior)


def is_sound(health: Mapping[str, float]) -> bool:
    """Whether a model names codes when it is asked for them, and hardly by their order."""
    return health.get("label_mass", 0.0) >= SOUND_MASS and health.get("order_flips", 1.0) <= SOUND_FLIPS


def is_better(one: Bools, other: Bools) -> bool:
    """Whether one is right more often than the other on the same n texts, by more than one standard error (McNemar).

    Example:
        >>> is_better(np.array([True] * 9), np.array([False] * 9)), is_better(np.array([True]), np.array([False]))
        (True, False)
    """
    gained, lost = int((one & ~other).sum()), int((other & ~one).sum())
    return gained - lost > sqrt(gained + lost)
