"""Ask the engines of a model: send prompts, record answers as they arrive, and replace an engine that dies.

When an engine dies, the calls in it are recorded as failed, and their requests are asked again on a new engine, each
alone. A request with which an engine has died DEATHS times is set aside as refused. In between, a prompt without a text
shows that the new engine works; if engines die of that one too, no request is to blame, and the call ends.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from laud_ray.config import LlmConfig
from laud_ray.errors import ModelError
from laud_ray.models.language.engine import EngineSettings
from laud_ray.models.language.replica import Exchange, Prompted
from laud_ray.models.language.warm import POOL, Handle
from laud_ray.oracles.engines import Asked, CallRecorder, Request
from laud_ray.oracles.vllm.calls import DEATHS, Calls, Row, choice
from laud_ray.oracles.vllm.faults import keeps_dying, not_started
from laud_ray.printable import first_line

logger = logging.getLogger(__name__)

# Prompts in an engine at once, as a multiple of the configuration's concurrency.
BATCHES = 8
# The number of the prompt that shows whether an engine works.
CONTROL = -1


def ask(
    rows: Sequence[Row],
    control: Sequence[int],
    sampling: Mapping[str, Any],
    settings: EngineSettings,
    config: LlmConfig,
    recorder: CallRecorder,
    where: str,
) -> Asked:
    """Get answers to requests from a model's engines, which are started if they are not running.

    Args:
        rows: the requests.
        control: token ids of a prompt that every working engine can answer.
        sampling: as for `Replica.exchange`.
        settings: of the engines.
        config: of the oracle.
        recorder: records each call before it is sent, and again when it is answered or lost.
        where: the key of the configuration, for messages.

    Raises:
        ModelError: if an engine does not start, or engines die repeatedly.
        ConfigError: if there is no GPU for the engine.
    """
    calls = Calls(rows, recorder)
    # A cap that was reached before must not cost the start of an engine.
    if not calls.begin_first():
        return Asked({}, recorder.capped())
    try:
        with POOL.lend(settings, config.replicas) as handles:
            _Asking(calls, control, sampling, settings, config, handles, where).go()
    finally:
        calls.give_up()
    return Asked(calls.answers, calls.waiting)


@dataclass(slots=True)
class _Lane:
    """An engine and the rows in it.

    Attributes:
        awaited: the reference to the end of its start or exchange; None if it does nothing.
        deaths: deaths of its engines since the last result.
        proven: whether the engine may be asked; one that replaces a dead one has to answer the control first.
    """

    handle: Handle
    rows: set[int] = field(default_factory=set)
    awaited: Any = None
    deaths: int = 0
    proven: bool = True


class _Asking:
    """One call of `ask`."""

    def __init__(
        self,
        calls: Calls,
        control: Sequence[int],
        sampling: Mapping[str, Any],
        settings: EngineSettings,
        config: LlmConfig,
        handles: list[Handle],
        where: str,
    ) -> None:
        self._calls, self._sampling, self._where = calls, dict(sampling), where
        self._control = Prompted(CONTROL, control, 0)
        self._settings, self._config, self._handles = settings, config, handles
        self._lanes = [_Lane(handle) for handle in handles]
        share = -(-len(calls.rows) // len(handles))
        self._window = max(1, min(BATCHES * config.concurrency, share))

    def go(self) -> None:
        """Ask until every request has an answer or a reason to wait.

        Raises:
            ModelError: if an engine does not start, or engines die repeatedly.
        """
        import ray

        try:
            while not self._calls.is_over:
                for lane in self._lanes:
                    self._feed(lane)
                awaited = {lane.awaited: lane for lane in self._lanes if lane.awaited is not None}
                if awaited:
                    ready, _ = ray.wait(list(awaited), num_returns=1)
                    self._receive(awaited[ready[0]])
        finally:
            for lane in self._lanes:
                if lane.rows:  # after an error; its results would come in the middle of a later call
                    lane.handle.kill()

    def _feed(self, lane: _Lane) -> None:
        """Send the lane's engine what it is ready for."""
        if lane.awaited is not None:
            return
        if not lane.handle.is_started:
            lane.awaited = lane.handle.starting
        elif not lane.proven:
            lane.awaited = lane.handle.exchange([self._control], self._sampling)
        else:
            new = self._calls.take(self._window - len(lane.rows), alone=not lane.rows)
            lane.rows.update(new)
            if lane.rows:
                given = (self._calls.rows[row] for row in new)
                prompts = [
                    Prompted(row, ids, seed, self._choice(request))
                    for row, (request, ids, seed) in zip(new, given, strict=True)
                ]
                lane.awaited = lane.handle.exchange(prompts, self._sampling)

    def _choice(self, request: Request) -> tuple[str, ...]:
        """Return what the answer is restricted to if the request has options of its own."""
        restricted = "choice" in self._sampling and request.own
        return choice(request.own, request.prompt.unsure) if restricted else ()

    def _receive(self, lane: _Lane) -> None:
        """Take what a lane's engine has finished."""
        import ray
        from ray.exceptions import RayError

        awaited, lane.awaited = lane.awaited, None
        try:
            found: Exchange | None = ray.get(awaited)
        except (RayError, ModelError) as error:
            self._died(lane, _reason(error), fails_to_start=isinstance(error, ModelError))
            return
        if found is None:
            lane.handle.is_started = True
            return
        for one in found.found:
            lane.deaths, lane.proven = 0, True
            if one.number != CONTROL:
                lane.rows.discard(one.number)
                self._calls.finish(one.number, one)
        if found.ended is not None:
            self._died(lane, found.ended)

    def _died(self, lane: _Lane, cause: str, *, fails_to_start: bool = False) -> None:
        """Replace the engine of a lane.

        Raises:
            ModelError: if the model does not start, or engines die repeatedly.
        """
        lane.handle.kill()
        if fails_to_start and lane.proven:
            raise not_started(self._config, self._where, cause)
        lane.deaths += 1
        if len(lane.rows) > 1:
            # If the engine has died of their number, fewer are better.
            self._window = max(1, self._window // 4)
        logger.warning(
            "the engine of %s ended: %s; %d calls are asked again", self._config.model, cause, len(lane.rows)
        )
        self._calls.lose(sorted(lane.rows), cause)
        lane.rows.clear()
        place = self._handles.index(lane.handle)
        if lane.deaths < DEATHS:
            lane.handle = self._handles[place] = POOL.start(self._settings)
            lane.proven = False
            return
        # The node of this engine may be at fault; the other engines continue.
        del self._handles[place]
        self._lanes.remove(lane)
        if not self._lanes:
            raise keeps_dying(self._config, self._where, lane.deaths, cause)


def _reason(error: Exception) -> str:
    """Return in a line why an actor could not be asked: its own error, or Ray's."""
    from ray.exceptions import ActorDiedError, OutOfMemoryError

    if isinstance(error, ActorDiedError):
        return "its worker process died"
    if isinstance(error, OutOfMemoryError):
        return "Ray ended it because its node ran out of memory"
    return first_line(getattr(error, "cause", None) or error)
