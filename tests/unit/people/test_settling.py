"""When votes settle a question, and on what."""

from collections.abc import Sequence

import pytest

from laud_ray.config import PeopleConfig
from laud_ray.people.settling import Ballot, Decision, decide

ALONE = PeopleConfig(kind="people")
TEAM = PeopleConfig(kind="people", team=5)


def ballots(*labels: str | None) -> list[Ballot]:
    return [Ballot(f"p{i}", label) for i, label in enumerate(labels)]


def decided(rules: PeopleConfig, votes: Sequence[Ballot], *, top: str | None = "tea", twice: bool = False) -> Decision:
    return decide(votes, rules, top=top, twice=twice, classes=10)


@pytest.mark.parametrize(
    ("rules", "labels", "expected"),
    [
        (ALONE, (), Decision("open", 1)),
        (ALONE, ("milk",), Decision("settled", 1, "milk", "vote")),
        (ALONE, (None,), Decision("settled", 1, None, "vote")),
        (TEAM, ("tea",), Decision("settled", 1, "tea", "vote")),
        # The first differs from the model, or is no label: a second person is asked.
        (TEAM, ("milk",), Decision("open", 2)),
        (TEAM, (None,), Decision("open", 2)),
        (TEAM, ("milk", "milk"), Decision("settled", 2, "milk", "agreement")),
        (TEAM, (None, None), Decision("settled", 2, None, "agreement")),
        # Two differ: a third is asked, then an adjudicator.
        (TEAM, ("milk", "tea"), Decision("open", 3)),
        (TEAM, ("milk", "tea", "tea"), Decision("settled", 2, "tea", "majority")),
        (TEAM, ("milk", "tea", "soup"), Decision("adjudicate", 2)),
    ],
)
def test_votes_settle_a_question(rules: PeopleConfig, labels: tuple[str | None, ...], expected: Decision) -> None:
    assert decided(rules, ballots(*labels)) == expected


def test_a_question_of_the_random_share_takes_two_votes() -> None:
    assert decided(TEAM, ballots("tea"), twice=True) == Decision("open", 2)


def test_without_doubt_one_vote_is_enough() -> None:
    rules = TEAM.model_copy(update={"doubt": False})
    assert decided(rules, ballots("milk")) == Decision("settled", 1, "milk", "vote")


def test_a_team_of_two_has_nobody_for_a_third_vote() -> None:
    assert decided(TEAM.model_copy(update={"team": 2}), ballots("milk", "tea")).state == "adjudicate"


def test_an_adjudicator_has_the_last_word() -> None:
    votes = [*ballots("milk", "tea", "soup"), Ballot("boss", "bread", "adjudicator")]
    assert decided(TEAM, votes) == Decision("settled", 4, "bread", "adjudicator")


def test_known_accuracies_decide_between_two() -> None:
    """Reference: 0.98 * 0.3/9 against 0.7 * 0.02/9, and 8 labels that nobody gave with 0.02/9 * 0.3/9 each."""
    known = {"p0": 0.98, "p1": 0.7}
    found = decide(ballots("milk", "tea"), TEAM, top="tea", twice=False, classes=10, accuracy=known)
    assert found == Decision("settled", 2, "milk", "posterior")
    equal = {"p0": 0.9, "p1": 0.9}
    assert decide(ballots("milk", "tea"), TEAM, top="tea", twice=False, classes=10, accuracy=equal).state == "open"
    only_one = {"p0": 0.98}
    assert decide(ballots("milk", "tea"), TEAM, top="tea", twice=False, classes=10, accuracy=only_one).state == "open"
