"""The service behind the routes. Each request is answered by the model that is current when it arrives."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from laud_ray.texts import cut
from serve import engines
from serve.answers import Answered, Scored, answer, at_once, check_size
from serve.answers import body as response
from serve.arguments import Arguments
from serve.cleaning import Cleaned, clean
from serve.depths import Asked
from serve.engines import Engine
from serve.feedback import FeedbackWriter, Kept
from serve.listing import figures_json, listed, rules_json, tree_json
from serve.registry import Registry, open_registry
from serve.request_body import parse
from serve.schemas import ClassifyRequest, FaultError, too_late
from serve.telemetry import Telemetry
from serve.versions import Version, Versions

# Larger bodies are parsed, and larger responses built, in a thread, so that they do not delay other requests.
LARGE_BODY, LARGE_ANSWER = 32_768, 64
GAUGES_EVERY_S = 5.0

R = TypeVar("R")


class Service:
    """The state of one replica: registry, engines and metrics."""

    def __init__(self, arguments: Arguments, log: logging.Logger) -> None:
        """Open the registry. `start` loads the model.

        Raises:
            UserError: if the folder is neither a run nor a model.
        """
        self.arguments, self.log, self.telemetry = arguments, log, Telemetry()
        self._registry: Registry = open_registry(arguments.run)
        self._engines: dict[str, Engine] = {}
        # One thread each: a second one would only compete for the interpreter and double the memory.
        self._reader, self._writer = ThreadPoolExecutor(1, "read"), ThreadPoolExecutor(1, "answer")
        self._feedback = FeedbackWriter(self._registry, arguments.limits, log)
        self._gauges: asyncio.Task[None] | None = None
        self.versions = Versions(self._registry, self._engine, log, self._swapped)

    async def start(self) -> None:
        """Load the current model, if there is one, and start to poll the registry."""
        await self.versions.look()
        self.versions.follow(self.arguments.poll_s)
        self._gauges = asyncio.create_task(self._keep_gauges())

    async def close(self) -> None:
        if self._gauges is not None:
            self._gauges.cancel()
        await self.versions.close()
        for engine in self._engines.values():
            await engine.close()
        for thread in (self._reader, self._writer):
            thread.shutdown(wait=False, cancel_futures=True)
        self._feedback.close()
        self._registry.close()

    async def classify(self, body: bytes) -> bytes:
        """Return the JSON response to a request of `POST /v1/classify`.

        Raises:
            FaultError: if the request is refused.
        """
        deadline = self.arguments.limits.deadline_s
        try:
            async with asyncio.timeout(deadline):
                return await self._classify(body)
        except TimeoutError:
            raise too_late(deadline) from None

    async def _classify(self, body: bytes) -> bytes:
        version = self._version()
        k = len(version.entry.names)
        if len(body) > LARGE_BODY:
            request, given = await _in(self._reader, self._read, body, k)
        else:
            request, given = self._read(body, k)
        asked = await self._depth(version, request)
        threshold = self.arguments.threshold if request.threshold is None else request.threshold
        large, step, parts = given.n * min(request.top_k, k) > LARGE_ANSWER, at_once(k), []
        for start in range(0, given.n, step):
            scored = await self._score(version, given.part(start, min(start + step, given.n)))
            if large:
                part = await _in(self._writer, answer, version.entry, scored, request.top_k, threshold, asked)
            else:
                part = answer(version.entry, scored, request.top_k, threshold, asked)
            parts.append(part)
        answered = Answered.joined(parts)
        if large:
            said = await _in(self._writer, response, version.entry, answered, asked)
        else:
            said = response(version.entry, answered, asked)
        self._count(version, answered)
        if self.arguments.log_texts:
            self.log.info("texts", extra={"texts": given.texts, "labels": answered.labels})
        return said

    async def _depth(self, version: Version, request: ClassifyRequest) -> Asked:
        """Return how deep to answer; a promise that is not made yet is made in a thread."""
        wanted = request.accuracy, request.level
        if version.depths.ready(*wanted):
            return version.depths.of(*wanted)
        return await _in(self._reader, version.depths.of, *wanted)

    async def _score(self, version: Version, given: Cleaned) -> Scored:
        """Score the valid texts; the others keep their errors."""
        shape, errors = (given.n, len(version.entry.names)), dict(given.errors)
        if not given.texts:
            return Scored(np.zeros(shape, np.float32), errors)
        most, deadline = version.entry.max_chars, self.arguments.limits.deadline_s
        texts = [cut(text, most) for text in given.texts]
        engine = self._engine(version.entry.kind)
        found, failures = await engine.score(version.scorer, texts, deadline_s=deadline)
        errors |= {given.places[i]: reason for i, reason in failures.items()}
        if len(texts) == given.n:
            return Scored(found, errors)
        proba = np.zeros(shape, np.float32)
        proba[given.places] = found
        return Scored(proba, errors)

    def overload(self) -> FaultError | None:
        """Return the 429 error if even one more text is too much, so that the body need not be read; else None."""
        version = self.versions.current
        return None if version is None else self._engine(version.entry.kind).overload(1)

    @property
    def failure(self) -> str | None:
        """The reason why an engine can no longer score; None while all work."""
        return next((engine.failure for engine in self._engines.values() if engine.failure is not None), None)

    def model(self) -> dict[str, object]:
        version = self._version()
        entry = version.entry
        return {
            "name": entry.name,
            "version": entry.version,
            "kind": entry.kind,
            "base": entry.base,
            "labels": len(entry.labels),
            "taxonomy": tree_json(entry),
            "multilabel": rules_json(entry),
            "examples": entry.examples,
            "loaded_at": version.loaded_at.isoformat(),
            "evaluation": figures_json(entry),
        }

    async def labels(self, given: Mapping[str, str]) -> dict[str, object]:
        """Return some of the labels; see `listed`.

        Raises:
            FaultError: 422 if the query is not valid.
        """
        return await _in(self._reader, listed, self._version().entry, given)

    def readiness(self, *, trusted: bool) -> dict[str, object]:
        """Return the state of the service. Without a token, errors are hidden, since they name folders and servers."""
        current, failed, away = self.versions.current, self.versions.failed, self.versions.away
        named = None if current is None else {"name": current.entry.name, "version": current.entry.version}
        hidden = "send a token to see the reason"
        lost = None
        if failed is not None:
            lost = {"name": failed.name, "error": failed.error if trusted else hidden, "at": failed.at.isoformat()}
        return {
            "ready": current is not None,
            "current": named,
            "loading": self.versions.loading,
            "failed": lost,
            "registry": "ok" if away is None else away if trusted else f"unreachable: {hidden}",
        }

    async def feedback(self, body: bytes, person: str | None = None) -> Kept:
        """Store feedback on a prediction.

        Raises:
            FaultError: if it is not stored; see `FeedbackWriter.add`.
        """
        kept = await self._feedback.add(body, person)
        if kept.new:
            self.telemetry.feedback.labels(kept.sort).inc()
        return kept

    async def reload(self) -> dict[str, object]:
        """Read the registry now. A new model is loaded after the response was sent."""
        looking = asyncio.create_task(self.versions.look())
        looking.add_done_callback(lambda task: task.exception())
        # The registry's thread usually needs less than this to find out whether there is a new model.
        await asyncio.wait([looking], timeout=0.2)
        current = self.versions.current
        return {"current": None if current is None else current.entry.name, "loading": self.versions.loading}

    def _read(self, body: bytes, labels: int) -> tuple[ClassifyRequest, Cleaned]:
        request = parse(ClassifyRequest, body)
        given = clean(request.texts, self.arguments.limits)
        check_size(given.n, min(request.top_k, labels))
        return request, given

    def _version(self) -> Version:
        if self.versions.current is None:
            failed = self.versions.failed
            why = f": {failed.name} could not be loaded" if failed is not None else ""
            raise FaultError(503, "no_model", f"no model is loaded yet{why}")
        return self.versions.current

    def _engine(self, kind: str) -> Engine:
        sort = engines.sort_of(kind)
        if sort not in self._engines:
            self._engines[sort] = engines.build(self.arguments, kind, self._batched)
            self._engines[sort].start()
        return self._engines[sort]

    def _batched(self, texts: int, tokens: int, seconds: float) -> None:
        self.telemetry.batch_texts.observe(texts)
        self.telemetry.batch_tokens.observe(tokens)
        self.telemetry.batch_seconds.observe(seconds)

    def _swapped(self, well: bool) -> None:
        self.telemetry.swaps.labels("taken" if well else "failed").inc()

    def _count(self, version: Version, answered: Answered) -> None:
        given = [version.entry.counted_as(i) for i in answered.given]
        self.telemetry.texts.labels(version.entry.name).inc(len(answered.best))
        for name, times in Counter(given).items():
            self.telemetry.labels.labels(name).inc(times)
        for value in answered.confidence:
            self.telemetry.confidence.observe(value)
        self.telemetry.abstained.inc(answered.abstained)
        if answered.failed:
            self.telemetry.rejected.labels("text").inc(answered.failed)
        if version.drift is not None:
            version.drift.add(answered.best, answered.confidence)

    async def _keep_gauges(self) -> None:
        shown: tuple[str, str] | None = None
        while True:
            self.telemetry.queue.set(sum(engine.waiting for engine in self._engines.values()))
            version = self.versions.current
            if version is not None:
                named = (version.entry.name, version.entry.version)
                if shown not in (None, named):
                    self.telemetry.model.labels(*shown).set(0)
                self.telemetry.model.labels(*named).set(1)
                shown = named
                drift = version.drift
                found = None if drift is None else drift.indices()
                if found is not None:
                    self.telemetry.drift.labels("labels").set(found[0])
                    self.telemetry.drift.labels("confidence").set(found[1])
                alarms = None if drift is None else await asyncio.to_thread(drift.alarms)
                for test, alarm in (alarms or {}).items():
                    self.telemetry.drift_alarm.labels(test).set(alarm)
            await asyncio.sleep(GAUGES_EVERY_S)


async def _in(thread: ThreadPoolExecutor, call: Callable[..., R], *arguments: object) -> R:
    """Run a slow call in a thread, beside the event loop."""
    return await asyncio.get_running_loop().run_in_executor(thread, call, *arguments)
