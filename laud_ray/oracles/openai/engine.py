"""Ask any endpoint with an OpenAI-compatible API, through the official client.

The client's own retries are off, because each retry must first be recorded in the ledger, and because a Retry-After
header must hold back all concurrent requests.
"""

import asyncio
import json
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from laud_ray.cluster.event_loop import complete
from laud_ray.config import LlmConfig
from laud_ray.oracles.account import answer_tokens, key_of, needs_confidence, no_confidence
from laud_ray.oracles.engines import Asked, CallRecorder, Request, all_refused
from laud_ray.oracles.openai.length import LongReplyError, bounded
from laud_ray.oracles.openai.parameters import consequence, form, parameters, refused
from laud_ray.oracles.openai.replies import (
    mistake,
    most_tokens,
    names_another,
    passing,
    read_completion,
    refused_all,
    unpaid,
    words,
)
from laud_ray.printable import quoted
from laud_ray.storage.backoff import asked_for, backoff
from laud_ray.storage.causes import causes, most_telling
from laud_ray.store.ledger import Answer

if TYPE_CHECKING:
    from openai import APIStatusError

logger = logging.getLogger(__name__)

LONGEST_WAIT = 120.0


def content(request: Request) -> str:
    """Return the prompt as it is sent, with a blank in anything that the endpoint could read as a control token."""
    return request.whole.replace("<|", "< |")


class OpenAiEngine:
    """Requests chat completions with bounded concurrency. Tests replace `sleep` and `clock`."""

    def __init__(
        self,
        config: LlmConfig,
        temperature: float,
        where: str = "oracle",
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config, self.where, self.key = config, where, key_of(config, where)
        self.sleep, self.clock = sleep, clock
        self.temperature = temperature
        # Parameters that the model does not accept. They are no longer sent.
        self.refused: dict[str, int | None] = {}
        self._noticed = False

    @property
    def parameters(self) -> dict[str, Any]:
        return parameters(self.config, self.temperature, self.refused)

    def parameters_of(self, request: Request) -> dict[str, Any]:
        """Return the parameters that are sent with a request: with the form of its answer, if that is an object."""
        return self.parameters | (form(request.options, self.refused) if request.prompt.each else {})

    @property
    def at_once(self) -> int:
        return max(64, 4 * self.config.concurrency)

    def ask(self, requests: Sequence[Request], recorder: CallRecorder) -> Asked:
        self.refused |= recorder.refused()
        self.require_confidence()
        return complete(_Asking(self, requests, recorder).go())

    def refuse(self, names: Mapping[str, int | None], reason: str, recorder: CallRecorder) -> None:
        """Leave parameters out for the rest of the run, and log it once if that changes answers."""
        new = {name: most for name, most in names.items() if name not in self.refused or most != self.refused[name]}
        self.refused |= new
        recorder.refuse(new)
        self.require_confidence(reason)
        for name in new:
            if (changed := consequence(name, self.refused)) is not None:
                logger.warning(
                    "%s: %s does not accept %s (%s): %s", self.where, self.config.model, name, reason, changed
                )

    def notice(self, model: object) -> None:
        """Log it once if the endpoint's first answer names another model than the configured one."""
        if not self._noticed and names_another(self.config.model, model):
            said = "was asked for, and the answers of the endpoint name another model"
            logger.warning("%s.model: %s %s: %s", self.where, self.config.model, said, quoted(model))
        self._noticed = True

    def require_confidence(self, reason: str = "") -> None:
        if "logprobs" in self.refused and needs_confidence(self.config):
            raise no_confidence(self.config, self.where, reason)


class _Asking:
    """One call of `ask`: workers take requests from one list until it is empty or there is a reason to wait."""

    def __init__(self, engine: OpenAiEngine, requests: Sequence[Request], recorder: CallRecorder) -> None:
        self._engine, self._config = engine, engine.config
        self._place = engine.config.base_url or "the endpoint"
        self._requests, self._recorder = requests, recorder
        self._rng = random.Random()
        self._answers: dict[str, Answer] = {}
        self._waiting: str | None = None
        self._open_at = 0.0
        self._answered = 0
        self._workers: list[asyncio.Task[None]] = []
        self._in_flight: set[asyncio.Task[Any] | None] = set()
        self._failures: list[Exception] = []
        self._changed = asyncio.Condition()

    async def go(self) -> Asked:
        import openai

        config = self._config
        async with openai.AsyncOpenAI(
            api_key=self._engine.key or "none",
            base_url=config.base_url,
            max_retries=0,
            timeout=config.timeout,
            http_client=openai.DefaultAsyncHttpxClient(event_hooks={"response": [bounded]}),
        ) as self._client:
            left = iter(self._requests)
            workers = min(config.concurrency, len(self._requests))
            self._workers = [asyncio.create_task(self._work(left)) for _ in range(workers)]
            try:
                await asyncio.gather(*self._workers, return_exceptions=True)
            finally:
                for worker in self._workers:
                    worker.cancel()
        if self._failures:
            raise most_telling(self._failures) from None
        reason = all_refused(self._answers)
        if reason and not self._recorder.answered():
            raise refused_all(self._place, reason, self._config, self._engine.where)
        return Asked(self._answers, self._waiting)

    async def _work(self, left: Iterator[Request]) -> None:
        try:
            for request in left:
                answer = await self._answer(request)
                if answer is not None:
                    self._answers[request.key] = answer
                if self._waiting or self._failures:
                    return
        except Exception as error:  # noqa: BLE001 - `go` raises it once the calls in flight, which cost money, have ended
            self._failures.append(error)
            for worker in self._workers:
                if worker is not asyncio.current_task() and worker not in self._in_flight:
                    worker.cancel()

    async def _answer(self, request: Request) -> Answer | None:
        """Get an answer, with retries; None leaves the request pending."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        before, tries, pauses = self._answered, 0, 0
        while True:
            await self._gate()
            number = await self._begin(request)
            if number is None:
                return None
            sent = self._engine.parameters_of(request)
            try:
                return await self._send(request, number, sent)
            except APIStatusError as error:
                wait, reason = asked_for(error.response.headers, time.time()), words(error, self._engine.key)
                self._recorder.fail(number, reason, billed=False)
                if names := refused(error, sent, request.text):
                    self._engine.refuse(names, reason, self._recorder)
                    continue
                if not passing(error):
                    return self._refused(error, reason, sent)
                stuck = error.status_code >= 500 and self._answered > before
                if error.status_code == 429 and self._answered > before:
                    # The endpoint still answers other requests, so its rate limit does not count as a failed try.
                    before, tries = self._answered, 0
            except (APIConnectionError, TimeoutError, ValueError) as error:
                endless = next((str(one) for one in causes(error) if isinstance(one, LongReplyError)), "")
                wait, reason = None, endless or str(error) or f"no answer in {self._config.timeout:g} s"
                # The request may have arrived and been billed.
                self._recorder.fail(number, reason, billed=True)
                stuck = isinstance(error, TimeoutError | APITimeoutError) and self._answered > before
            finally:
                await self._landed()
            if self._failures:
                return None
            tries, pauses = tries + 1, pauses + 1
            if tries > self._config.retries or (wait or 0) > LONGEST_WAIT:
                return self._give_up(reason, wait, tries, stuck=stuck)
            await self._pause(wait, pauses)

    async def _begin(self, request: Request) -> int | None:
        """Record a call; if it exceeds a cap, wait for the calls in flight, whose real cost is lower."""
        async with self._changed:
            while not (self._waiting or self._failures):
                number = self._recorder.begin(request, most_tokens(content(request)))
                if number is not None:
                    self._in_flight.add(asyncio.current_task())
                    self._changed.notify()
                    return number
                if not self._in_flight:
                    self._waiting = self._recorder.capped()
                    break
                await self._changed.wait()
            self._changed.notify_all()
        return None

    async def _landed(self) -> None:
        async with self._changed:
            self._in_flight.discard(asyncio.current_task())
            self._changed.notify()

    async def _send(self, request: Request, number: int, parameters: Mapping[str, Any]) -> Answer:
        began = self._engine.clock()
        try:
            async with asyncio.timeout(self._config.timeout):
                found = await self._client.chat.completions.create(
                    model=self._config.model, messages=[{"role": "user", "content": content(request)}], **parameters
                )
        except (json.JSONDecodeError, RecursionError):
            raise ValueError("the answer is not a chat completion: it is not JSON") from None
        completion = read_completion(found, content(request), answer_tokens(self._config))
        self._engine.notice(getattr(found, "model", None))
        self._answered += 1
        return self._recorder.finish(number, completion, self._engine.clock() - began)

    def _refused(self, error: "APIStatusError", reason: str, sent: Mapping[str, Any]) -> Answer | None:
        """Handle an error that a retry cannot mend: a user error, a reason to wait, or one document's abstention."""
        found = mistake(error, reason, self._config, self._engine.where, sent)
        if found is not None:
            raise found
        if unpaid(error):
            self._waiting = f"{self._engine.where}: {self._place} requires payment ({reason})"
            return None
        return Answer(None, reason=reason)

    def _give_up(self, reason: str, wait: float | None, tries: int, *, stuck: bool) -> Answer | None:
        """End the retries. If others were answered meanwhile (`stuck`), the document is at fault, else the endpoint."""
        if stuck:
            return Answer(None, reason=f"no answer in {tries} tries, the last one {reason}")
        more = f", which requests a wait of {wait:,.0f} s" if wait else ""
        self._waiting = self._waiting or (
            f"{self._engine.where}: no answer from {self._place} in {tries} tries "
            f"({reason}){more}; run the same command again to resume when it answers"
        )
        return None

    async def _pause(self, wait: float | None, pauses: int) -> None:
        """Wait before a retry. A wait that the server requests holds for all workers."""
        if wait is None:
            await self._engine.sleep(backoff(pauses - 1, self._rng))
        else:
            self._open_at = max(self._open_at, self._engine.clock() + wait)

    async def _gate(self) -> None:
        wait = self._open_at - self._engine.clock()
        if wait > 0:
            await self._engine.sleep(wait)
