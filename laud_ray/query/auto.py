"""Choose how to ask, round by round, from what the run has measured. Pure Python. k classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# Where the model errs on more than this share of the corpus, typical documents teach most (docs/LOG.md).
MANY_ERRORS = 0.3
FEW_ERRORS = 0.2
# Below this a model's confidence tells its errors from its hits hardly better than a coin, which has 0.5.
BLIND = 0.55


@dataclass(frozen=True, slots=True)
class Batch:
    """One round's queries, answered: of `asked` documents `surprises` got another label than the model had given."""

    asked: int
    surprises: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known before a round asks.

    Attributes:
        counts: (k,) annotations of each class.
        errors: estimated share of the corpus, in [0, 1], that the last model labels wrongly.
        knows: chance that the last model is surer of a document that it labels rightly than of one that it labels
            wrongly, on the evaluation sample; None if all or none are right there.
        batches: the queries of each round so far, the seed's not, the last one last.
    """

    counts: Sequence[int]
    errors: float
    knows: float | None
    batches: Sequence[Batch] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """How to ask: the share of each strategy by its name, how a batch is spread, and why, in a sentence."""

    mix: Mapping[str, float]
    why: str
    diversity: str | None = field(default=None)


def choose(evidence: Evidence) -> Choice:
    """Ask about the typical while the model errs on much; then about what it is unsure of, spread over what differs.

    With few labels a model is wrong about whole regions and sure of it, and a typical document of a region teaches
    more than one at its border; later the errors are at the borders (Hacohen, Dekel and Weinshall 2022, "Active
    Learning on a Budget"). When to change is not a count of labels, but what the evaluation sample shows.
    """
    seen = f"{sum(count > 0 for count in evidence.counts)} of {len(evidence.counts)} classes have an annotation"
    errs = f"the model errs on about {evidence.errors:.0%} of documents"
    if evidence.knows is not None and evidence.knows < BLIND:
        return Choice(
            {"typiclust": 1.0},
            f"{errs}, and is as sure of its errors as of the rest ({evidence.knows:.2f}, where a coin has 0.50): all "
            f"questions go to typical documents of what is not covered; {seen}",
        )
    last = evidence.batches[-1] if evidence.batches else None
    if last and last.asked and last.surprises < evidence.errors * last.asked:
        return Choice(
            {"margin": 0.5, "random": 0.5},
            f"only {last.surprises} of the last {last.asked} answers were other than the model's label, fewer than "
            f"among random documents ({evidence.errors:.0%}): half of the questions are drawn at random",
            "kmeans",
        )
    if evidence.errors > MANY_ERRORS:
        return Choice(
            {"typiclust": 1.0},
            f"{errs}, more than {MANY_ERRORS:.0%}: questions go to typical documents of what is not covered; {seen}",
        )
    if evidence.errors > FEW_ERRORS:
        return Choice(
            {"typiclust": 0.5, "margin": 0.5},
            f"{errs}, between {FEW_ERRORS:.0%} and {MANY_ERRORS:.0%}: half of the questions go to typical documents of "
            "what is not covered, half to what the model is unsure of",
            "kmeans",
        )
    return Choice(
        {"margin": 1.0},
        f"{errs}, at most {FEW_ERRORS:.0%}: all questions go to what it is unsure of, spread over what differs",
        "kmeans",
    )
