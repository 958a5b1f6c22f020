"""The routes. What they do is in service.py, what goes around them in guard.py."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from laud_ray import __version__
from laud_ray.printable import quoted
from serve.guard import CLASSIFY, FEEDBACK, GONE, INTERNAL, TRUSTED, Guard, refusal
from serve.origin import Origins
from serve.pages import add_pages
from serve.schemas import (
    ClassifyRequest,
    ClassifyResponse,
    ErrorResponse,
    FaultError,
    FeedbackRequest,
    FeedbackResponse,
)
from serve.service import Service
from serve.tokens import Tokens

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse} for status in (401, 403, 408, 413, 415, 422, 429, 503, 504)
}


def make_api(service: Service, tokens: Tokens, *, name_requests: bool = True) -> Guard:
    """Make the ASGI application; it starts the service and closes it. name_requests as in `Guard`."""

    @asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.close()

    about = "A run's current classifier."
    api = FastAPI(
        title="laud_ray",
        description=about,
        version=__version__,
        redoc_url=None,
        docs_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )

    @api.post(CLASSIFY, openapi_extra=_body(ClassifyRequest), responses={200: {"model": ClassifyResponse}, **_ERRORS})
    async def classify(request: Request) -> Response:
        """Classify one text or a list; the answers come in the order of the texts.

        A text of a list that cannot be classified has an error in the place of its result. One that is sent alone,
        not in a list, is refused instead.
        """
        return Response(await service.classify(await request.body()), media_type="application/json")

    @api.get("/v1/model")
    async def model() -> Response:
        """The model that answers now, and how good it was on its run's evaluation sample."""
        return _json(service.model())

    @api.get("/v1/labels")
    async def labels() -> Response:
        return _json(service.labels())

    @api.post(FEEDBACK, openapi_extra=_body(FeedbackRequest), responses={201: {"model": FeedbackResponse}, **_ERRORS})
    async def feedback(request: Request) -> Response:
        """Say which label a text should have had, or that the one it got is wrong; the next round learns from it."""
        kept = await service.feedback(await request.body())
        return _json({"stored": True, "id": kept.id}, 201 if kept.new else 200)

    @api.post("/v1/reload", status_code=202)
    async def reload() -> Response:
        """Look at the registry now; the service also does it by itself, every few seconds."""
        return _json(await service.reload(), 202)

    @api.get("/healthz")
    async def alive() -> Response:
        """200 while the service can score; 503 when its engine has failed and the process has to be replaced."""
        return _json({"status": "alive"}) if service.failure is None else _json({"status": "failed"}, 503)

    @api.get("/readyz")
    async def ready(request: Request) -> Response:
        """Whether a model is loaded: which one, which one is being loaded, and the last that was not taken."""
        found = service.readiness(trusted=request.scope["state"][TRUSTED])
        return _json(found, 200 if found["ready"] else 503)

    @api.get("/metrics")
    def metrics() -> Response:
        return Response(service.telemetry.page(), media_type="text/plain; version=0.0.4")

    add_pages(api)

    @api.exception_handler(FaultError)
    async def refuse(request: Request, fault: FaultError) -> Response:
        return refusal(fault, request.scope)

    @api.exception_handler(ClientDisconnect)
    async def gone(_request: Request, _error: ClientDisconnect) -> Response:
        return Response(status_code=GONE)

    @api.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        return refusal(_unrouted(error, request.method, quoted(request.scope["path"], 200)), request.scope)

    @api.exception_handler(Exception)
    async def failed(request: Request, _error: Exception) -> Response:
        return refusal(FaultError(500, "internal", INTERNAL), request.scope)

    if service.arguments.cors_origins:
        api.add_middleware(
            CORSMiddleware,
            allow_origins=service.arguments.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type"],
        )
    return Guard(
        api,
        tokens=tokens,
        origins=Origins(service.arguments.allow_hosts, service.arguments.cors_origins),
        limits=service.arguments.limits,
        telemetry=service.telemetry,
        log=service.log,
        overload=service.overload,
        name_requests=name_requests,
    )


def _unrouted(error: HTTPException, method: str, path: str) -> FaultError:
    """Say that a path is none, or which methods it has."""
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{method}: is not a method of {path}; expected {allowed}"
        return FaultError(405, "method_not_allowed", message, headers={"allow": allowed})
    if error.status_code == 404:
        return FaultError(404, "not_found", f"{path}: no such path; expected one that GET /docs lists")
    return FaultError(error.status_code, "refused", f"{path}: {error.detail}")


def _json(value: object, status: int = 200) -> Response:
    return Response(json.dumps(value, allow_nan=False), status, media_type="application/json")


def _body(kind: type[ClassifyRequest] | type[FeedbackRequest]) -> dict[str, Any]:
    """The request's schema, for the documentation: bodies are read by hand, so that every mistake is one line."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": kind.model_json_schema()}}}}
