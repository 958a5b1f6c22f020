"""The model that answers, and its replacement by a new one without interruption.

A new current model in the registry is loaded beside the old one and checked; then one reference is swapped. Requests
before the swap are answered by the old model, later ones by the new model. If the new model cannot be loaded or fails
a check, the old one stays in service.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from laud_ray.errors import ModelError
from laud_ray.stats.multilabel.rules import whole_set
from laud_ray.types import Floats, Indices, Scorer
from serve.depths import Depths
from serve.drift import Drift, baseline
from serve.engines import Engine
from serve.registry import Entry, Registry

# Texts of the evaluation sample in one call while a model is checked: few, since requests are waiting.
STEP = 4
# Seconds after which a failed model is tried again, since its storage may have been unreachable.
AGAIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Version:
    """A loaded model that passed its checks."""

    entry: Entry
    scorer: Scorer
    loaded_at: datetime
    drift: Drift | None
    depths: Depths


@dataclass(frozen=True, slots=True)
class Failed:
    """The last model that failed, and the reason."""

    name: str
    error: str
    at: datetime


class Versions:
    """Polls a registry and loads its current model.

    Attributes:
        current: the model that answers; None until the first one is loaded.
        loading: the name of the model that is being loaded.
        failed: the last model that failed; None after a successful load.
        away: why the registry cannot be read now; None while it can.
    """

    def __init__(
        self,
        registry: Registry,
        engine: Callable[[str], Engine],
        log: logging.Logger,
        swapped: Callable[[bool], None] = lambda well: None,
    ) -> None:
        """Create it; `look` loads the first model.

        Args:
            engine: returns the started engine for a kind of model, always the same one.
            swapped: called after every attempt to load a model, with its success.
        """
        self._registry, self._engine, self._log, self._swapped = registry, engine, log, swapped
        self._thread = ThreadPoolExecutor(1, "load")
        self._turn = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None
        self.current: Version | None = None
        self.loading: str | None = None
        self.failed: Failed | None = None
        self.away: str | None = None

    def follow(self, every_s: float) -> None:
        """Start to poll the registry."""
        self._follower = asyncio.create_task(self._follow(every_s))

    async def close(self) -> None:
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _follow(self, every_s: float) -> None:
        while True:
            await self.look()
            await asyncio.sleep(every_s)

    async def look(self) -> None:
        """Load the registry's current model if it has changed. After any failure the old model stays in service."""
        async with self._turn:
            loop = asyncio.get_running_loop()
            try:
                name, version = await loop.run_in_executor(self._thread, self._wanted)
            except Exception as error:  # noqa: BLE001 - the service's edge: the loaded model works without the registry
                if self.away is None:
                    self._log.warning("the registry cannot be read", extra={"error": _line(error)})
                self.away = _line(error)
                return
            self.away = None
            if name is None or self._serves(name, version) or self._gave_up(name):
                return
            self.loading = name
            try:
                loaded = await self._load(name)
            except Exception as error:  # noqa: BLE001 - the service's edge: a damaged model must not end the service
                self.failed = Failed(name, _line(error), datetime.now(UTC))
                self._log.error("a model could not be loaded", extra={"model": name, "error": _line(error)})
                self._swapped(False)
                return
            finally:
                self.loading = None
            before, self.current, self.failed = self.current, loaded, None
            self._log.info(
                "now serving", extra={"model": name, "version": loaded.entry.version, "before": _name(before)}
            )
            self._swapped(True)
            if before is not None:
                self._engine(before.entry.kind).release(before.scorer)

    def _wanted(self) -> tuple[str | None, str | None]:
        """Return the current model's name and the version of its files. Blocks."""
        name = self._registry.current()
        return name, None if name is None else self._registry.version(name)

    def _serves(self, name: str, version: str | None) -> bool:
        """Whether this version of a model is already in service."""
        entry = None if self.current is None else self.current.entry
        return entry is not None and entry.name == name and version in (None, entry.version)

    def _gave_up(self, name: str) -> bool:
        failed = self.failed
        return failed is not None and failed.name == name and (datetime.now(UTC) - failed.at).total_seconds() < AGAIN_S

    async def _load(self, name: str) -> Version:
        loop = asyncio.get_running_loop()
        entry = await loop.run_in_executor(self._thread, self._registry.entry, name)
        engine = self._engine(entry.kind)
        scorer = await loop.run_in_executor(self._thread, engine.open, entry)
        if tuple(scorer.labels) != entry.names:
            raise ModelError(f"{entry.folder}: the scorer has other labels than model.json; expected the same labels")
        best, confidence = await _try_out(engine, scorer, entry)
        expected = None
        if entry.weights is not None:
            expected = baseline(best, confidence, entry.weights, k=len(entry.names))
        depths = Depths(entry.name, entry.taxonomy, entry.evaluated, entry.promised, entry.seed)
        seen = None if expected is None and entry.reference is None else Drift(expected, entry.reference)
        return Version(entry, scorer, datetime.now(UTC), seen, depths)


async def _try_out(engine: Engine, scorer: Scorer, entry: Entry) -> tuple[Indices, Floats]:
    """Score the evaluation sample, or names of labels, to warm the model up and to check it.

    Returns:
        (n,) indices of the likeliest labels, and (n,) their probabilities; of a multilabel model, those of whole sets.
    """
    best, confidence = [], []
    for start in range(0, len(entry.texts), STEP):
        proba, _ = await engine.score(scorer, entry.texts[start : start + STEP], deadline_s=None)
        _check(proba, entry)
        best.append(proba.argmax(1))
        confidence.append(_confidence(proba, entry))
    return np.concatenate(best), np.concatenate(confidence)


def _check(proba: Floats, entry: Entry) -> None:
    expected = "finite probabilities that sum to 1" if entry.rules is None else "finite probabilities from 0 to 1"
    if entry.rules is None:
        fits = np.allclose(proba.sum(1), 1, atol=1e-3)
    else:
        fits = bool(((proba >= -1e-3) & (proba <= 1 + 1e-3)).all())
    if not (np.isfinite(proba).all() and fits):
        raise ModelError(f"{entry.folder}: the scores of the model are not valid; expected {expected}")


def _confidence(proba: Floats, entry: Entry) -> Floats:
    sure: Floats = proba.max(1) if entry.rules is None else whole_set(proba, entry.rules.applies(proba))
    return sure


def _name(version: Version | None) -> str | None:
    return None if version is None else version.entry.name


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
