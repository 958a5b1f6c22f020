"""When votes settle a question, and on what. Pure: the same votes always settle alike."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from laud_ray.config import PeopleConfig

Role: TypeAlias = Literal["annotator", "adjudicator"]
SettledBy: TypeAlias = Literal["vote", "agreement", "majority", "posterior", "adjudicator"]
# The probability above which the answers of people whose accuracy is known decide a question on which they differ.
SURE = 0.8
# More votes than these are not asked for: an adjudicator decides.
MOST_VOTES = 3


@dataclass(frozen=True, slots=True)
class Ballot:
    """The vote of a person that counts. label is None for "unsure" and for "none fits"."""

    person: str
    label: str | None
    role: Role = "annotator"


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a question stands: its state, how many votes it takes, and its label once it is settled."""

    state: Literal["open", "adjudicate", "settled"]
    needed: int
    label: str | None = None
    by: SettledBy | None = None


def decide(
    ballots: Sequence[Ballot],
    rules: PeopleConfig,
    *,
    top: str | None,
    twice: bool,
    classes: int,
    accuracy: Mapping[str, float] | Callable[[], Mapping[str, float]] | None = None,
    elsewhere: int = 0,
) -> Decision:
    """Decide where a question stands.

    An adjudicator's vote settles it. Otherwise it takes `rules.per_document` votes; two, if it is of the random share
    that is asked twice, or if the first answer is no label or not the model's. Where the votes differ, the label that
    most gave settles it; then the likeliest label by the accuracies of those who voted (one-coin Dawid-Skene, Dawid
    and Skene 1979); and else a third person is asked, and after that an adjudicator.

    Args:
        ballots: in the order in which they came, one for each person.
        top: the label that the model found likeliest, before it learned any answer to this question.
        classes: k, how many labels there are.
        accuracy: by person, in [0, 1]; who is missing is not known well enough. A function is called only where the
            votes differ.
        elsewhere: people of the team who answered another question about the document, so that they are not asked.
    """
    doubted = bool(ballots) and top is not None and ballots[0].label != top

    def differing() -> tuple[str, SettledBy] | None:
        (first, most), (_, next_most) = Counter(one.label for one in ballots).most_common(2)
        if most > next_most and first is not None:
            return first, "majority"
        known = accuracy() if callable(accuracy) else accuracy or {}
        likeliest = _likeliest(ballots, known, classes)
        return (likeliest[0], "posterior") if likeliest is not None and likeliest[1] >= SURE else None

    return by_votes(ballots, rules, differing, doubted=doubted, twice=twice, elsewhere=elsewhere)


def by_votes(
    ballots: Sequence[Ballot],
    rules: PeopleConfig,
    differing: Callable[[], tuple[str, SettledBy] | None],
    *,
    doubted: bool,
    twice: bool,
    elsewhere: int,
) -> Decision:
    """Decide where a question stands, whatever its answers are; see `decide`.

    Args:
        differing: called where the votes differ, for the answer on which they settle the question, and how; it returns
            None if they do not settle it.
        doubted: whether the first answer is not the model's.
    """
    final = [one for one in ballots if one.role == "adjudicator"]
    if final:
        return Decision("settled", len(ballots), final[-1].label, "adjudicator")
    voters = max(rules.team - elsewhere, 0)
    if not voters and not ballots:
        return Decision("adjudicate", 1)
    needed = min(_needed(ballots, rules, doubted=doubted, twice=twice), max(voters, 1))
    if len(ballots) < needed:
        return Decision("open", needed)
    if len({one.label for one in ballots}) == 1:
        return Decision("settled", needed, ballots[0].label, "vote" if len(ballots) == 1 else "agreement")
    if (found := differing()) is not None:
        return Decision("settled", needed, *found)
    if len(ballots) < min(MOST_VOTES, voters):
        return Decision("open", len(ballots) + 1)
    return Decision("adjudicate", needed)


def _needed(ballots: Sequence[Ballot], rules: PeopleConfig, *, doubted: bool, twice: bool) -> int:
    """How many votes a question takes before the votes are compared."""
    if rules.team == 1:
        return 1
    no_label = bool(ballots) and ballots[0].label is None
    return max(rules.per_document, 2 if twice or (doubted and rules.doubt) or no_label else 1)


def _likeliest(ballots: Sequence[Ballot], accuracy: Mapping[str, float], classes: int) -> tuple[str, float] | None:
    """The likeliest label and its probability, if the accuracy of all who gave a label is known."""
    spoke = [(one.person, one.label) for one in ballots if one.label is not None]
    if len(spoke) < 2 or any(person not in accuracy for person, _ in spoke):
        return None
    likelihood: dict[str, float] = {}
    for label in dict.fromkeys(label for _, label in spoke):
        product = 1.0
        for person, said in spoke:
            right = min(max(accuracy[person], 1e-3), 1 - 1e-3)
            product *= right if said == label else (1 - right) / max(classes - 1, 1)
        likelihood[label] = product
    # A label that nobody gave is possible too: everybody erred.
    nobody = 1.0
    for person, _ in spoke:
        nobody *= (1 - min(max(accuracy[person], 1e-3), 1 - 1e-3)) / max(classes - 1, 1)
    total = sum(likelihood.values()) + max(classes - len(likelihood), 0) * nobody
    best = max(likelihood, key=lambda label: likelihood[label])
    return best, likelihood[best] / total
