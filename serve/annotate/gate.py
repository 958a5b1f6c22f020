"""Around every request: who it is, where it comes from, how much may be sent, and one form for every error."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.requests import ClientDisconnect

from laud_ray.people.tokens import Person, PersonTokens
from laud_ray.printable import quoted
from serve.annotate.files import PATHS
from serve.origin import Origins, check_body_type
from serve.pages import HEADERS
from serve.refusals import response, too_large
from serve.schemas import FaultError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

PERSON = "person"
HEALTH = "/healthz"
MOST_BODY = 4 * 2**20
BODY_S = 10.0
_log = logging.getLogger(__name__)


class Gate:
    """ASGI middleware."""

    def __init__(self, app: App, *, tokens: PersonTokens | None, alone: Person, origins: Origins) -> None:
        """Wrap an application.

        Args:
            alone: who answers where no token is asked for.
        """
        self._app, self._tokens, self._alone, self._origins = app, tokens, alone, origins

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            scope["state"] = {**scope.get("state", {}), PERSON: self._admit(scope)}
            await self._app(scope, _Bounded(receive), answer)
        except ClientDisconnect:
            return
        except FaultError as fault:
            if not answer.begun:
                await response(fault)(scope, receive, answer)
        except Exception:  # noqa: BLE001 - the server's edge: one request fails, the log says why
            _log.exception("a request failed: %s %s", scope["method"], quoted(scope["path"]))
            if not answer.begun:
                await response(FaultError(500, "internal", "Internal error. The log of the server has the details."))(
                    scope, receive, answer
                )

    def _admit(self, scope: Message) -> Person | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        path, method = scope["path"], scope["method"]
        if path != HEALTH:
            self._origins.check(headers)
        person = self._alone if self._tokens is None else self._tokens.person(headers.get("authorization"))
        if person is None and path not in PATHS and path != HEALTH:
            raise FaultError(401, "unauthorized", "expected a header Authorization: Bearer with a person's token")
        if method not in ("GET", "HEAD", "OPTIONS"):
            check_body_type(headers)
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length[:20]) > MOST_BODY:
            raise too_large(int(length[:20]), MOST_BODY)
        return person


class _Bounded:
    """Receives a body no further than its limits of size and time, whatever its header said."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._size, self._whole = receive, 0, False
        self._until = asyncio.get_running_loop().time() + BODY_S

    async def __call__(self) -> Message:
        if self._whole:  # from here on it is waited for the client to go away
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise FaultError(408, "too_slow", f"body: did not come within {BODY_S:g} s") from None
        if message["type"] == "http.request":
            self._whole = not message.get("more_body", False)
            self._size += len(message.get("body", b""))
            if self._size > MOST_BODY:
                raise too_large(self._size, MOST_BODY)
        return message


class _Answer:
    """Sends an answer with the headers that every one has."""

    def __init__(self, send: Send) -> None:
        self._send, self.begun = send, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            named = {name.lower() for name, _ in message["headers"]}
            added = {**HEADERS, **({} if b"cache-control" in named else {"cache-control": "no-store"})}
            more = [(name.encode(), value.encode()) for name, value in added.items()]
            message = {**message, "headers": [*message["headers"], *more]}
        await self._send(message)
