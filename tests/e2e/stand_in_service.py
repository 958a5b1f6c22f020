"""A small classifier service that follows the HTTP contract of `serve/`, for the page's test."""

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response

SERVE = Path(__file__).parents[2] / "serve"
LABELS = ("Butter & Spreads", "Cheese", "Coffee & Tea", "Milk & Cream", "Yogurt & Desserts")
MODEL = {"name": "round-0003", "version": "9f1c2ab34d5e"}
POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
ACCURACY = {"value": 0.864, "low": 0.821, "high": 0.9, "n": 300}


def probabilities(text: str) -> dict[str, float]:
    """The same text gets the same probabilities; the likeliest label comes first."""
    digest = hashlib.sha256(text.encode()).digest()
    weights = [(1 + digest[i]) ** 3 for i in range(len(LABELS))]
    found = {label: weight / sum(weights) for label, weight in zip(LABELS, weights, strict=True)}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def error(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message, "request_id": "r-1"}}, status)


def application(token: str | None) -> FastAPI:
    """The service; with a token, everything under /v1 needs it."""
    app = FastAPI(docs_url=None, redoc_url=None)
    stored: dict[str, str] = {}

    @app.middleware("http")
    async def guard(request: Request, call_next) -> Response:
        given = request.headers.get("authorization")
        if token and request.url.path.startswith("/v1/") and given != f"Bearer {token}":
            return error(401, "unauthorized", "a bearer token is needed: the one given is absent or wrong")
        response = await call_next(request)
        if not request.url.path.startswith("/v1/"):
            response.headers["content-security-policy"] = POLICY
        return response

    @app.get("/")
    def page() -> FileResponse:
        return FileResponse(SERVE / "page.html")

    @app.get("/page.{kind}")
    def asset(kind: str) -> FileResponse:
        return FileResponse(SERVE / f"page.{kind}")

    @app.post("/v1/classify")
    async def classify(request: Request) -> dict[str, object]:
        body = await request.json()
        results = []
        for text in body["texts"]:
            top = [{"label": k, "confidence": p} for k, p in probabilities(text).items()][: body.get("top_k", 3)]
            results.append({**top[0], "abstained": top[0]["confidence"] < body.get("threshold", 0), "top": top})
        return {"model": MODEL, "results": results}

    @app.get("/v1/model")
    def model() -> dict[str, object]:
        return MODEL | {"kind": "encoder", "labels": len(LABELS), "examples": 120, "evaluation": {"accuracy": ACCURACY}}

    @app.get("/v1/labels")
    def labels() -> dict[str, object]:
        return {"labels": [{"name": name, "description": None} for name in LABELS]}

    @app.post("/v1/feedback")
    async def feedback(request: Request) -> JSONResponse:
        body = await request.json()
        label = body.get("label")
        if label is not None and label not in LABELS:
            return error(422, "invalid", f"label: {label!r} is not a label of this task; did you mean {LABELS[3]!r}?")
        key = json.dumps(body, sort_keys=True)
        status = 200 if key in stored else 201
        identity = stored.setdefault(key, f"feedback-{hashlib.sha256(key.encode()).hexdigest()[:16]}")
        return JSONResponse({"stored": True, "id": identity}, status)

    return app


@contextmanager
def service(token: str | None = None) -> Iterator[str]:
    """Run the service on a free port of loopback; yields its address."""
    listening = socket.create_server(("127.0.0.1", 0))  # from here on connections queue: there is nothing to wait for
    server = uvicorn.Server(uvicorn.Config(application(token), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
