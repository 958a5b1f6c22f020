"""The service's own pages, from local files: the page to try it out, and the documentation of the API."""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response

_HERE = Path(__file__).parent
POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
# Swagger UI has small inline images in its style sheet; the rest is as for the page.
DOCS_POLICY = f"{POLICY}; img-src 'self' data:"
# Headers of every response, against content sniffing and against access by other sites.
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
_FILES = {
    "/": ("page.html", "text/html", POLICY),
    "/page.css": ("page.css", "text/css", POLICY),
    "/page.js": ("page.js", "text/javascript", POLICY),
    "/page.svg": ("page.svg", "image/svg+xml", POLICY),
    "/docs": ("docs.html", "text/html", DOCS_POLICY),
    "/docs.js": ("docs.js", "text/javascript", POLICY),
}
# Files of Swagger UI in the package fastapi-offline.
_SWAGGER = {
    "/swagger-ui.css": ("swagger-ui.css", "text/css"),
    "/swagger-ui-bundle.js": ("swagger-ui-bundle.js", "text/javascript"),
}
# Paths that a page needs before the user has entered a token.
PATHS = frozenset({*_FILES, *_SWAGGER})


def add_pages(api: FastAPI) -> None:
    """Add the routes of the pages to an application."""
    for path, (name, kind, policy) in _FILES.items():
        api.add_api_route(path, _file(lambda name=name: _HERE / name, kind, policy), include_in_schema=False)  # type: ignore[misc]
    for path, (name, kind) in _SWAGGER.items():
        api.add_api_route(path, _file(lambda name=name: _swagger(name), kind, POLICY), include_in_schema=False)  # type: ignore[misc]


def _swagger(name: str) -> Path:
    return Path(str(files("fastapi_offline") / "static" / name))


def _file(place: Callable[[], Path], kind: str, policy: str) -> Callable[[], Awaitable[Response]]:
    async def file() -> Response:
        return Response(place().read_bytes(), media_type=kind, headers={"content-security-policy": policy})

    return file
