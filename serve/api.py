"""The HTTP routes. `service` has their logic, `guard` the middleware around them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from laud_ray import __version__
from serve.guard import CLASSIFY, FEEDBACK, GONE, INTERNAL, PERSON, TRUSTED, Guard, refusal
from serve.origin import Origins
from serve.pages import add_pages
from serve.refusals import unrouted
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


_LABELS_QUERY = [
    {"name": name, "in": "query", "required": False, "description": text, "schema": schema}
    for name, text, schema in (
        ("offset", "How many labels to leave out from the beginning.", {"type": "integer", "minimum": 0}),
        ("limit", "How many labels to return.", {"type": "integer", "minimum": 1, "maximum": 1000}),
        ("contains", "Only labels with this text in their name, whatever its case.", {"type": "string"}),
    )
]


def make_api(service: Service, tokens: Tokens, *, name_requests: bool = True) -> Guard:
    """Create the ASGI application, which starts and closes the service. `name_requests` is as in `Guard`."""

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
        """Classify one text or a list. The results are in the order of the texts.

        A text of a list that cannot be classified has an error in place of its result. If a single text, not a list,
        cannot be classified, the request is refused.
        """
        return Response(await service.classify(await request.body()), media_type="application/json")

    @api.get("/v1/model")
    async def model() -> Response:
        """The current model, and its figures on the evaluation sample of its run."""
        return _json(service.model())

    @api.get("/v1/labels", openapi_extra={"parameters": _LABELS_QUERY})
    async def labels(request: Request) -> Response:
        """The labels of the current model, at most 1,000 in one response; `total` is how many there are."""
        return _json(await service.labels(request.query_params))

    @api.post(FEEDBACK, openapi_extra=_body(FeedbackRequest), responses={201: {"model": FeedbackResponse}, **_ERRORS})
    async def feedback(request: Request) -> Response:
        """Store the right label of a text, or that its prediction is wrong. The next round trains on it."""
        kept = await service.feedback(await request.body(), request.scope["state"].get(PERSON))
        return _json({"stored": True, "id": kept.id}, 201 if kept.new else 200)

    @api.post("/v1/reload", status_code=202)
    async def reload() -> Response:
        """Read the registry now. The service also polls it every few seconds."""
        return _json(await service.reload(), 202)

    @api.get("/healthz")
    async def alive() -> Response:
        """200 while the service can score; 503 when its engine has failed and the process has to be replaced."""
        return _json({"status": "alive"}) if service.failure is None else _json({"status": "failed"}, 503)

    @api.get("/readyz")
    async def ready(request: Request) -> Response:
        """Whether a model is loaded; its name, the model that is being loaded, and the last one that failed."""
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
        return refusal(
            unrouted(error, request.method, request.scope["path"], "one that GET /docs lists"), request.scope
        )

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


def _json(value: object, status: int = 200) -> Response:
    return Response(json.dumps(value, allow_nan=False), status, media_type="application/json")


def _body(kind: type[ClassifyRequest] | type[FeedbackRequest]) -> dict[str, Any]:
    """The schema of a request, for the documentation. Bodies are parsed in `request_body`, for one-line errors."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": kind.model_json_schema()}}}}
