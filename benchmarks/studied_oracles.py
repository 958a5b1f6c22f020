"""Oracles of known quality for studies: a language model's kept or simulated answers, simulated people, a cascade.

n documents, k classes. Answers are (n,) classes, ABSTAINED for none, and every document always gets the same answer.
"""

from dataclasses import dataclass

import numpy as np
from learners_under_study import StudiedLearner
from people import Team
from simulation import ABSTAINED

from laud_ray.types import Bools, Floats, Indices

CONFUSED_WITH = np.asarray([0.6, 0.3, 0.1])  # shares of a simulated model's errors: the nearest class, the next two


@dataclass(frozen=True, slots=True)
class TokenPrices:
    """Dollars for a million tokens, as price lists have them."""

    new: float
    cached: float
    output: float

    def answer(self, new: float, cached: float, output: float) -> float:
        """The dollars of one answer with these numbers of tokens."""
        return (new * self.new + cached * self.cached + output * self.output) / 1e6


@dataclass(frozen=True, slots=True, eq=False)
class Llm:
    """The answers of a language model about n documents.

    Attributes:
        said: (n,) classes; ABSTAINED where there is no label.
        confidence: (n,) in [0, 1].
        dollars: the cost of an answer, abstentions included.
        real: whether a model gave the answers, or a simulation.
    """

    name: str
    said: Indices
    confidence: Floats
    dollars: float
    real: bool

    def above(self, threshold: float) -> Indices:
        """The answers of an oracle with this threshold: less confident ones are abstentions."""
        return np.where(self.confidence >= threshold, self.said, ABSTAINED)


@dataclass(frozen=True, slots=True)
class Design:
    """Who answers: a language model, people, or people where the language model abstains.

    Attributes:
        llm: the name of the language model; None if people alone answer.
        threshold: of the language model.
        people: the share of right answers of people; None if no people are asked.
    """

    llm: str | None = None
    threshold: float = 0.0
    people: float | None = None

    @property
    def name(self) -> str:
        people = "" if self.people is None else f"people {self.people:.0%}"
        if self.llm is None:
            return people
        alone = f"{self.llm} at {self.threshold:g}"
        return f"{alone}, then {people}" if people else alone


def answers_of(design: Design, llm: Llm | None, people: Indices | None) -> tuple[Indices, Bools]:
    """Return the (n,) answers of a design, and whether people were asked.

    Args:
        llm: the language model of the design, if it has one.
        people: (n,) the answers that people would give; None if the design asks none.
    """
    if llm is None:
        assert people is not None, "somebody must answer"
        return people, np.ones(len(people), np.bool_)
    said = llm.above(design.threshold)
    if people is None:
        return said, np.zeros(len(said), np.bool_)
    asked = said == ABSTAINED
    return np.where(asked, people, said), asked


def people_answers(gold: Indices, right: float, prior: Floats, seed: int) -> Indices:
    """Return the answers of people who are right with a probability; see `people.Team` for their errors.

    Args:
        prior: (k, d) unit vectors of the classes' names.
    """
    team = Team(np.random.default_rng([seed, 7]), nearest_classes(prior)[:, 0].tolist(), len(prior))
    return np.asarray([team.answer(right, int(one)) for one in gold], np.int64)


def nearest_classes(prior: Floats) -> Indices:
    """Map (k, d) unit vectors of classes to the (k, k - 1) other classes, the most similar first."""
    similarity = prior @ prior.T
    np.fill_diagonal(similarity, -np.inf)
    order: Indices = np.argsort(-similarity, axis=1, kind="stable")[:, :-1]
    return order


def simulate(
    name: str, right: float, gold: Indices, difficulty: Floats, prior: Floats, dollars: float, seed: int = 0
) -> Llm:
    """Simulate a language model with class-dependent errors and a calibrated confidence.

    The logit of the probability that a document's answer is right is a constant, plus a standard normal number for its
    class, plus half a normal number for the document, less its difficulty. The answer is right with that probability,
    which is also its confidence. An error names one of the three most similar classes, by CONFUSED_WITH.

    Args:
        right: the mean of the probabilities.
        difficulty: (n,) standardised.
    """
    rng = np.random.default_rng([seed, 8])
    logit = rng.normal(size=len(prior))[gold] + rng.normal(scale=0.5, size=len(gold)) - difficulty
    low, high = -20.0, 20.0
    for _ in range(60):  # bisection: the mean grows with the constant
        middle = (low + high) / 2
        low, high = (middle, high) if _sigmoid(middle + logit).mean() < right else (low, middle)
    confidence = _sigmoid(low + logit)
    wrong = rng.choice(len(CONFUSED_WITH), size=len(gold), p=CONFUSED_WITH)
    errors = nearest_classes(prior)[gold, wrong]
    said = np.where(rng.random(len(gold)) < confidence, gold, errors)
    return Llm(name, said, confidence, dollars, real=False)


def difficulty(learner: StudiedLearner, gold: Indices, seed: int = 0) -> Floats:
    """Map n documents to how hard they are for a model that learned the others, standardised.

    Models that learn from similar texts find the same documents hard, so the errors of a language model are not
    independent of the learner's.
    """
    proba = learner.held_out(np.arange(len(gold)), gold, seed=seed)[np.arange(len(gold)), gold]
    logit = np.log(np.clip(proba, 1e-3, 1 - 1e-3) / np.clip(1 - proba, 1e-3, 1 - 1e-3))
    found: Floats = (logit.mean() - logit) / logit.std()
    return found


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))
