"""The service behind the routes: texts in, answers out, by whichever model is current when a request comes."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from laud_ray.config.mistakes import known_names
from laud_ray.errors import RunError
from laud_ray.labels import known_labels
from laud_ray.printable import quoted
from laud_ray.types import Floats, Task
from serve import engines
from serve.arguments import Arguments
from serve.engines import Engine
from serve.registry import Registry, open_registry
from serve.schemas import ClassifyRequest, FaultError, FeedbackRequest, clean, parse
from serve.telemetry import Telemetry
from serve.versions import Version, Versions

# Reading a body larger than this, or making an answer of more texts, takes long enough to hold others up.
LARGE_BODY, LARGE_ANSWER = 32_768, 64
GAUGES_EVERY_S = 5.0

R = TypeVar("R")


class Service:
    """One replica's state: the registry it follows, the engine that scores, what it counts."""

    def __init__(self, arguments: Arguments, log: logging.Logger) -> None:
        """Open the registry; nothing is loaded before `start`.

        Raises:
            UserError: if the run or model is none.
        """
        self.arguments, self.log, self.telemetry = arguments, log, Telemetry()
        self._registry: Registry = open_registry(arguments.run)
        self._engines: dict[str, Engine] = {}
        self._aside = ThreadPoolExecutor(2, "aside")
        self._gauges: asyncio.Task[None] | None = None
        self.versions = Versions(self._registry, self._engine, log, self._swapped)

    async def start(self) -> None:
        """Load the current model, if there is one, and follow the registry from here on."""
        await self.versions.look()
        self.versions.follow(self.arguments.poll_s)
        self._gauges = asyncio.create_task(self._keep_gauges())

    async def close(self) -> None:
        if self._gauges is not None:
            self._gauges.cancel()
        await self.versions.close()
        for engine in self._engines.values():
            await engine.close()
        self._registry.close()

    async def classify(self, body: bytes) -> dict[str, object]:
        """Answer a request of `POST /v1/classify`.

        Raises:
            FaultError: if it cannot be answered.
        """
        version = self._version()
        if len(body) > LARGE_BODY:
            request, texts = await self._beside(self._read, body)
        else:
            request, texts = self._read(body)
        most = version.entry.max_chars
        engine = self._engine(version.entry.kind)
        deadline = self.arguments.limits.deadline_s
        proba = await engine.score(version.scorer, [text[:most].rstrip() for text in texts], deadline_s=deadline)
        threshold = self.arguments.threshold if request.threshold is None else request.threshold
        if len(texts) > LARGE_ANSWER:
            results = await self._beside(_results, version, proba, request.top_k, threshold)
        else:
            results = _results(version, proba, request.top_k, threshold)
        self._count(version, proba, threshold)
        if self.arguments.log_texts:
            self.log.info("texts", extra={"texts": texts, "labels": [result["label"] for result in results]})
        return {"model": {"name": version.entry.name, "version": version.entry.version}, "results": results}

    def overload(self) -> FaultError | None:
        """The refusal of a request that would wait too long whatever it asks, so that its body need not be read."""
        version = self.versions.current
        return None if version is None else self._engine(version.entry.kind).overload(1)

    @property
    def healthy(self) -> bool:
        """Whether all engines can go on."""
        return all(engine.healthy for engine in self._engines.values())

    def model(self) -> dict[str, object]:
        version = self._version()
        entry = version.entry
        found = entry.accuracy
        accuracy = None if found is None else {"value": found.value, "low": found.low, "high": found.high, "n": found.n}
        return {
            "name": entry.name,
            "version": entry.version,
            "kind": entry.kind,
            "base": entry.base,
            "labels": len(entry.labels),
            "examples": entry.examples,
            "loaded_at": version.loaded_at.isoformat(),
            "evaluation": None if accuracy is None else {"accuracy": accuracy},
        }

    def labels(self) -> dict[str, object]:
        entry = self._version().entry
        return {"labels": [{"name": label.name, "description": label.description} for label in entry.labels]}

    def readiness(self) -> dict[str, object]:
        current, failed = self.versions.current, self.versions.failed
        named = None if current is None else {"name": current.entry.name, "version": current.entry.version}
        lost = None if failed is None else {"name": failed.name, "error": failed.error, "at": failed.at.isoformat()}
        return {
            "ready": current is not None,
            "current": named,
            "loading": self.versions.loading,
            "failed": lost,
            "registry": self.versions.away or "ok",
        }

    async def feedback(self, body: bytes) -> tuple[bool, str]:
        """Store what a person said of an answer; return whether it is new, and its id.

        Raises:
            FaultError: if the label is none, or there is no run to keep it.
        """
        request = parse(FeedbackRequest, body)
        try:
            text = clean(request.text, self.arguments.limits)[0]
        except FaultError as fault:
            raise FaultError(fault.status, fault.code, fault.message.replace("texts.0", "text", 1)) from None
        run = self._registry.run
        if run is None:
            raise FaultError(409, "no_run", "a model's folder is served, not a run: there is nowhere to keep feedback")
        try:
            await self._beside(self._registry.require)
        except RunError as error:
            raise FaultError(503, "run_gone", f"{error}: there is nowhere to keep feedback") from None
        label = None if request.label is None else _own_label(request.label, run.config.task.to_task())
        id, new = await self._beside(run.store.add_feedback, text, label, request.who, request.predicted, request.model)
        if new:
            self.telemetry.feedback.labels("label" if label is not None else "wrong").inc()
        return new, id

    async def reload(self) -> dict[str, object]:
        """Look at the registry now; a new model is loaded after the answer."""
        looking = asyncio.create_task(self.versions.look())
        looking.add_done_callback(lambda task: task.exception())
        # One turn of the registry's thread says whether there is something to load.
        await asyncio.wait([looking], timeout=0.2)
        current = self.versions.current
        return {"current": None if current is None else current.entry.name, "loading": self.versions.loading}

    def _read(self, body: bytes) -> tuple[ClassifyRequest, list[str]]:
        request = parse(ClassifyRequest, body)
        return request, clean(request.texts, self.arguments.limits)

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

    async def _beside(self, call: Callable[..., R], *arguments: object) -> R:
        """Run what takes long in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._aside, call, *arguments)

    def _batched(self, texts: int, tokens: int, seconds: float) -> None:
        self.telemetry.batch_texts.observe(texts)
        self.telemetry.batch_tokens.observe(tokens)
        self.telemetry.batch_seconds.observe(seconds)

    def _swapped(self, well: bool) -> None:
        self.telemetry.swaps.labels("taken" if well else "failed").inc()

    def _count(self, version: Version, proba: Floats, threshold: float) -> None:
        best, confidence = proba.argmax(1).tolist(), proba.max(1).tolist()
        self.telemetry.texts.labels(version.entry.name).inc(len(best))
        for i in set(best):
            self.telemetry.labels.labels(version.entry.labels[i].name).inc(best.count(i))
        for value in confidence:
            self.telemetry.confidence.observe(value)
        self.telemetry.abstained.inc(sum(value < threshold for value in confidence))
        if version.drift is not None:
            version.drift.add(best, confidence)

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
                found = None if version.drift is None else version.drift.indices()
                if found is not None:
                    self.telemetry.drift.labels("labels").set(found[0])
                    self.telemetry.drift.labels("confidence").set(found[1])
            await asyncio.sleep(GAUGES_EVERY_S)


def _results(version: Version, proba: Floats, top_k: int, threshold: float) -> list[dict[str, object]]:
    """Make the results of (n, k) probabilities, the likeliest label of each text first."""
    top = min(top_k, proba.shape[1])
    order = np.argsort(-proba, axis=1, kind="stable")[:, :top]
    values = np.take_along_axis(proba, order, 1).astype(np.float64).round(6).tolist()
    names = [label.name for label in version.entry.labels]
    return [
        _result([names[i] for i in row], row_values, threshold)
        for row, row_values in zip(order.tolist(), values, strict=True)
    ]


def _result(labels: Sequence[str], values: Sequence[float], threshold: float) -> dict[str, object]:
    return {
        "label": labels[0],
        "confidence": values[0],
        "abstained": values[0] < threshold,
        "top": [{"label": label, "confidence": value} for label, value in zip(labels, values, strict=True)],
    }


def _own_label(text: str, task: Task) -> str:
    """Return the name of the task's label that a caller means, by its name or by another spelling of it.

    Raises:
        FaultError: 422 where it is none.
    """
    known = known_labels(task)
    found = None if known.find(text) is None else known.find_class(text)
    if found is None:
        names = known_names(text, task.names)
        raise FaultError(422, "invalid", f"label: {quoted(text)} is unknown; expected one of {names}")
    return found
