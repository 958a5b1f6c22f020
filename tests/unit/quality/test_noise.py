"""Doubtful annotations are found, several answers become one label, and agreement is what the references say."""

import numpy as np
import pytest

from laud_ray.quality.aggregation import MODEL, PER_CLASS, Opinion, dawid_skene, settle
from laud_ray.quality.noise import Noise, combine_answers, noise
from laud_ray.quality.raters import Confused, compare
from laud_ray.types import Bools, Floats, Indices


def opinion(document: str, label: str | None, who: str, attempt: int = 1) -> Opinion:
    return Opinion(document, attempt, 1, label, who)


# The rate of wrong answers, and which of them are right


def test_what_does_not_fit_is_refused() -> None:
    proba = np.full((2, 2), 0.5)
    with pytest.raises(ValueError, match="got 2 rows of probabilities and 1 labels"):
        noise(proba, np.asarray([0]))
    with pytest.raises(ValueError, match=r"label 2 is outside \[0, 2\)"):
        noise(proba, np.asarray([0, 2]))


def simulated(classes: int, n: int, rate: float, sharpness: float) -> tuple[Floats, Indices, Bools]:
    """A calibrated model's probabilities, blurred, and answers of which a share of `rate` name any other class."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(n, classes)) * sharpness
    proba = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    true = (proba.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    flipped = rng.random(n) < rate
    blurred = np.exp(logits / 2) / np.exp(logits / 2).sum(1, keepdims=True)
    return blurred, np.where(flipped, (true + rng.integers(1, classes, n)) % classes, true), flipped


@pytest.mark.parametrize(("classes", "n", "sharpness"), [(3, 2000, 3.0), (20, 2000, 3.0), (80, 500, 4.0)])
@pytest.mark.parametrize("rate", [0.0, 0.15, 0.3])
def test_the_rate_of_wrong_answers_is_found_through_a_blurred_model(
    classes: int, n: int, sharpness: float, rate: float
) -> None:
    proba, labels, flipped = simulated(classes, n, rate, sharpness)
    found = noise(proba, labels)
    corrected = found.rows(slice(None))
    assert found.rate == pytest.approx(rate, abs=0.04)
    np.testing.assert_allclose(corrected.sum(axis=1), 1)
    sharp = proba**2 / (proba**2).sum(axis=1, keepdims=True)
    assert np.abs(corrected - sharp).mean() < np.abs(proba - sharp).mean() / 2, "what was blurred by 2 is sharp again"
    _, right = combine_answers(found, labels[:, None].tolist())
    assert (1 - right).mean() == pytest.approx(flipped.mean(), abs=0.04), "probabilities mean what they say"


def test_answers_are_tempered_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    proba, labels, _ = simulated(80, 200, 0.3, 4.0)
    whole = noise(proba, labels)
    monkeypatch.setattr("laud_ray.quality.noise._AT_ONCE", 500)
    parts = noise(proba, labels)
    assert parts.rate == whole.rate
    assert parts.temperature == whole.temperature
    chunks = list(parts.chunks())
    assert [start for start, _ in chunks] == list(range(0, 200, 6))
    assert np.array_equal(np.concatenate([rows for _, rows in chunks]), whole.rows(slice(None)))
    answers = labels[:, None].tolist()
    for one, other in zip(combine_answers(parts, answers), combine_answers(whole, answers), strict=True):
        assert np.array_equal(one, other)


def test_bayes_by_hand() -> None:
    """With a tenth of answers wrong, 0.9 * 0.02 against 0.1 / 2 * 0.98 for one answer; two that agree are sure."""
    found = Noise(0.1, np.asarray([[0.02, 0.9, 0.08]] * 4))
    likeliest, right = combine_answers(found, [[0], [0, 0], [0, 1], [0, 2]])
    assert likeliest.tolist() == [0, 0, 1, 2]
    once = 0.9 * 0.02 / (0.9 * 0.02 + 0.05 * 0.98)
    twice = 0.81 * 0.02 / (0.81 * 0.02 + 0.0025 * 0.98)
    first, second, neither = 0.9 * 0.05 * 0.02, 0.9 * 0.05 * 0.9, 0.0025 * 0.08
    other = 0.9 * 0.05 * 0.08 / (0.9 * 0.05 * (0.02 + 0.08) + 0.0025 * 0.9)
    np.testing.assert_allclose(right, [once, twice, second / (first + second + neither), other])


def test_an_oracle_without_a_seen_error_is_not_doubted_and_none_at_all_says_nothing() -> None:
    labels = np.arange(40) % 4
    proba = np.full((40, 4), 0.02)
    proba[np.arange(40), labels] = 0.94
    found = noise(proba, labels)
    assert found.rate == 0
    assert combine_answers(found, labels[:, None].tolist())[1].min() > 0.99
    assert combine_answers(found, [[0, 1]] * 40)[1].max() <= 1, "answers that differ can be weighed all the same"
    assert noise(proba[:0], labels[:0]).rate == 0
    assert noise(np.full((6, 3), 1 / 3), np.arange(6) % 3).rate == 0, "a model that knows nothing accuses nobody"
    certain = np.eye(4)[(labels + (np.arange(40) < 4)) % 4]
    assert noise(certain, labels).rate == pytest.approx(4 / 45, abs=0.005), "probabilities of zero do no harm"


# Aggregation


def test_majority_trust_and_dispute() -> None:
    said = [
        *(opinion("one", "Tea", "a"), opinion("one", "Tea", "b", 2)),
        *(opinion("two", "Tea", "a"), opinion("two", "Milk", "b", 2)),
        *(opinion("three", "Tea", "a"), opinion("three", "Milk", "b", 2), opinion("three", "Milk", "c", 3)),
        *(opinion("four", "Tea", "a"), opinion("four", "Milk", "b", 2), opinion("four", "Soap", "c", 3)),
        *(opinion("five", "Tea", "a"), opinion("five", None, "b", 2)),
        *(opinion("six", None, "a"), opinion("six", None, "b", 2)),
        *(opinion("seven", "Tea", "a"), opinion("seven", "Milk", MODEL, 2), opinion("seven", "Milk", "b", 2)),
        *(opinion("eight", "Tea", "a"), opinion("eight", "Milk", MODEL, 2), opinion("eight", "Soap", "b", 2)),
        *(opinion("nine", None, "a"), opinion("nine", "Milk", MODEL, 2), opinion("nine", None, "b", 2)),
    ]
    found = settle(said, 3)
    assert found.labels == {
        "one": "Tea",
        "two": None,
        "three": "Milk",
        "four": None,
        "five": "Tea",
        "six": None,
        "seven": "Milk",
        "eight": None,
        "nine": None,
    }
    assert found.disputed == ("two", "four", "eight")
    trusted = settle(said, 3, {"b"})
    assert (trusted.labels["two"], trusted.labels["five"], trusted.labels["eight"]) == ("Milk", "Tea", "Soap")
    assert trusted.disputed == ()


def test_dawid_skene_of_a_case_made_by_hand() -> None:
    """Two that are right outvote one who says yes to everything; alone against one of them, a no of hers counts."""
    truth = ["yes", "no"] * 20
    said = []
    for i, label in enumerate(truth):
        said += [opinion(f"d{i}", label, "careful"), opinion(f"d{i}", label, "able"), opinion(f"d{i}", "yes", "lazy")]
    said += [opinion("open", "no", "careful"), opinion("open", "yes", "lazy")]
    found = dawid_skene(said)
    assert [found[f"d{i}"][0] for i in range(40)] == truth
    label, probability = found["open"]
    assert label == "no", "a majority could not decide"
    assert probability > 0.95
    assert dawid_skene([]) == {}


def test_confusions_count_only_where_there_are_enough_answers() -> None:
    def answers(n: int) -> list[Opinion]:
        said = [opinion("open", "no", "careful"), opinion("open", "yes", "lazy", 2)]
        for i in range(n):
            label = "yes" if i % 2 else "no"
            said += [opinion(f"d{i}", label, "careful"), opinion(f"d{i}", "yes", "lazy", 2)]
            said += [opinion(f"d{i}", label, "able", 3)]
        return said

    assert settle(answers(2 * PER_CLASS), 2).labels["open"] == "no"
    assert settle(answers(2 * PER_CLASS - 2), 2).disputed == ("open",)


def test_beyond_a_thousand_classes_the_majority_decides() -> None:
    """Dawid-Skene would estimate k * k confusions of each oracle."""
    said = [opinion(f"d{i}", f"c{i}", who, attempt) for i in range(11_000) for attempt, who in enumerate("ab", 1)]
    said += [opinion("open", "c1", "a"), opinion("open", "c2", "b", 2)]
    found = settle(said, 1001)
    assert found.labels["d7"] == "c7"
    assert found.disputed == ("open",)


# Agreement


def test_agreement_is_that_of_the_references() -> None:
    """Fifty proposals read by two: kappa is (0.7 - 0.5) / (1 - 0.5)."""
    both = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    said = [o for i, (a, b) in enumerate(both) for o in (opinion(f"d{i}", a, "a"), opinion(f"d{i}", b, "b", 2))]
    found = compare(said)
    assert found is not None
    (pair,) = found.pairs
    assert (pair.one, pair.other, pair.n, pair.share) == ("a", "b", 50, 0.7)
    assert pair.kappa == pytest.approx(0.4)
    assert found.confused == (Confused("no", "yes", 15),)
    # Of 100 values 55 are yes and 45 no; 30 of them stand in pairs that differ: 1 - 99 * 30 / (2 * 55 * 45).
    assert found.alpha == pytest.approx(1 - 99 * 30 / (2 * 55 * 45))


def test_alpha_of_krippendorffs_own_example() -> None:
    rows = [
        "*****34121133*3",
        "1*213343*******",
        "**21344*21133*4",
    ]
    labels = [[None if c == "*" else c for c in row] for row in rows]
    said = [opinion(f"u{u}", labels[v][u], f"v{v}", v + 1) for u in range(15) for v in range(3)]
    found = compare(said)
    assert found is not None
    assert found.alpha is not None
    assert found.alpha == pytest.approx(0.691, abs=0.0005)
    assert [pair.n for pair in found.pairs] == [8, 5, 3]


def test_agreement_needs_two_labels_and_does_not_hear_the_model() -> None:
    assert compare([]) is None
    assert compare([opinion("d", "Tea", "a"), opinion("d", None, "b"), opinion("d", "Milk", MODEL)]) is None
    same = compare([opinion("d", "Tea", "a"), opinion("d", "Tea", "b", 2)])
    assert same is not None
    assert (same.alpha, same.pairs[0].kappa, same.confused) == (None, 1.0, ())
