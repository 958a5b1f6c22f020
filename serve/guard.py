"""Around every request: its id, who may ask, how much may be sent, one form for every error, the log and the counts."""

import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import Response

from serve.schemas import FaultError
from serve.telemetry import Telemetry
from serve.tokens import Tokens

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

# Whoever knows no token may ask whether the service lives, and open the page, which asks for one.
OPEN = {"/", "/page.css", "/page.js", "/page.svg", "/healthz", "/readyz", "/docs", "/openapi.json"}
CLASSIFY = "/v1/classify"
REQUEST_ID, FAULT = "x-request-id", "fault"
INTERNAL = "a fault of the service; its log says more"


class Guard:
    """ASGI middleware."""

    def __init__(
        self,
        app: App,
        *,
        tokens: Tokens,
        max_body_bytes: int,
        telemetry: Telemetry,
        log: logging.Logger,
        overload: Callable[[], FaultError | None] = lambda: None,
        name_requests: bool = True,
    ) -> None:
        """Wrap an application.

        Args:
            overload: the refusal of a text to classify, when too much waits; what is refused must cost little.
            name_requests: put the request's id into the answer; False where whoever is in front of it does.
        """
        self._name_requests, self._overload = name_requests, overload
        self._app, self._tokens, self._most = app, tokens, max_body_bytes
        self._telemetry, self._log = telemetry, log

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        id = _printable(headers.get(REQUEST_ID, "")) or uuid.uuid4().hex
        scope["state"] = {**scope.get("state", {}), REQUEST_ID: id}
        began, answered = time.perf_counter(), _Answer(send, id if self._name_requests else None)
        try:
            self._admit(scope, headers)
            await self._app(scope, _Bounded(receive, self._most), answered)
        except FaultError as fault:
            await refusal(fault, scope)(scope, receive, answered)
        except Exception:  # noqa: BLE001 - the service's edge: one request fails, the log says why
            self._telemetry.failures.inc()
            self._log.exception("a request failed", extra={"request_id": id})
            if answered.status is None:
                await refusal(FaultError(500, "internal", INTERNAL), scope)(scope, receive, answered)
        finally:
            seconds = time.perf_counter() - began
            path = getattr(scope.get("route"), "path", None) or (CLASSIFY if scope["path"] == CLASSIFY else "other")
            # A client that went away has no status: 499, as proxies write it.
            status = answered.status or 499
            self._telemetry.requests.labels(path, str(status)).inc()
            if FAULT in scope["state"]:
                self._telemetry.rejected.labels(scope["state"][FAULT]).inc()
            self._telemetry.seconds.labels(path).observe(seconds)
            if status != 429:  # of these there may be thousands a second: they are counted
                self._say(id, scope["method"], path, status, seconds)

    def _say(self, id: str, method: str, path: str, status: int, seconds: float) -> None:
        about = {"request_id": id, "method": method, "path": path, "status": status, "ms": round(1000 * seconds, 2)}
        self._log.info("request", extra=about)

    def _admit(self, scope: Message, headers: dict[str, str]) -> None:
        open_to_all = scope["path"] in OPEN or scope["method"] == "OPTIONS"
        if not open_to_all and not self._tokens.allow(headers.get("authorization")):
            raise FaultError(401, "unauthorized", "expected a header Authorization: Bearer with a token that counts")
        refused = self._overload() if scope["path"] == CLASSIFY else None
        if refused is not None:
            raise refused
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self._most:
            raise _too_large(int(length), self._most)


class _Bounded:
    """Receives a body no further than its limit, whatever its header said."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._most, self._size = receive, most, 0

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            if self._size > self._most:
                raise _too_large(self._size, self._most)
        return message


class _Answer:
    """Sends the answer, with the request's id if there is one to send, and remembers its status."""

    def __init__(self, send: Send, id: str | None) -> None:
        self._send, self._id = send, id
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._id is not None:
                message = {**message, "headers": [*message["headers"], (REQUEST_ID.encode(), self._id.encode())]}
        await self._send(message)


def refusal(fault: FaultError, scope: Message) -> Response:
    """The answer to a request that is refused."""
    scope["state"][FAULT] = fault.code
    error = {"code": fault.code, "message": fault.message, "request_id": scope["state"][REQUEST_ID]}
    headers = {}
    if fault.retry_after is not None:
        headers["retry-after"] = str(fault.retry_after)
    if fault.status == 401:
        headers["www-authenticate"] = "Bearer"
    if fault.status == 413:  # what is left of the body is not read
        headers["connection"] = "close"
    return Response(json.dumps({"error": error}), fault.status, headers, "application/json")


def _too_large(size: int, most: int) -> FaultError:
    return FaultError(413, "body_too_large", f"body: {size} bytes; expected at most {most}")


def _printable(id: str) -> str:
    return id if id.isascii() and id.isprintable() and len(id) <= 128 else ""
