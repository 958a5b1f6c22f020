"""Score with language models: vLLM batches the texts of all requests, and loads adapters beside the base model.

One engine serves all models with the same base model. A device has no memory for two engines, so a model with another
base is refused, and the current model stays until the service is redeployed. n texts, k classes.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock

from laud_ray.errors import EngineError, ModelError
from laud_ray.models.kinds import CausalLearner, InContextLearner
from laud_ray.models.language.engine import EngineSettings
from laud_ray.models.language.scorer import PromptedScorer
from laud_ray.models.language.stream import LabelStream, StreamReader
from laud_ray.types import Scorer
from serve.arguments import Arguments
from serve.registry import Entry
from serve.schemas import FaultError, too_late
from serve.scoring import Scores, score_texts

# The most concurrent requests. Each has a thread, which builds its prompts and then waits for the engine.
REQUESTS = 64


class StreamEngine:
    """Opens causal and in_context models on one engine, which starts with the first model.

    Attributes:
        waiting: texts that are accepted but not scored yet.
    """

    def __init__(self, arguments: Arguments, observe: Callable[[int, int, float], None]) -> None:
        """Create it. `observe` is called with the texts, prompt tokens and seconds of each request."""
        self._arguments, self._observe = arguments, observe
        self._pool = ThreadPoolExecutor(REQUESTS if arguments.batching else 1, "stream")
        self._turn = Lock()
        self._stream: LabelStream | None = None
        self._closed = False
        self._rate = 0.0
        self.waiting = 0

    @property
    def healthy(self) -> bool:
        """Whether the engine runs or has not started yet. If it died, its process must be replaced."""
        return self._stream is None or self._stream.healthy

    @property
    def failure(self) -> str | None:
        return None if self.healthy else "the engine has stopped"

    def start(self) -> None: ...

    async def close(self) -> None:
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        with self._turn:
            if self._stream is not None:
                self._stream.close()

    def open(self, entry: Entry) -> Scorer:
        """Load a model. Blocks, for about a minute if it is the first one.

        Raises:
            ModelError: if it is damaged, or the running engine cannot serve it.
            EngineError: if the engine has stopped.
        """

        def stream_for(settings: EngineSettings, rank: int | None) -> LabelStream:
            return self._stream_for(entry, settings, rank)

        learner = CausalLearner if entry.kind == "causal" else InContextLearner
        scorer = learner.open_beside(entry.folder, stream_for)
        # The first call of a tokenizer changes its settings and is not thread-safe, so it happens here.
        scorer.score(scorer.labels[:1])
        return scorer

    def release(self, scorer: Scorer) -> None:
        _reader(scorer).retire()

    async def score(self, scorer: Scorer, texts: Sequence[str], *, deadline_s: float | None) -> Scores:
        """Return (n, k) probabilities of n texts, and the reasons for those that cannot be scored, by their index.

        If the caller is cancelled or times out, its remaining work is cancelled.

        Raises:
            FaultError: 429 if too many texts wait, 504 after the deadline, 503 if the engine has stopped.
        """
        refused = None if deadline_s is None else self.overload(len(texts))
        if refused is not None:
            raise refused
        assert isinstance(scorer, PromptedScorer)
        if not self.healthy or self._closed:
            raise FaultError(503, "engine", "the engine has stopped; the service restarts")
        reader = _reader(scorer).once()
        self.waiting += len(texts)
        before, began = self.waiting, time.perf_counter()
        try:
            async with asyncio.timeout(deadline_s):
                scoring = self._pool.submit(score_texts, replace(scorer, engine=reader), texts)
                proba, failures = await asyncio.wrap_future(scoring)
        except TimeoutError:
            assert deadline_s is not None
            raise too_late(deadline_s) from None
        except EngineError as error:
            raise FaultError(503, "engine", f"{error}; the service restarts") from None
        finally:
            reader.cancel()
            self.waiting -= len(texts)
        seconds = time.perf_counter() - began
        self._rate = 0.8 * self._rate + 0.2 * before / seconds if self._rate else before / seconds
        self._observe(len(texts), reader.tokens, seconds)
        return proba, failures

    def overload(self, texts: int) -> FaultError | None:
        """Return the 429 error if this many further texts are too many; else None."""
        limit = self._arguments.limits.queue_texts
        if self.waiting + texts <= limit:
            return None
        message = f"{self.waiting} texts are waiting; expected at most {limit}"
        return FaultError(429, "overloaded", message, retry_after=self._clear_in())

    def _clear_in(self) -> int:
        """Estimate the seconds until the waiting texts are scored."""
        return max(1, round(self.waiting / self._rate)) if self._rate else 1

    def _stream_for(self, entry: Entry, settings: EngineSettings, rank: int | None) -> LabelStream:
        with self._turn:
            if self._closed:
                raise EngineError("the engine was closed")
            if self._stream is None:
                self._stream = self._begin(entry, settings, rank)
            elif not self._stream.healthy:
                raise EngineError("the engine has stopped")
            else:
                _check(entry, self._stream, settings, rank)
            return self._stream

    def _begin(self, entry: Entry, settings: EngineSettings, rank: int | None) -> LabelStream:
        """Start the engine with settings for this model and for later adapters of its run."""
        gpus, coming = self._arguments.gpus, entry.adapters
        if coming is not None:
            rank = max(rank or 0, coming.rank)
            settings = replace(settings, max_context=max(settings.max_context, coming.max_context))
        share = gpus if 0 < gpus < 1 else 1.0
        settings = replace(settings, memory=settings.memory * share, gpus=max(1, int(gpus)))
        return LabelStream(settings, rank=rank, batch_tokens=self._arguments.batch_tokens)


def _reader(scorer: Scorer) -> StreamReader:
    assert isinstance(scorer, PromptedScorer)
    assert isinstance(scorer.engine, StreamReader)
    return scorer.engine


def _check(entry: Entry, stream: LabelStream, settings: EngineSettings, rank: int | None) -> None:
    """Raise ModelError if the running engine cannot serve a model."""
    runs = stream.settings
    found = {
        "the base model": (settings.model, runs.model, settings.model == runs.model),
        "dtype": (settings.dtype, runs.dtype, settings.dtype == runs.dtype),
        "max_context": (settings.max_context, runs.max_context, settings.max_context <= runs.max_context),
        "an adapter of rank": (rank or 0, stream.rank or 0, (rank or 0) <= (stream.rank or 0)),
    }
    for what, (needed, running, fits) in found.items():
        if not fits:
            raise ModelError(
                f"{entry.folder}: needs {what} {needed}, but the engine was started with {running}; the current model "
                "stays in service; redeploy the service to serve this one"
            )
