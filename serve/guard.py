"""The middleware around every request: request id, authentication, limits, one form of errors, log and metrics."""

import asyncio
import logging
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import Response

from serve.arguments import Limits
from serve.incoming import REQUEST_ID, printable
from serve.origin import Origins, check_body_type
from serve.pages import HEADERS, PATHS
from serve.refusals import response, too_large
from serve.schemas import FaultError
from serve.telemetry import Telemetry
from serve.tokens import Tokens

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

# Paths that need no token: health checks, and the page, which asks the user for a token.
OPEN = PATHS | {"/healthz", "/readyz", "/openapi.json"}
# Paths of health checks, which accept any Host header.
PROBES = {"/healthz", "/readyz"}
CLASSIFY, FEEDBACK = "/v1/classify", "/v1/feedback"
FAULT, TRUSTED, PERSON = "fault", "trusted", "person"
INTERNAL = "Internal error. The service log has the details under this request id."
# The status in log and metrics for a client that closed the connection, as proxies write it.
GONE = 499
# The number of bodies of the largest size that may be in memory at once.
MOST_BODIES = 16
# The most seconds that a body may lag behind this rate of bytes per second, since a slow sender occupies the replica.
BEHIND_S, LEAST_RATE = 2.0, 65_536


class Guard:
    """The ASGI middleware around every request."""

    def __init__(
        self,
        app: App,
        *,
        tokens: Tokens,
        origins: Origins,
        limits: Limits,
        telemetry: Telemetry,
        log: logging.Logger,
        overload: Callable[[], FaultError | None] = lambda: None,
        name_requests: bool = True,
    ) -> None:
        """Wrap an application.

        Args:
            overload: returns the 429 error if too many texts wait. It is called before the body is read.
            name_requests: add the request id to the response; False if the proxy in front of the service does.
        """
        self._name_requests, self._overload = name_requests, overload
        self._app, self._tokens, self._origins, self._limits = app, tokens, origins, limits
        self._bodies = _Bodies(MOST_BODIES * limits.max_body_bytes)
        self._telemetry, self._log = telemetry, log

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        id = printable(headers.get(REQUEST_ID, "")) or uuid.uuid4().hex
        scope["state"] = {**scope.get("state", {}), REQUEST_ID: id}
        began, answered = time.perf_counter(), _Answer(send, id if self._name_requests else None)
        receiving = _Bounded(receive, self._limits, self._bodies)
        try:
            self._admit(scope, headers)
            await self._app(scope, receiving, answered)
        except FaultError as fault:
            await refusal(fault, scope)(scope, receive, answered)
        except Exception as error:  # noqa: BLE001 - the service's edge: one request fails, the log says why
            self._failed(id, error)
            if answered.status is None:
                await refusal(FaultError(500, "internal", INTERNAL), scope)(scope, receive, answered)
        finally:
            receiving.release()
            seconds = time.perf_counter() - began
            path = getattr(scope.get("route"), "path", None) or (CLASSIFY if scope["path"] == CLASSIFY else "other")
            status = answered.status or GONE
            self._telemetry.requests.labels(path, str(status)).inc()
            if FAULT in scope["state"]:
                self._telemetry.rejected.labels(scope["state"][FAULT]).inc()
            self._telemetry.seconds.labels(path).observe(seconds)
            if status != 429:  # there may be thousands of these per second, so they are only counted
                self._log_request(id, scope["method"], path, status, seconds)

    def _log_request(self, id: str, method: str, path: str, status: int, seconds: float) -> None:
        about = {"request_id": id, "method": method, "path": path, "status": status, "ms": round(1000 * seconds, 2)}
        self._log.info("request", extra=about)

    def _failed(self, id: str, error: Exception) -> None:
        """Log the traceback of an error without its message, which may quote the request."""
        self._telemetry.failures.inc()
        where = "".join(traceback.format_tb(error.__traceback__))
        self._log.error("a request failed", extra={"request_id": id, "error": type(error).__name__, "traceback": where})

    def _admit(self, scope: Message, headers: dict[str, str]) -> None:
        path, method = scope["path"], scope["method"]
        if self._tokens.any:
            scope["state"][TRUSTED] = self._tokens.allow(headers.get("authorization"))
            scope["state"][PERSON] = self._tokens.person(headers.get("authorization"))
            if path not in OPEN and method != "OPTIONS" and not scope["state"][TRUSTED]:
                message = "expected a header Authorization: Bearer with a token that counts"
                raise FaultError(401, "unauthorized", message)
        else:
            scope["state"][TRUSTED] = self._origins.is_ours(headers.get("host", ""))
            if path not in PROBES:
                self._origins.check(headers)
        if method == "POST" and path in (CLASSIFY, FEEDBACK):
            check_body_type(headers)
        refused = self._overload() if path == CLASSIFY else None
        if refused is not None:
            raise refused
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length[:20]) > self._limits.max_body_bytes:
            raise too_large(int(length[:20]), self._limits.max_body_bytes)


class _Bodies:
    """Counts the bytes of all bodies in memory."""

    def __init__(self, most: int) -> None:
        self.most, self.size = most, 0


class _Bounded:
    """Receives a body within the limits of size and time, whatever its Content-Length is."""

    def __init__(self, receive: Receive, limits: Limits, bodies: _Bodies) -> None:
        self._receive, self._limits, self._bodies = receive, limits, bodies
        self._began = asyncio.get_running_loop().time()
        self._size, self._whole = 0, False

    async def __call__(self) -> Message:
        if self._whole:  # the next message is the client's disconnect
            return await self._receive()
        seconds = min(BEHIND_S + self._size / LEAST_RATE, self._limits.deadline_s)
        try:
            async with asyncio.timeout_at(self._began + seconds):
                message = await self._receive()
        except TimeoutError:
            expected = f"the whole, or {LEAST_RATE} bytes a second"
            line = f"body: {self._size} bytes came in {seconds:.3g} s; expected {expected}"
            raise FaultError(408, "too_slow", line) from None
        if message["type"] == "http.request":
            self._whole = not message.get("more_body", False)
            self._take(len(message.get("body", b"")))
        return message

    def _take(self, size: int) -> None:
        self._size += size
        self._bodies.size += size
        if self._size > self._limits.max_body_bytes:
            raise too_large(self._size, self._limits.max_body_bytes)
        if self._bodies.size > self._bodies.most:
            message = f"bodies of {self._bodies.size} bytes are in work; expected at most {self._bodies.most}"
            raise FaultError(429, "overloaded", message)

    def release(self) -> None:
        """Release the memory of the body after the request was answered."""
        self._bodies.size -= self._size


class _Answer:
    """Sends the response with additional headers, and records its status."""

    def __init__(self, send: Send, id: str | None) -> None:
        self._send, self._id = send, id
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            added = HEADERS if self._id is None else {**HEADERS, REQUEST_ID: self._id}
            more = [(name.encode(), value.encode()) for name, value in added.items()]
            message = {**message, "headers": [*message["headers"], *more]}
        await self._send(message)


def refusal(fault: FaultError, scope: Message) -> Response:
    """Return the response to a refused request."""
    scope["state"][FAULT] = fault.code
    return response(fault, request_id=scope["state"][REQUEST_ID])
