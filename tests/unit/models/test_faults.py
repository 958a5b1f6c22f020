"""An error row is a text's fault, proven; whatever else fails is the engine's, which is then left alone."""

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.errors import EngineError
from laud_ray.models import faults
from laud_ray.models.faults import Scoring, engine_errors, is_of_engine, is_out_of_memory
from laud_ray.models.student.cascade import CascadeScorer
from laud_ray.passes.scoring import score_texts
from laud_ray.types import Floats

LABELS = ("Tea", "Coffee", "Juice")
MOST_CALLS = 20  # to an engine that is dead


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "CHUNK", 8)


def proba(texts: Sequence[str]) -> Floats:
    """Probabilities that depend on a text alone."""
    numbers = np.asarray([[sum(map(ord, t)) * p % 97 + 1 for p in (3, 7, 31)] for t in texts], np.float32)
    return numbers / numbers.sum(1, keepdims=True)


class Engine:
    """Fails on texts with `bad` in them, and in the calls, numbered from 0, that `fails` names."""

    labels = LABELS

    def __init__(self, fails: Callable[[int], bool] = lambda call: False, error: Exception | None = None) -> None:
        self.fails, self.error, self.calls = fails, error or RuntimeError("something went wrong"), 0

    def score(self, texts: Sequence[str]) -> Floats:
        self.calls += 1
        if self.fails(self.calls - 1):
            raise self.error
        for text in texts:
            if "bad" in text:
                raise ValueError("cannot read this")
        return proba(texts)


def texts_with(bad: Sequence[int], n: int = 30) -> list[str]:
    return [f"bad {i}" if i in bad else f"name {i}" for i in range(n)]


def check(texts: Sequence[str], found: tuple[Floats, dict[int, str]]) -> None:
    """That the bad texts failed, no others, and that the others were scored."""
    bad = {i for i, text in enumerate(texts) if "bad" in text}
    assert found[1] == dict.fromkeys(bad, "ValueError: cannot read this")
    good = [i for i in range(len(texts)) if i not in bad]
    assert np.array_equal(found[0][good], proba([texts[i] for i in good]) if good else found[0][good])
    assert not found[0][sorted(bad)].any()


@pytest.mark.parametrize(
    "bad", [[0], [29], [7, 8], [3, 4], range(8), range(24, 30), range(30), range(0, 30, 2), []], ids=str
)
def test_the_bad_texts_and_no_others_are_errors(bad: Sequence[int]) -> None:
    texts, engine = texts_with(bad), Engine()
    check(texts, score_texts(engine, texts))
    assert engine.calls < 60 + 6 * len(bad)


def test_a_chunk_of_many_classes_is_small() -> None:
    assert [faults.chunk(k, 4096) for k in (2, 1000, 30_000, 1 << 26)] == [4096, 4096, 279, 1]


def test_a_chunk_never_holds_more_than_its_share() -> None:
    sizes = []

    class Measured(Engine):
        def score(self, texts: Sequence[str]) -> Floats:
            sizes.append(len(texts))
            return super().score(texts)

    check(texts_with([]), score_texts(Measured(), texts_with([])))
    assert sizes == [8, 8, 8, 6]


def test_a_single_text_that_is_bad() -> None:
    check(["bad"], score_texts(Engine(), ["bad"]))


@pytest.mark.parametrize("error", [RuntimeError("gone"), ValueError("poisoned"), KeyError("x"), BrokenPipeError()])
@pytest.mark.parametrize("death", range(12))
def test_a_dead_engine_makes_no_error_rows_and_is_left_alone(error: Exception, death: int) -> None:
    engine = Engine(lambda call: call >= death, error)
    with pytest.raises(EngineError, match=type(error).__name__):
        score_texts(engine, texts_with([5, 20], n=500))
    assert engine.calls - death <= MOST_CALLS


def periodic(every: int, works: bool) -> Callable[[int], bool]:
    return lambda call: (call % every == 0) != works


@pytest.mark.parametrize("first", range(5))
@pytest.mark.parametrize("works", [False, True], ids=["one fails", "one works"])
@pytest.mark.parametrize("every", [2, 3, 4, 5])
def test_an_engine_that_fails_now_and_then_makes_no_error_rows(every: int, works: bool, first: int) -> None:
    fails = periodic(every, works)
    for texts in (texts_with([], n=200), texts_with([11], n=200), texts_with([], n=3)):
        try:
            found = score_texts(Engine(lambda call: fails(call + first)), texts)
        except EngineError:
            continue
        check(texts, found)


@given(st.sets(st.integers(0, 39)), st.integers(0, 120), st.integers(1, 30))
@settings(max_examples=150, deadline=None)
def test_an_engine_that_fails_for_a_while_makes_no_error_rows(bad: set[int], start: int, length: int) -> None:
    texts = texts_with(sorted(bad), n=40)
    try:
        found = score_texts(Engine(lambda call: start <= call < start + length), texts)
    except EngineError:
        return
    check(texts, found)


def test_one_failure_is_got_over() -> None:
    for call in range(10):
        engine = Engine(lambda one, call=call: one == call)
        check(texts_with([9]), score_texts(engine, texts_with([9])))


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory. Tried 2 GiB"), MemoryError()])
def test_where_memory_runs_out_smaller_batches_do(error: Exception) -> None:
    class Small(Engine):
        def score(self, texts: Sequence[str]) -> Floats:
            if len(texts) > 3:
                raise error
            return super().score(texts)

    check(texts_with([9]), score_texts(Small(), texts_with([9])))
    with pytest.raises(EngineError, match=type(error).__name__):
        score_texts(Engine(lambda call: call > 2, error), texts_with([]))


def test_batches_that_are_too_large_are_no_failure_of_the_engine() -> None:
    class Small(Engine):
        def score(self, texts: Sequence[str]) -> Floats:
            if len(texts) > 2:
                raise ValueError(f"a batch of {len(texts)}; expected at most 2")
            return super().score(texts)

    engine = Small()
    check(texts_with([9], n=100), score_texts(engine, texts_with([9], n=100)))
    assert engine.calls < 90


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows[:-1], r"shape \(0, 3\); expected \(1, 3\)"),
        (lambda rows: rows[:, :-1], r"shape \(1, 2\); expected \(1, 3\)"),
        (lambda rows: rows * np.nan, "not finite"),
        (lambda rows: rows * 0, "do not sum to 1"),
        (lambda rows: rows - 1, "do not sum to 1"),
    ],
    ids=["fewer rows", "fewer columns", "NaN", "zero", "negative"],
)
def test_what_is_no_probabilities_is_a_failure(change: Callable[[Floats], Floats], said: str) -> None:
    class Odd(Engine):
        def score(self, texts: Sequence[str]) -> Floats:
            return change(super().score(texts))

    engine = Odd()
    with pytest.raises(EngineError, match=said):
        score_texts(engine, texts_with([]))
    assert engine.calls <= MOST_CALLS


class Independent(Engine):
    """Its labels are independent of each other, so that rows do not sum to 1."""

    thresholds = np.full(3, 0.5)

    def __init__(self, above: float = 0.0) -> None:
        super().__init__()
        self.above = above

    def score(self, texts: Sequence[str]) -> Floats:
        return np.minimum(2 * super().score(texts), 1) + np.float32(self.above)


def test_probabilities_of_independent_labels_need_not_sum_to_1() -> None:
    texts = texts_with([3])
    found = score_texts(Independent(), texts)
    assert list(found[1]) == [3]
    assert found[0][0] == pytest.approx(np.minimum(2 * proba(texts)[0], 1))
    with pytest.raises(EngineError, match="the probabilities of a text are not between 0 and 1"):
        score_texts(Independent(above=0.5), texts)


def test_a_text_whose_probabilities_are_not_finite_is_an_error() -> None:
    class Odd(Engine):
        def score(self, texts: Sequence[str]) -> Floats:
            rows = super().score(texts)
            rows[[text == "name 9" for text in texts]] = np.nan
            return rows

    found = score_texts(Odd(), texts_with([]))
    assert found[1] == {9: "FloatingPointError: the probabilities are not finite"}


def test_a_text_that_was_scored_before_shows_whether_the_engine_still_can() -> None:
    """An engine that still scores the labels' names only has ended too."""

    class Dying(Engine):
        def score(self, texts: Sequence[str]) -> Floats:
            if self.calls >= 4 and any(text not in LABELS for text in texts):
                self.calls += 1
                raise RuntimeError("no room for a text of this length")
            return super().score(texts)

    engine = Dying()
    check(texts_with([]), score_texts(engine, texts_with([])))  # four calls
    with pytest.raises(EngineError, match="no room"):
        score_texts(engine, texts_with([]))


def test_a_cascade_is_tried_with_its_teacher() -> None:
    """The student is sure of the text that was scored before, and would hide that its teacher is dead."""

    class Sure(Engine):
        def score(self, texts: Sequence[str]) -> Floats:
            return np.tile(np.float32([0.9, 0.05, 0.05]), (len(texts), 1)) - [
                [0.5 * ("hard" in t), -0.25 * ("hard" in t), -0.25 * ("hard" in t)] for t in texts
            ]

    teacher = Engine(lambda call: call >= 1)
    cascade = CascadeScorer(Sure(), teacher, 0.8)  # type: ignore[arg-type]
    score_texts(cascade, ["easy", "hard 1"])
    with pytest.raises(EngineError, match="something went wrong"):
        score_texts(cascade, ["easy too", "hard 2"])


class EngineDeadError(Exception):
    """As vLLM calls it."""


@pytest.mark.parametrize(
    ("error", "of_engine", "memory"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True, True),
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), True, False),
        (RuntimeError("CUDA error: device-side assert triggered"), True, False),
        (RuntimeError("Engine core initialization failed. See root cause above."), True, False),
        (RuntimeError("cannot schedule new futures after shutdown"), True, False),
        (RuntimeError("[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer"), True, True),
        (EngineDeadError("x"), True, False),
        (EngineError("the engine has stopped"), True, False),
        (BrokenPipeError(32, "Broken pipe"), True, False),
        (FileNotFoundError(2, "No such file or directory", "model.safetensors"), True, False),
        (EOFError(), True, False),
        (CancelledError(), True, False),
        (MemoryError(), True, True),
        (ValueError("the text 'RuntimeError: CUDA error' is too long"), False, False),
        (RuntimeError("shape mismatch"), False, False),
        (RecursionError("maximum recursion depth exceeded"), False, False),
    ],
    ids=lambda one: repr(one)[:60],
)
def test_errors_that_say_enough(error: Exception, of_engine: bool, memory: bool) -> None:
    assert (is_of_engine(error), is_out_of_memory(error)) == (of_engine, memory)
    wrapped = RuntimeError("the worker failed")
    wrapped.__cause__ = error
    assert is_of_engine(wrapped) == of_engine
    with pytest.raises(EngineError if of_engine else type(error)), engine_errors():
        raise error


def test_reasons_are_one_line() -> None:
    assert faults.reason(RuntimeError("a\n  b\x1b")) == "RuntimeError: a b\\x1b"
    assert faults.reason(ValueError()) == "ValueError"
    assert len(faults.reason(ValueError("x" * 5000))) < 350


def test_nothing_to_score() -> None:
    scoring = Scoring(Engine().score, [], 3, known=LABELS)
    scoring.run()
    assert (scoring.proba.shape, scoring.failures, scoring.scored) == ((0, 3), {}, None)
