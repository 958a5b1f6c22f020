"""Remove headers from requests that Ray Serve cannot decode or would interpret.

Ray Serve finds `middlewares` through an environment variable (`serve.proxy`), in the process of each replica.
"""

from collections.abc import Sequence

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

REQUEST_ID = "x-request-id"
# Ray's own headers, by which a caller could set timeouts, or keep its work running after a disconnect.
_RAYS = (b"x-request-", b"x-serve-", b"x-session-id", b"serve_multiplexed_model_id", b"serve-multiplexed-model-id")


def middlewares() -> list[Middleware]:
    """The middleware that Ray Serve puts around each replica."""
    return [Middleware(Incoming)]


class Incoming:
    """ASGI middleware that removes headers that are not ASCII, and those that Ray interprets."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "headers" in scope:
            scope = {**scope, "headers": harmless(scope["headers"])}
        await self._app(scope, receive, send)


def harmless(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers without those that are not ASCII and those of Ray; a valid request id stays."""
    return [(name, value) for name, value in headers if _is_harmless(name, value)]


def _is_harmless(name: bytes, value: bytes) -> bool:
    if name.lower() == REQUEST_ID.encode():
        return bool(printable(value.decode("latin-1")))
    return name.isascii() and value.isascii() and not name.lower().startswith(_RAYS)


def printable(id: str) -> str:
    """Return a caller's request id, or "" if it is not valid: printable ASCII of at most 128 characters."""
    return id if id.isascii() and id.isprintable() and len(id) <= 128 else ""
