"""Batches over many requests: by tokens, in turn, and without what nobody waits for."""

import asyncio
from collections.abc import Sequence
from threading import Event

import numpy as np
import pytest

from laud_ray.errors import EngineError
from laud_ray.types import Floats
from serve import batching
from serve.batching import Batcher
from serve.schemas import FaultError
from serve.scoring import Scores, score_tokens


class Letters:
    """A scorer whose tokens are letters. It records its batches, and waits in each until it is let go on."""

    labels = ("short", "long")

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[list[str]] = []
        self.entered, self.go = Event(), Event()
        if not held:
            self.go.set()

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return [[ord(letter) for letter in text] for text in texts]

    def score_tokens(self, ids: Sequence[Sequence[int]]) -> Floats:
        self.batches.append(["".join(map(chr, row)) for row in ids])
        self.entered.set()
        assert self.go.wait(20)
        long = np.asarray([min(len(row), 10) / 10 for row in ids], np.float32)
        return np.stack([1 - long, long], 1)

    def score(self, texts: Sequence[str]) -> Floats:
        return self.score_tokens(self.tokenize(texts))


class Broken(Letters):
    def score_tokens(self, ids: Sequence[Sequence[int]]) -> Floats:
        raise RuntimeError("out of memory")


def make(**settings: object) -> Batcher:
    batcher = Batcher(**{"batch_tokens": 6, "queue_texts": 100, **settings})  # type: ignore[arg-type]
    batcher.start()
    return batcher


async def first_batch(batcher: Batcher, scorer: Letters) -> "asyncio.Task[Scores]":
    """Let a text into the scorer, which holds it: what comes meanwhile waits together."""
    task = asyncio.create_task(batcher.score(scorer, ["x"]))
    assert await asyncio.get_running_loop().run_in_executor(None, scorer.entered.wait, 20)
    return task


async def settled(batcher: Batcher, texts: int) -> None:
    """Wait until so many texts were taken in and tokenized."""
    async with asyncio.timeout(20):
        while (
            batcher.waiting < texts or batcher._fresh or sum(len(j.texts) - j.given for j in batcher._ring) < texts - 1
        ):
            await asyncio.sleep(0)


def test_each_caller_gets_its_own_texts_in_order() -> None:
    async def run() -> list[Scores]:
        batcher = make()
        found = await asyncio.gather(
            batcher.score(scorer, ["aaa", "a", "aaaaaaa"]),
            batcher.score(scorer, ["aa"]),
            batcher.score(scorer, ["aaaaa"]),
        )
        await batcher.close()
        return found

    scorer = Letters()
    one, two, three = asyncio.run(run())
    assert one[0][:, 1].tolist() == pytest.approx([0.3, 0.1, 0.7])
    assert (two[0][0, 1], three[0][0, 1]) == (pytest.approx(0.2), pytest.approx(0.5))


def test_batches_hold_their_tokens_and_no_more_unless_one_text_has_more() -> None:
    async def run() -> None:
        batcher = make()
        held = await first_batch(batcher, scorer)
        rest = [asyncio.create_task(batcher.score(scorer, [text])) for text in ("aaa", "bbb", "cc", "ddddddddd", "ee")]
        await settled(batcher, 6)
        scorer.go.set()
        await asyncio.gather(held, *rest)
        await batcher.close()

    scorer = Letters(held=True)
    asyncio.run(run())
    assert scorer.batches == [["x"], ["aaa", "bbb"], ["cc"], ["ddddddddd"], ["ee"]]


def test_a_long_list_does_not_hold_up_a_single_text() -> None:
    async def run() -> None:
        batcher = make()
        held = await first_batch(batcher, scorer)
        long = asyncio.create_task(batcher.score(scorer, [f"l{i}" for i in range(10)]))
        await settled(batcher, 11)
        short = asyncio.create_task(batcher.score(scorer, ["sh"]))
        await settled(batcher, 12)
        scorer.go.set()
        await asyncio.gather(held, long, short)
        await batcher.close()

    scorer = Letters(held=True)
    asyncio.run(run())
    assert scorer.batches[1] == ["l0", "sh", "l1"]


def test_without_batching_requests_are_never_put_together() -> None:
    async def run() -> None:
        batcher = make(alone=True, batch_tokens=100)
        held = await first_batch(batcher, scorer)
        rest = [asyncio.create_task(batcher.score(scorer, texts)) for texts in (["a", "b"], ["c"])]
        await settled(batcher, 4)
        scorer.go.set()
        await asyncio.gather(held, *rest)
        await batcher.close()

    scorer = Letters(held=True)
    asyncio.run(run())
    assert scorer.batches == [["x"], ["a", "b"], ["c"]]


def test_a_batch_is_of_one_model_and_a_request_too() -> None:
    async def run() -> None:
        batcher = make(batch_tokens=100)
        held = await first_batch(batcher, old)
        rest = [
            asyncio.create_task(batcher.score(scorer, texts)) for scorer, texts in ((old, ["a", "b"]), (new, ["c"]))
        ]
        rest.append(asyncio.create_task(batcher.score(old, ["d"])))
        await settled(batcher, 5)
        old.go.set()
        await asyncio.gather(held, *rest)
        await batcher.close()

    old, new = Letters(held=True), Letters()
    asyncio.run(run())
    assert old.batches == [["x"], ["a", "d", "b"]]
    assert new.batches == [["c"]]


def test_what_was_given_up_is_not_scored() -> None:
    async def run() -> int:
        batcher = make()
        held = await first_batch(batcher, scorer)
        gone = asyncio.create_task(batcher.score(scorer, ["gone", "gone2"]))
        late = asyncio.create_task(batcher.score(scorer, ["late"], deadline_s=0.01))
        kept = asyncio.create_task(batcher.score(scorer, ["kept"]))
        await settled(batcher, 5)
        gone.cancel()
        with pytest.raises(FaultError) as fault:
            await late
        assert (fault.value.status, fault.value.code) == (504, "deadline")
        scorer.go.set()
        await asyncio.gather(held, kept)
        waiting = batcher.waiting
        await batcher.close()
        return waiting

    scorer = Letters(held=True)
    assert asyncio.run(run()) == 0
    assert scorer.batches == [["x"], ["kept"]]


def test_too_much_is_refused_at_once_and_says_when_to_come_again() -> None:
    async def run() -> FaultError:
        batcher = make(queue_texts=3)
        held = await first_batch(batcher, scorer)
        fits = asyncio.create_task(batcher.score(scorer, ["a", "b"], deadline_s=20))
        await settled(batcher, 3)
        with pytest.raises(FaultError) as fault:
            await batcher.score(scorer, ["c"], deadline_s=20)
        scorer.go.set()
        await asyncio.gather(held, fits)
        await batcher.score(scorer, ["c"], deadline_s=20)
        await batcher.close()
        return fault.value

    scorer = Letters(held=True)
    fault = asyncio.run(run())
    assert (fault.status, fault.message) == (429, "3 texts are waiting; expected at most 3")
    assert fault.retry_after is not None
    assert fault.retry_after >= 1


def test_a_scorer_that_can_score_nothing_costs_only_its_own_requests_and_is_known() -> None:
    async def run() -> Floats:
        batcher = make()
        with pytest.raises(FaultError, match="cannot score any text") as caught:
            await batcher.score(Broken(), ["a", "b"], deadline_s=20)
        assert (caught.value.status, batcher.failure) == (503, "RuntimeError: out of memory")
        found, _ = await batcher.score(Letters(), ["aa"])
        assert (batcher.waiting, batcher.failure) == (0, None)
        await batcher.close()
        return found

    assert asyncio.run(run())[0, 1] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("error", "ends_all"),
    [
        (ValueError("no weights"), False),
        (RuntimeError("CUDA out of memory"), False),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), True),
    ],
    ids=lambda one: str(one)[:20],
)
def test_a_new_model_that_scores_nothing_does_not_end_the_one_that_serves(error: Exception, ends_all: bool) -> None:
    class New(Letters):
        def score_tokens(self, ids: Sequence[Sequence[int]]) -> Floats:
            raise error

    async def run() -> None:
        batcher = make()
        with pytest.raises(FaultError, match="cannot score any text"):
            await batcher.score(New(), ["a"])
        assert (batcher.failure is not None) == ends_all
        await batcher.close()

    asyncio.run(run())


def test_an_engine_that_fails_every_second_time_answers() -> None:
    class Flaky(Letters):
        def score_tokens(self, ids: Sequence[Sequence[int]]) -> Floats:
            if len(self.batches) % 2 == 0:
                self.batches.append([])
                raise RuntimeError("not now")
            return super().score_tokens(ids)

    async def run() -> None:
        batcher, scorer = make(), Flaky()
        for text in ("a", "aa", "aaa"):
            proba, failures = await batcher.score(scorer, [text], deadline_s=20)
            assert (proba[0, 1], failures) == (pytest.approx(len(text) / 10), {})
        assert batcher.failure is None
        await batcher.close()

    asyncio.run(run())


async def until(batcher: Batcher, failure: bool) -> None:
    async with asyncio.timeout(20):
        while (batcher.failure is not None) != failure:
            await asyncio.sleep(0.01)


def test_a_batch_that_takes_too_long_is_a_failure_until_it_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        batcher, scorer = make(), Letters(held=True)
        held = await first_batch(batcher, scorer)
        assert batcher.failure is None
        monkeypatch.setattr(batching, "HANGS_S", 0.0)
        await until(batcher, failure=True)
        scorer.go.set()
        await held
        await until(batcher, failure=False)
        await batcher.close()

    asyncio.run(run())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_has_ended_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def end() -> None:
        raise SystemExit

    async def run() -> None:
        batcher = make()
        monkeypatch.setattr(batcher, "_take", end)
        with pytest.raises(FaultError, match="no answer within"):
            await batcher.score(Letters(), ["a"], deadline_s=0.1)
        await until(batcher, failure=True)
        await batcher.close()

    asyncio.run(run())


class Choosy(Letters):
    """Cannot tokenize `?`, cannot score `!`, and gives no numbers for `0`."""

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        if any("?" in text for text in texts):
            raise ValueError("it has a question")
        return super().tokenize(texts)

    def score_tokens(self, ids: Sequence[Sequence[int]]) -> Floats:
        if any(ord("!") in row for row in ids):
            raise RuntimeError("its letters are wrong")
        proba = super().score_tokens(ids)
        proba[[ord("0") in row for row in ids]] = np.nan
        return proba


def test_texts_that_fail_alone_are_errors_of_their_own_rows() -> None:
    async def run() -> list[Scores]:
        batcher = make(batch_tokens=100)
        held = await first_batch(batcher, scorer)
        texts = (["!", "aa", "?", "aaa", "0"], ["aaaa"], ["?"])
        asked = [asyncio.create_task(batcher.score(scorer, one)) for one in texts]
        while batcher.waiting < 8:
            await asyncio.sleep(0)
        scorer.go.set()
        found = await asyncio.gather(*asked)
        assert (batcher.waiting, batcher.failure) == (0, None)
        await asyncio.gather(held, batcher.close())
        return found

    scorer = Choosy(held=True)
    mixed, good, bad = asyncio.run(run())
    assert mixed[0][[1, 3], 1].tolist() == pytest.approx([0.2, 0.3])
    assert mixed[1] == {
        0: "RuntimeError: its letters are wrong",
        2: "ValueError: it has a question",
        4: "FloatingPointError: the probabilities are not finite",
    }
    assert (good[0][0, 1], good[1]) == (pytest.approx(0.4), {})
    assert bad[1] == {0: "ValueError: it has a question"}


def test_an_engine_that_dies_among_bad_texts_makes_no_error_rows() -> None:
    class Dying(Choosy):
        left = 4

        def score_tokens(self, ids: Sequence[Sequence[int]]) -> Floats:
            self.left -= 1
            if self.left < 0:
                raise MemoryError
            return super().score_tokens(ids)

    scorer = Dying()
    with pytest.raises(EngineError, match="MemoryError"):
        score_tokens(scorer, scorer.tokenize(["!", "a", "b", "c"]))
