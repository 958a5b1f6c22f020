"""Put the texts of all waiting requests into common batches, by tokens, one text of each request in turn.

A long list therefore does not delay a single text, and texts of cancelled requests are not scored. Ray Serve's own
batching takes requests in order: a single text behind a list of 1,000 would wait 7.2 s instead of 0.13 s (docs/LOG.md).
n texts, k classes.
"""

import asyncio
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVarTuple

from laud_ray.models.faults import is_of_engine, is_out_of_memory, reason
from laud_ray.types import Floats, TokenScorer
from serve.schemas import FaultError, too_late
from serve.scoring import Scores, score_tokens
from serve.waiting import Job, tokenize

# The most texts in one call of the tokenizer, which takes a fraction of a second.
AT_ONCE = 4096
NICE = 5
HANGS_S = 60.0  # a batch takes a fraction of a second

Place = tuple[Job, int]
Told = TypeVarTuple("Told")


class Batcher:
    """Scores the texts of many concurrent callers in batches. Each call has one scorer for all of its texts.

    Attributes:
        waiting: texts that are accepted but not scored yet.
    """

    def __init__(
        self,
        *,
        batch_tokens: int,
        queue_texts: int,
        alone: bool = False,
        observe: Callable[[int, int, float], None] = lambda texts, tokens, seconds: None,
    ) -> None:
        """Create a batcher, which works between `start` and `close`.

        Args:
            batch_tokens: the most tokens of a batch; a single text may have more.
            queue_texts: the most texts that may wait.
            alone: score each request by itself, in the order of arrival.
            observe: called with the texts, tokens and seconds of each batch.
        """
        self._budget, self._limit, self._alone, self._observe = batch_tokens, queue_texts, alone, observe
        self._fresh: deque[Job] = deque()
        self._ring: deque[Job] = deque()
        self._came = asyncio.Event()
        # Guards the ring: the event loop puts jobs in, the scoring thread takes texts out.
        self._ready = threading.Condition()
        self._closed = False
        self._tokenizing: Executor = ThreadPoolExecutor(1, "tokenize")
        self._task: asyncio.Task[None] | None = None
        self._rate = 0.0
        self.waiting = 0
        self._broken: str | None = None
        self._thread: threading.Thread | None = None
        self._began: float | None = None  # when the scoring of the current batch began

    def start(self) -> None:
        self._task = asyncio.create_task(self._tokenize())
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._score, args=(loop,), name="score", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str | None:
        """The reason why nothing can be scored any more; None while scoring works. A successful batch clears it."""
        began = self._began
        if self._closed or self._thread is None or self._task is None:
            return None
        if not self._thread.is_alive() or self._task.done():
            return "the thread or the task that scores has ended"
        if began is not None and time.monotonic() - began > HANGS_S:
            return f"a batch has been scored for more than {HANGS_S:g} s"
        return self._broken

    async def close(self) -> None:
        with self._ready:
            self._closed = True
            self._ready.notify()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._tokenizing.shutdown(wait=False, cancel_futures=True)

    async def score(self, scorer: TokenScorer, texts: Sequence[str], *, deadline_s: float | None = None) -> Scores:
        """Return (n, k) probabilities of n texts, and the reasons for those that cannot be scored.

        If the caller is cancelled, its remaining texts are not scored.

        Args:
            deadline_s: seconds until the request times out. None: no timeout, and no limit on waiting texts.

        Raises:
            FaultError: 429 if too many texts wait, 503 if nothing can be scored any more, 504 after the deadline.
        """
        if deadline_s is not None:
            refused = self.overload(len(texts))
            if refused is not None:
                raise refused
        job = Job(scorer, texts, asyncio.get_running_loop().create_future(), trial=deadline_s is None)
        self.waiting += len(texts)
        self._fresh.append(job)
        self._came.set()
        try:
            async with asyncio.timeout(deadline_s):
                return await job.future
        except TimeoutError:
            assert deadline_s is not None
            raise too_late(deadline_s) from None
        finally:
            self.waiting -= len(texts) - job.done

    def overload(self, texts: int) -> FaultError | None:
        """Return the 429 error if this many further texts are too many; else None."""
        if self.waiting + texts <= self._limit:
            return None
        message = f"{self.waiting} texts are waiting; expected at most {self._limit}"
        return FaultError(429, "overloaded", message, retry_after=self._clear_in())

    def _clear_in(self) -> int:
        """Estimate the seconds until the waiting texts are scored."""
        return max(1, round(self.waiting / self._rate)) if self._rate else 1

    async def _tokenize(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._came.wait()
            self._came.clear()
            while self._fresh:
                jobs = self._next_fresh()
                try:
                    await loop.run_in_executor(self._tokenizing, tokenize, jobs)
                except Exception as error:  # noqa: BLE001 - the worker's edge: the callers get the error
                    self._fail(jobs, error)
                    continue
                for job in jobs:
                    self._finish(job, len(job.failures))
                with self._ready:
                    self._ring.extend(job for job in jobs if job.given < len(job.texts))
                    self._ready.notify()

    def _next_fresh(self) -> list[Job]:
        """Take new jobs with the same scorer."""
        jobs: list[Job] = []
        texts = 0
        while self._fresh and texts < AT_ONCE and self._fresh[0].scorer is (jobs or self._fresh)[0].scorer:
            jobs.append(self._fresh.popleft())
            texts += len(jobs[-1].texts)
        return jobs

    def _score(self, loop: asyncio.AbstractEventLoop) -> None:
        """Score batches in a thread of its own, so that the next one does not wait for the busy event loop."""
        _give_way()
        while True:
            with self._ready:
                while not self._closed and not (batch := self._take()):
                    self._ready.wait()
                if self._closed:
                    return
            scorer, ids = batch[0][0].scorer, [job.ids[i] for job, i in batch]
            began, self._began = time.perf_counter(), time.monotonic()
            try:
                proba, failures = score_tokens(scorer, ids)
            except Exception as error:  # noqa: BLE001 - the worker's edge: the callers get the error
                self._tell(loop, self._fail, [job for job, _ in batch], error)
                continue
            finally:
                self._began = None
            self._tell(loop, self._deliver, batch, proba, failures, time.perf_counter() - began)

    def _tell(self, loop: asyncio.AbstractEventLoop, what: Callable[[*Told], None], *about: *Told) -> None:
        """Call a function in the event loop, unless the batcher is closed."""
        with self._ready:
            if not self._closed:
                loop.call_soon_threadsafe(what, *about)

    def _take(self) -> list[Place]:
        """Take texts for one scorer, one of each request in turn, until the token budget is used up."""
        batch: list[Place] = []
        later: list[Job] = []
        tokens = 0
        while self._ring:
            job = self._ring.popleft()
            if not job.live:
                continue
            if batch and (job.scorer is not batch[0][0].scorer or (self._alone and job is not batch[0][0])):
                later.append(job)
                continue
            tokens += len(job.ids[job.given])
            if batch and tokens > self._budget:
                later.append(job)
                break
            batch.append((job, job.given))
            job.skip()
            if job.given < len(job.texts):
                self._ring.append(job)
        # The jobs that did not fit come first in the next batch.
        self._ring.extendleft(reversed(later))
        return batch

    def _deliver(self, batch: Sequence[Place], proba: Floats, failures: dict[int, str], seconds: float) -> None:
        self._broken = None
        self._rate = 0.8 * self._rate + 0.2 * len(batch) / seconds if self._rate else len(batch) / seconds
        self._observe(len(batch), sum(len(job.ids[i]) for job, i in batch), seconds)
        for at, (job, i) in enumerate(batch):
            if not job.live:
                continue
            job.proba[i] = proba[at]
            if at in failures:
                job.failures[i] = failures[at]
            self._finish(job, 1)

    def _finish(self, job: Job, texts: int) -> None:
        """Count texts with a result or an error; after the last one the job's future gets its result."""
        if not job.live:
            return
        job.done += texts
        self.waiting -= texts
        if job.done == len(job.texts):
            job.future.set_result((job.proba, job.failures))

    def _fail(self, jobs: Sequence[Job], error: Exception) -> None:
        """Fail jobs after an error of the engine, which is independent of the texts.

        If all of them are trials of a new model, the batcher is not marked as broken, so that the current model stays
        in service, unless the error shows that no model can be scored.
        """
        if not all(job.trial for job in jobs) or _ends_all(error.__cause__ or error):
            self._broken = reason(error)
        fault = FaultError(503, "engine", "the model cannot score any text; the service restarts")
        for job in jobs:
            if job.live:
                job.future.set_exception(fault)


def _ends_all(error: BaseException) -> bool:
    return is_of_engine(error) and not is_out_of_memory(error)


def _give_way() -> None:
    """Lower the priority of this thread, so that the thread that accepts requests can refuse them under overload."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
