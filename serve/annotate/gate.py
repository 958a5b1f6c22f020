"""Around every request: who it is, where it comes from, how much may be sent, and one form for every error."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from laud_ray.people.tokens import Person, PersonTokens
from laud_ray.printable import quoted
from serve.annotate.files import PATHS
from serve.origin import Origins, check_body_type
from serve.pages import HEADERS
from serve.schemas import FaultError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

PERSON = "person"
HEALTH = "/healthz"
MOST_BODY = 4 * 2**20
BODY_S = 10.0
# Refusals after which what is left of a body is not read.
_UNREAD = {401, 403, 408, 413, 415}
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
                await refusal(fault)(scope, receive, answer)
        except Exception:  # noqa: BLE001 - the server's edge: one request fails, the log says why
            _log.exception("a request failed: %s %s", scope["method"], quoted(scope["path"]))
            if not answer.begun:
                await refusal(FaultError(500, "internal", "Internal error. The log of the server has the details."))(
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
            raise _too_large(int(length[:20]))
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
                raise _too_large(self._size)
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


def refusal(fault: FaultError) -> Response:
    """The answer to a request that is refused."""
    headers = dict(fault.headers)
    if fault.retry_after is not None:
        headers["retry-after"] = str(fault.retry_after)
    if fault.status == 401:
        headers["www-authenticate"] = "Bearer"
    if fault.status in _UNREAD:
        headers["connection"] = "close"
    body = json.dumps({"error": {"code": fault.code, "message": fault.message}})
    return Response(body, fault.status, headers, "application/json")


def unrouted(error: HTTPException, method: str, path: str) -> FaultError:
    """Say that a path is none, or which methods it has."""
    shown = quoted(path, 200)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{method}: is not a method of {shown}; expected {allowed}"
        return FaultError(405, "method_not_allowed", message, headers={"allow": allowed})
    if error.status_code == 404:
        return FaultError(404, "not_found", f"{shown}: no such path; expected / or one under /v1/")
    return FaultError(error.status_code, "refused", f"{shown}: {error.detail}")


def _too_large(size: int) -> FaultError:
    return FaultError(413, "body_too_large", f"body: {size} bytes; expected at most {MOST_BODY}")
