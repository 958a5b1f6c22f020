"""The page's own files: nothing comes from anywhere else."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI, Response

_HERE = Path(__file__).parent
# No script, style or image but the page's own, no markup made of text, and no frame around it.
POLICY = (
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; object-src 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_FILES = {
    "/": "annotate.html",
    **{f"/{one.name}": one.name for one in _HERE.iterdir() if one.suffix in (".js", ".css", ".svg")},
}
# What the page needs before anybody has given it a token.
PATHS = frozenset(_FILES)


def add_files(api: FastAPI) -> None:
    """Give an application the routes of the page."""
    for path, name in _FILES.items():
        api.add_api_route(path, _file(_HERE / name), include_in_schema=False)


def _file(place: Path) -> Callable[[], Awaitable[Response]]:
    content, kind = place.read_bytes(), _KINDS[place.suffix[1:]]
    headers = {"content-security-policy": POLICY, "cache-control": "no-cache"}

    async def file() -> Response:
        return Response(content, media_type=kind, headers=headers)

    return file
