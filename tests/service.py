"""A small service on loopback that follows the HTTP API, and does what a test tells it instead."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.endpoint import Reply

MOST_TEXTS, MOST_BYTES = 1024, 4 * 2**20
Trouble = Reply | Literal["hang", "drop"] | None


@dataclass(frozen=True)
class Seen:
    path: str
    body: dict
    size: int
    headers: dict[str, str]

    @property
    def texts(self) -> list[str]:
        return self.body["texts"]


@dataclass
class Service:
    """What a service is told, and what it saw. `trouble` is asked before each answer, with the requests until then."""

    trouble: Callable[[Seen, int], Trouble] = lambda seen, number: None
    token: str | None = None
    versions: list[str] = field(default_factory=list)
    together: int = 1  # answers wait until so many requests are there
    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0


def refusal(status: int, code: str, message: str, **headers: str) -> Reply:
    error = {"code": code, "message": message, "request_id": "req-1"}
    return Reply(status, {"error": error}, {name.replace("_", "-"): value for name, value in headers.items()})


def overloaded(after: str = "2") -> Reply:
    return refusal(429, "overloaded", "too many requests", retry_after=after)


class _Dropped(Response):
    """Promises a body and closes the connection instead."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})


class _Hanging(Response):
    """Nothing, until the client has gone."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


def _answered(reply: Reply) -> Response:
    text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
    kind = "text/plain" if isinstance(reply.body, str) else "application/json"
    return Response(text, reply.status, {"x-request-id": "req-1", **reply.headers}, kind)


def _result(text: str, top_k: int, threshold: float) -> dict:
    """The label of a text is the text, so that a test sees whose answer it got."""
    top = [{"label": text, "confidence": 0.8}, {"label": "other", "confidence": 0.15}, {"label": "b", "confidence": 0}]
    return {"label": text, "confidence": 0.8, "abstained": threshold > 0.8, "top": top[:top_k]}


def _app(service: Service) -> FastAPI:
    app = FastAPI()
    gathered = asyncio.Barrier(service.together)

    async def see(request: Request) -> tuple[Seen, Response | None]:
        data = await request.body()
        found = Seen(request.url.path, json.loads(data or b"{}"), len(data), dict(request.headers))
        service.seen.append(found)
        trouble = service.trouble(found, len(service.seen) - 1)
        if isinstance(trouble, Reply):
            return found, _answered(trouble)
        if trouble is not None:
            return found, _Hanging() if trouble == "hang" else _Dropped()
        if service.token and found.headers.get("authorization") != f"Bearer {service.token}":
            return found, _answered(refusal(401, "unauthorized", "expected a bearer token"))
        if found.size > MOST_BYTES:
            return found, _answered(refusal(413, "body_too_large", f"{found.size} bytes, at most {MOST_BYTES}"))
        return found, None

    @app.post("/v1/classify")
    async def classify(request: Request) -> Response:
        service.at_once += 1
        service.most_at_once = max(service.most_at_once, service.at_once)
        try:
            seen, response = await see(request)
            if response:
                return response
            top_k, threshold = seen.body.get("top_k", 3), seen.body.get("threshold", 0.0)
            if not 1 <= top_k <= 3:
                return _answered(refusal(422, "invalid", f"top_k: found {top_k}, expected 1 to 3"))
            if len(seen.texts) > MOST_TEXTS:
                return _answered(refusal(413, "too_many_texts", f"{len(seen.texts)} texts, at most {MOST_TEXTS}"))
            await gathered.wait()
            version = service.versions.pop(0) if service.versions else "1"
            results = [_result(text, top_k, threshold) for text in seen.texts]
            model = {"name": f"round-000{version}", "version": f"v{version}"}
            return _answered(Reply(200, {"model": model, "results": results}))
        finally:
            service.at_once -= 1

    @app.post("/v1/feedback")
    async def feedback(request: Request) -> Response:
        seen, response = await see(request)
        known = [each.body for each in service.seen[:-1] if each.path == seen.path]
        return response or _answered(
            Reply(200 if seen.body in known else 201, {"stored": True, "id": "feedback-0123456789abcdef"})
        )

    @app.get("/v1/model")
    async def model(request: Request) -> Response:
        accuracy = {"value": 0.9, "low": 0.86, "high": 0.93, "n": 300}
        body = {"name": "round-0001", "version": "v1", "kind": "encoder", "base": "bundled", "labels": 2}
        body |= {"examples": 120, "loaded_at": "2026-01-01T00:00:00Z", "evaluation": {"accuracy": accuracy}}
        return (await see(request))[1] or _answered(Reply(200, body))

    @app.get("/v1/labels")
    async def labels(request: Request) -> Response:
        body = {"labels": [{"name": "Milk", "description": None}, {"name": "Tea", "description": "leaves"}]}
        return (await see(request))[1] or _answered(Reply(200, body))

    @app.get("/readyz")
    async def ready(request: Request) -> Response:
        return (await see(request))[1] or _answered(Reply(200, {"ready": True, "current": None, "loading": None}))

    return app


@contextmanager
def serving(service: Service) -> Iterator[Service]:
    """Serve on a free port; requests that come before the server has started wait for it."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        service.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        settings = uvicorn.Config(
            _app(service),
            log_level="critical",
            lifespan="off",
            ws="none",
            date_header=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=5,  # a request that waits for others in vain must not hang the tests
        )
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield service
        finally:
            server.should_exit = True
            thread.join()
