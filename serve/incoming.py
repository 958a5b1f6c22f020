"""What is taken off a request before Ray Serve looks at it: Ray decodes headers without asking whether they can be.

Ray Serve finds `middlewares` through the environment variable of `serve.proxy`, in the process of each replica.
"""

from collections.abc import Sequence

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

REQUEST_ID = "x-request-id"
# With these a caller would set time limits, or keep its work going after it has gone away.
_RAYS = (b"x-request-", b"x-serve-", b"x-session-id", b"serve_multiplexed_model_id", b"serve-multiplexed-model-id")


def middlewares() -> list[Middleware]:
    """What Ray Serve puts around each replica."""
    return [Middleware(Incoming)]


class Incoming:
    """ASGI middleware that leaves out headers that Ray would stumble over or obey."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "headers" in scope:
            scope = {**scope, "headers": harmless(scope["headers"])}
        await self._app(scope, receive, send)


def harmless(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers without those that are not ASCII and those that are Ray's; a usable request id stays."""
    return [(name, value) for name, value in headers if _is_harmless(name, value)]


def _is_harmless(name: bytes, value: bytes) -> bool:
    if name.lower() == REQUEST_ID.encode():
        return bool(printable(value.decode("latin-1")))
    return name.isascii() and value.isascii() and not name.lower().startswith(_RAYS)


def printable(id: str) -> str:
    """A caller's request id, or "" if it is none that a log can hold."""
    return id if id.isascii() and id.isprintable() and len(id) <= 128 else ""
