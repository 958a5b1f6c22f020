"""What the calls of a language model come to: votes, thresholds, refusals and calls that are missing."""

from dataclasses import replace

import pytest

from laud_ray.config import LlmConfig
from laud_ray.report.oracle.calls import StoredCall, is_priced, replies, summed

CALL = StoredCall("d", 0, "done", "Tea", 0.9, 100, 0.01, 2.0)


def llm(**changed: object) -> LlmConfig:
    settings = {"kind": "llm", "engine": "openai", "model": "m", "base_url": "http://localhost:1", "input_price": 1}
    return LlmConfig.model_validate({**settings, **changed})


def test_a_single_answer_below_the_threshold_leans_to_its_label() -> None:
    (found,) = replies([replace(CALL, confidence=0.5)], llm(threshold=0.6), frozenset(), priced=True)
    assert (found.label, found.leaning, found.outcome, found.confidence) == (None, "Tea", "below", 0.5)
    assert (found.dollars, found.seconds, found.attempt) == (0.01, 2.0, 1)


def test_votes_make_one_answer_and_later_votes_another() -> None:
    said = ["Tea", "Tea", "Coffee", "Coffee", "unsure", "Coffee"]
    calls = [replace(CALL, vote=i, label=label) for i, label in enumerate(said)]
    first, second = replies(calls, llm(votes=3), frozenset(), priced=True)
    assert (first.label, first.confidence, first.attempt) == ("Tea", pytest.approx(2 / 3), 1)
    assert (second.label, second.confidence, second.attempt) == ("Coffee", pytest.approx(2 / 3), 2)
    assert (first.dollars, first.seconds) == (pytest.approx(0.03), pytest.approx(6.0))


def test_the_retry_of_an_unreadable_answer_counts_and_is_paid() -> None:
    calls = [replace(CALL, label=None, confidence=None), replace(CALL, dollars=0.02)]
    (found,) = replies(calls, llm(), frozenset(), priced=True)
    assert (found.label, found.dollars) == ("Tea", pytest.approx(0.03))
    (lost,) = replies([calls[0]] * 2, llm(), frozenset(), priced=True)
    assert (lost.label, lost.leaning, lost.outcome) == (None, None, "unread")
    (unsure,) = replies([replace(CALL, label="unsure")], llm(), frozenset(), priced=True)
    assert (unsure.label, unsure.leaning, unsure.outcome) == (None, None, "unsure")


def test_a_document_without_all_its_votes_is_pending_or_was_refused() -> None:
    failed = [replace(CALL, state="failed", label=None, tokens=0, dollars=0.0, seconds=None)]
    assert replies(failed, llm(), frozenset(), priced=True) == []
    (found,) = replies(failed, llm(), frozenset("d"), priced=True)
    assert (found.label, found.outcome, found.dollars, found.seconds) == (None, "refused", 0.0, None)
    part = [CALL, replace(CALL, vote=1)]
    assert replies(part, llm(votes=3), frozenset(), priced=True) == []
    (two,) = replies(part, llm(votes=3), frozenset("d"), priced=True)
    assert (two.label, two.confidence) == ("Tea", pytest.approx(2 / 3)), "the refused vote is one for no label"


def test_dollars_are_unknown_without_prices_and_of_calls_before_there_were_any() -> None:
    free = replace(CALL, dollars=0.0)
    assert not is_priced([free], llm(input_price=0))
    assert not is_priced([CALL, free], llm())
    assert is_priced([CALL, replace(free, state="failed", tokens=0)], llm()), "what was refused costs nothing"
    assert summed([free], priced=False).dollars is None
    (found,) = replies([free], llm(input_price=0), frozenset(), priced=False)
    assert found.dollars is None


def test_calls_are_summed_with_what_may_have_been_billed() -> None:
    failed, lost = replace(CALL, state="failed", dollars=0.3, seconds=None), replace(CALL, state="begun", seconds=None)
    refused = replace(failed, tokens=0, dollars=0.0)
    found = summed([CALL, replace(CALL, label=None, seconds=4.0), failed, refused, lost], priced=True)
    assert (found.total, found.answered, found.unread, found.failed, found.billed, found.lost) == (5, 2, 1, 2, 1, 1)
    assert (found.dollars, found.uncertain) == (pytest.approx(0.33), pytest.approx(0.31))
    assert (found.median, found.slowest_tenth) == (3.0, pytest.approx(3.8))
