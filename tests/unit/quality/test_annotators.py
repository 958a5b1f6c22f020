"""What is known of each person who answers."""

import pytest

from laud_ray.quality.annotators import PersonVote, annotators
from laud_ray.quality.raters import Confused


def test_a_person_is_described_by_what_can_be_compared() -> None:
    votes = [PersonVote(f"q{i}", "ann", "tea", 4.0, settled="tea") for i in range(10)]
    votes += [PersonVote(f"g{i}", "ann", "milk" if i < 2 else "tea", 2.0, gold="tea", compared=True) for i in range(8)]
    votes += [PersonVote("q99", "ann", None, 6.0, settled="soup")]
    (found,) = annotators(votes, classes=10, hourly=36.0)
    assert (found.name, found.answers, found.unsure) == ("ann", 19, 1)
    assert (found.gold, found.gold_right) == (8, 6)
    assert found.accuracy is not None
    assert found.accuracy.n == 8
    assert found.accuracy.low < 0.75 < found.accuracy.high
    assert found.seconds == 4.0
    assert found.dollars == pytest.approx((40 + 16 + 6) * 0.01)
    assert found.confused == (Confused("milk", "tea", 2),)
    assert not found.hurried


def test_what_was_asked_twice_out_of_doubt_says_nothing_of_a_person() -> None:
    doubted = [PersonVote(f"q{i}", who, label, 3.0) for i in range(30) for who, label in (("a", "tea"), ("b", "milk"))]
    assert {one.accuracy for one in annotators(doubted, classes=10)} == {None}
    drawn = [PersonVote(f"q{i}", who, "tea", 3.0, compared=True) for i in range(30) for who in "ab"]
    assert all(one.accuracy is not None and one.accuracy.value > 0.9 for one in annotators(drawn, classes=10))


@pytest.mark.parametrize(("times", "hurried"), [([0.4] * 5, True), ([0.4, 0.4, 3.0, 0.4, 0.4, 0.4], False)])
def test_a_row_of_answers_under_a_second_is_noticed(times: list[float], hurried: bool) -> None:
    (found,) = annotators([PersonVote(f"q{i}", "ann", "tea", s) for i, s in enumerate(times)], classes=3)
    assert found.hurried is hurried


def test_what_an_adjudicator_decided_counts_for_a_person_s_accuracy() -> None:
    """Of 20 questions two people agree on 15; the adjudicator says of the others that ann is right on one of five."""
    votes = [PersonVote(f"q{i}", who, "tea", 3.0, compared=True) for i in range(15) for who in ("ann", "bob")]
    for i in range(15, 20):
        right = "milk" if i == 15 else "soup"
        votes += [
            PersonVote(f"q{i}", "ann", "milk", 3.0, compared=True, established=right),
            PersonVote(f"q{i}", "bob", "tea", 3.0, compared=True, established=right),
        ]
    ann, bob = annotators(votes, classes=10)
    assert ann.accuracy is not None
    assert bob.accuracy is not None
    assert (ann.accuracy.n, bob.accuracy.n) == (20, 20)
    # 16 and 15 of 20, with nine right answers of ten credited beforehand.
    assert ann.accuracy.value == pytest.approx(25 / 30, abs=0.01)
    assert bob.accuracy.value == pytest.approx(24 / 30, abs=0.01)
