"""The routes of `laud annotate`. What they do is in work.py, what goes around them in gate.py."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from laud_ray.people.tokens import Person, PersonTokens
from serve.annotate.files import add_files
from serve.annotate.gate import HEALTH, PERSON, Gate
from serve.annotate.wire import DecisionIn, HeldIn, NextIn, VotesIn
from serve.annotate.work import Work
from serve.origin import Origins
from serve.refusals import response, unrouted
from serve.request_body import parse
from serve.schemas import FaultError, Wire

Sent = TypeVar("Sent", bound=Wire)


def make_app(work: Work, *, tokens: PersonTokens | None, alone: Person, origins: Origins) -> Gate:
    """Make the ASGI application."""
    api = FastAPI(
        title="laud annotate",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    add_files(api)
    _add_reads(api, work)
    _add_writes(api, work)

    @api.exception_handler(FaultError)
    async def refuse(_request: Request, fault: FaultError) -> Response:
        return response(fault)

    @api.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        return response(unrouted(error, request.method, request.scope["path"], "/ or one under /v1/"))

    return Gate(api, tokens=tokens, alone=alone, origins=origins)


def _add_reads(api: FastAPI, work: Work) -> None:
    @api.get(HEALTH)
    async def healthz() -> Response:
        return _json({"ok": True})

    @api.get("/v1/me")
    async def me(request: Request) -> Response:
        return _json(await work.me(_person(request)))

    @api.get("/v1/labels")
    async def labels(request: Request) -> Response:
        body = json.dumps(await work.labels(), ensure_ascii=False).encode()
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {"etag": tag, "cache-control": "private, no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    @api.get("/v1/nodes")
    async def nodes(request: Request) -> Response:
        return _json(await work.nodes(dict(request.query_params)))

    @api.get("/v1/progress")
    async def progress(request: Request) -> Response:
        return _json(await work.progress(_person(request)))

    @api.get("/v1/proposals")
    async def proposals(request: Request) -> Response:
        return _json(await work.proposals(_person(request)))

    @api.get("/v1/history")
    async def history(request: Request) -> Response:
        return _json(await work.history(_person(request)))

    @api.get("/v1/examples")
    async def examples(request: Request) -> Response:
        return _json(await work.examples(request.query_params.get("question", "")))


def _add_writes(api: FastAPI, work: Work) -> None:
    def route(path: str, kind: type[Sent], do: Callable[[Person, Sent], Awaitable[dict[str, Any]]]) -> None:
        async def endpoint(request: Request) -> Response:
            return _json(await do(_person(request), parse(kind, await request.body())))

        api.add_api_route(path, endpoint, methods=["POST"])

    route("/v1/next", NextIn, work.next)
    route("/v1/votes", VotesIn, work.votes)
    route("/v1/renew", HeldIn, work.renew)
    route("/v1/release", HeldIn, work.release)
    route("/v1/proposals", DecisionIn, work.decide)


def _person(request: Request) -> Person:
    person: Person = request.scope["state"][PERSON]
    return person


def _json(value: object) -> Response:
    return Response(json.dumps(value, allow_nan=False), media_type="application/json")
