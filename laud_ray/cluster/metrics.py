"""Publish a job's progress, rate, errors and spending through Ray's metrics.

Ray exports them on the metrics port of the job's node, for Prometheus to scrape. It adds the prefix `ray_`, and the
suffix `_total` to counters. Without Ray nothing is published. An error in publishing never ends a job.
"""

import logging
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

logger = logging.getLogger(__name__)

TAGS = ("kind", "run")
# Seconds between two updates of a step; a pass reports progress far more often.
EVERY_S = 1.0
GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "laud_job_done": ("Documents, answers or examples of the current step that are done.", ("step",)),
    "laud_job_expected": ("Documents, answers or examples of the current step.", ("step",)),
    "laud_job_rate": ("Documents, answers or examples a second, over the current step.", ("step",)),
    "laud_job_progress_time_seconds": ("When the job last moved, in seconds since 1970.", ()),
    "laud_job_round": ("The round that the job is in.", ()),
    "laud_job_model_info": ("1 for the newest model.", ("model",)),
    "laud_job_spend_dollars": ("Dollars spent on the oracle over the whole run.", ()),
    "laud_job_log_wealth": ("Log wealth of a test for drift after the last generation.", ("test",)),
    "laud_job_alarm": ("1 if a test for drift has an alarm.", ("test",)),
    "laud_job_new_accuracy": ("Accuracy of the current model on the newest generations that were asked about.", ()),
}
COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "laud_job_documents": ("Documents, answers or examples done since the job began.", ("step",)),
    "laud_job_errors": ("Documents that could not be scored.", ()),
    "laud_job_tokens": ("Tokens computed or bought, where they are known.", ()),
    "laud_job_generations": ("Generations that updates appended since the job began.", ()),
    "laud_job_decisions": ("Decisions of updates about models since the job began.", ("verdict",)),
}


@dataclass(slots=True)
class _Step:
    """The current step.

    Attributes:
        began: time of the first report, in seconds since 1970.
        first: the count in the first report, which includes what earlier attempts did; None before it.
        done: the largest count so far.
        published: time of the last update, in seconds since 1970; 0 before it.
    """

    name: str
    began: float
    first: int | None = None
    done: int = 0
    published: float = 0.0


class JobMetrics:
    """The metrics of one job of one run.

    Args:
        kind: what the job does, such as run or relabel.
        run: the storage of the run.
    """

    def __init__(self, kind: str, run: str, clock: Callable[[], float] = time.time) -> None:
        self._tags, self._clock = {"kind": kind, "run": run}, clock
        self._step = _Step(kind, clock())
        self._model: str | None = None
        self._broken = False

    def begin(self, step: str) -> None:
        """Begin a step, such as score. A job that never calls this is one step, named after its kind."""
        self._step = _Step(step, self._clock())
        self._set("laud_job_progress_time_seconds", self._clock())

    def progress(self, done: int, total: int) -> None:
        """Report that `done` of `total` are done; both include what earlier attempts of the job did."""
        step, now = self._step, self._clock()
        if step.first is None:
            step.first = step.done = done
            step.began = now
        if done < total and now - step.published < EVERY_S and step.published:
            return
        step.published = now
        tags = {"step": step.name}
        if done > step.done:
            self._add("laud_job_documents", done - step.done, tags)
        step.done = max(done, step.done)
        self._set("laud_job_done", done, tags)
        self._set("laud_job_expected", total, tags)
        if now > step.began:
            self._set("laud_job_rate", (done - step.first) / (now - step.began), tags)
        self._set("laud_job_progress_time_seconds", now)

    def errors(self, n: int) -> None:
        """Add n documents that could not be scored."""
        self._add("laud_job_errors", n)

    def tokens(self, n: int) -> None:
        """Add n tokens that were computed or bought."""
        self._add("laud_job_tokens", n)

    def spend(self, dollars: float) -> None:
        """Set the dollars spent on the oracle over the whole run."""
        self._set("laud_job_spend_dollars", dollars)

    def update(
        self,
        *,
        appended: bool,
        wealth: Mapping[str, float],
        alarms: Collection[str],
        accuracy: float | None,
        verdict: str | None,
    ) -> None:
        """Report an update.

        Args:
            appended: whether it appended a generation.
            wealth: the log wealth of each test that was done.
            alarms: the tests with an alarm.
            accuracy: on new documents, in [0, 1]; None if none was measured.
            verdict: promote or keep; None if nothing was decided.
        """
        self._add("laud_job_generations", int(appended))
        for test, value in wealth.items():
            self._set("laud_job_log_wealth", value, {"test": test})
            self._set("laud_job_alarm", int(test in alarms), {"test": test})
        if accuracy is not None:
            self._set("laud_job_new_accuracy", accuracy)
        if verdict is not None:
            self._add("laud_job_decisions", 1, {"verdict": verdict})

    def round(self, n: int, model: str | None = None) -> None:
        """Set the current round, and the name of the newest model."""
        self._set("laud_job_round", n)
        if model is None:
            return
        if self._model not in (None, model):
            self._set("laud_job_model_info", 0, {"model": str(self._model)})
        self._model = model
        self._set("laud_job_model_info", 1, {"model": model})

    @cached_property
    def _metrics(self) -> dict[str, Any]:
        from ray.util.metrics import Counter, Gauge

        made: dict[str, Any] = {}
        for kind, named in ((Gauge, GAUGES), (Counter, COUNTERS)):
            made |= {name: kind(name, says, tag_keys=TAGS + more) for name, (says, more) in named.items()}
        return made

    def _set(self, name: str, value: float, tags: Mapping[str, str] | None = None) -> None:
        self._safely(lambda: self._metrics[name].set(float(value), self._tags | dict(tags or {})))

    def _add(self, name: str, value: float, tags: Mapping[str, str] | None = None) -> None:
        if value > 0:  # Ray raises for other increments
            self._safely(lambda: self._metrics[name].inc(float(value), self._tags | dict(tags or {})))

    def _safely(self, record: Callable[[], None]) -> None:
        ray = sys.modules.get("ray")  # not imported here: a command with nothing to do ends sooner without Ray
        if self._broken or ray is None or not ray.is_initialized():
            return
        try:
            record()
        except (RuntimeError, ValueError, TypeError, OSError, ray.exceptions.RayError) as error:
            self._broken = True
            logger.warning("metrics are switched off: %s", error)
