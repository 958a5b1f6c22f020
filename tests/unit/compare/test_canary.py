"""Canaries: they stop what is above its limit, say so in words, and never pass what they cannot tell."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from laud_ray.compare.canary import Expected, Verdict, check_change, decide, expected
from laud_ray.stats import estimate_share

LABELS = st.sampled_from(["Milk", "Yogurt", "Cheese", None])


def canary(labels: list[str | None], previous: list[str | None]) -> pa.Table:
    confidence = pa.array([None if label is None else 0.9 for label in labels], pa.float32())
    columns = {"label": pa.array(labels, pa.string()).dictionary_encode(), "confidence": confidence}
    return pa.table({**columns, "previous_label": pa.array(previous, pa.string()).dictionary_encode()})


def answers(n: int, shares: list[float], sharpness: float, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    labels = rng.choice([f"class {i}" for i in range(len(shares))], n, p=shares)
    confidence = rng.beta(sharpness, 2, n).astype(np.float32)
    return pa.table({"label": pa.array(labels).dictionary_encode(), "confidence": confidence})


SHARES = [0.4, 0.3, 0.2, 0.04, 0.03, 0.03]


def evaluation(n: int = 300) -> Expected | None:
    sample = answers(n, SHARES, 5, 1)
    return expected(sample["label"], sample["confidence"], source="the evaluation sample", weights=None)


@pytest.mark.parametrize(("hits", "n"), [(10, 200), (0, 30), (30, 30), (1, 1), (4999, 100_000)])
def test_a_share_has_the_wilson_interval(hits: int, n: int) -> None:
    share, reference = estimate_share(hits, n), binomtest(hits, n).proportion_ci(method="wilson")
    assert (share.value, share.n) == (hits / n, n)
    assert (share.low, share.high) == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="hits = 3, n = 2; expected"):
        estimate_share(3, 2)


def test_above_the_limit_it_stops_and_says_why() -> None:
    labels: list[str | None] = ["Milk"] * 188 + ["Yogurt"] * 9 + ["Cheese"] * 2 + [None]
    verdict = decide(canary(labels, ["Milk"] * 200), max_change=0.05)
    assert verdict.stop
    assert verdict.reason == (
        "12 of 200 sampled documents changed their label: 6.0 % [3.5, 10.2] (95 % interval), limit 5 %; "
        "mostly Milk → Yogurt (9), Milk → Cheese (2), Milk → no label (1)"
    )
    (check,) = verdict.checks
    assert (check.value, check.limit, check.n) == (0.06, 0.05, 200)
    assert check.interval == pytest.approx((0.0346, 0.1020), abs=1e-3)


def test_at_the_limit_it_goes_on() -> None:
    assert not decide(canary(["Yogurt"] * 5 + ["Milk"] * 95, ["Milk"] * 100), max_change=0.05).stop
    assert not decide(canary(["Milk"] * 10, ["Milk"] * 10), max_change=0).stop


def test_documents_without_a_previous_label_do_not_count() -> None:
    check = check_change(pa.chunked_array([["Milk", "Milk", None]]), pa.chunked_array([["Milk", None, None]]), 0.1)
    assert (check.n, check.value, check.passed) == (1, 0.0, True)


def test_nothing_to_compare_is_not_passed() -> None:
    verdict = decide(canary(["Milk"] * 3, [None] * 3), max_change=1)
    assert verdict.stop
    assert "none of 3 sampled documents has a previous label" in verdict.reason
    assert decide(canary([], []), max_change=1).stop


def test_the_same_kind_of_documents_does_not_drift() -> None:
    verdict = decide(answers(1000, SHARES, 5, 2), max_drift=0.2, expected=evaluation())
    assert not verdict.stop
    assert [check.name for check in verdict.checks] == ["drift of labels", "drift of confidences"]
    assert all(check.value is not None and check.value < 0.05 for check in verdict.checks)
    assert "limit 0.2, n = 1,000 against 300 of the evaluation sample" in verdict.reason


def failed(verdict: Verdict) -> list[str]:
    return [check.name for check in verdict.checks if not check.passed]


def test_other_labels_and_other_confidences_are_told_apart() -> None:
    others = answers(1000, SHARES[::-1], 5, 3)
    assert failed(decide(others, max_drift=0.2, expected=evaluation())) == ["drift of labels"]
    unsure = answers(1000, SHARES, 1.2, 4)
    assert failed(decide(unsure, max_drift=0.2, expected=evaluation())) == ["drift of confidences"]


def test_labels_that_the_sample_does_not_know_are_drift() -> None:
    strange = answers(1000, SHARES, 5, 5)
    strange = strange.set_column(0, "label", pa.array(["Unheard of"] * 1000))
    assert failed(decide(strange, max_drift=0.2, expected=evaluation())) == ["drift of labels"]


def test_a_weighted_sample_counts_by_its_weights() -> None:
    labels, confidence = pa.array(["a"] * 100 + ["b"] * 100), pa.array([0.9] * 200)
    made = expected(labels, confidence, source="x", weights=np.asarray([9.0] * 100 + [1.0] * 100))
    assert made is not None
    assert made.baseline.labels.tolist() == pytest.approx([0.9, 0.1, 0.0])


def test_too_little_is_not_passed() -> None:
    few = decide(answers(150, SHARES, 5, 6), max_drift=0.2, expected=evaluation())
    assert few.stop
    assert "the sample has 150 labelled documents; expected at least 200" in few.reason
    assert evaluation(40) is None
    assert decide(answers(500, SHARES, 5, 6), max_drift=0.2, expected=evaluation(40)).stop
    assert expected(pa.array([None], pa.string()), pa.array([None], pa.float32()), source="x", weights=None) is None


def test_limits_outside_their_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"max_change: 5 is not valid; expected 0 to 1"):
        decide(canary([], []), max_change=5)
    with pytest.raises(ValueError, match=r"max_drift: -1 is not valid; expected at least 0"):
        decide(canary([], []), max_drift=-1)


@settings(deadline=None)
@given(st.lists(st.tuples(LABELS, LABELS), max_size=60), st.floats(0, 1))
def test_the_change_rate_is_that_of_a_plain_count(pairs: list[tuple[str | None, str | None]], limit: float) -> None:
    had = [(old, new) for old, new in pairs if old is not None]
    (check,) = decide(canary([new for _, new in pairs], [old for old, _ in pairs]), max_change=limit).checks
    if not had:
        assert not check.passed
        assert check.value is None
        return
    share = sum(old != new for old, new in had) / len(had)
    assert check.value == pytest.approx(share)
    assert check.passed == (share <= limit)
    assert check.interval is not None
    assert 0 <= check.interval[0] <= share <= check.interval[1] <= 1


@settings(deadline=None)
@given(st.integers(1, 400), st.data())
def test_one_more_change_never_helps(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n - 1))
    less, more = estimate_share(hits, n), estimate_share(hits + 1, n)
    assert less.low < more.low
    assert less.high < more.high
