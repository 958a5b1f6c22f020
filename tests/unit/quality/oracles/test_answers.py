"""Answers by their outcome."""

from laud_ray.quality.oracles.answers import Reply, count


def test_answers_are_counted_by_their_outcome() -> None:
    found = count(
        [
            Reply("a", "Tea", "Tea", "label", random=True),
            Reply("b", None, "Tea", "below"),
            Reply("c", None, None, "unsure", random=True),
            Reply("d", None, None, "unsure", attempt=2),
        ]
    )
    assert (found.answers, found.labels, found.random, found.again) == (4, 1, 2, 1)
    assert list(found.abstained.items()) == [("unsure", 2), ("below", 1)]
