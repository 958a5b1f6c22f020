"""The answer to a request that is refused, for the service and for the annotators' page."""

import json
import sqlite3

from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from laud_ray.errors import DamageError
from laud_ray.printable import quoted
from serve.schemas import FaultError

# Statuses after which the rest of a body is not read.
_UNREAD = {401, 403, 408, 413, 415}


def response(fault: FaultError, **more: str) -> Response:
    """Return the response to a refused request; its error has the code, the message, and what else is given."""
    headers = dict(fault.headers)
    if fault.retry_after is not None:
        headers["retry-after"] = str(fault.retry_after)
    if fault.status == 401:
        headers["www-authenticate"] = "Bearer"
    if fault.status in _UNREAD:
        headers["connection"] = "close"
    error = {"code": fault.code, "message": fault.message, **more}
    return Response(json.dumps({"error": error}), fault.status, headers, "application/json")


def too_large(size: int, most: int) -> FaultError:
    """Return the error for a body of so many bytes."""
    return FaultError(413, "body_too_large", f"body: {size} bytes; expected at most {most}")


def unrouted(error: HTTPException, method: str, path: str, expected: str) -> FaultError:
    """Return the error for an unknown path or a method that a path does not have.

    Args:
        expected: which paths there are, for the message.
    """
    shown = quoted(path, 200)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{method}: is not a method of {shown}; expected {allowed}"
        return FaultError(405, "method_not_allowed", message, headers={"allow": allowed})
    if error.status_code == 404:
        return FaultError(404, "not_found", f"{shown}: no such path; expected {expected}")
    return FaultError(error.status_code, "refused", f"{shown}: {error.detail}")


def database_cause(error: BaseException) -> str:
    """Describe an error of the database briefly, without what was to be written and without credentials."""
    found = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(found, (sqlite3.Error, DamageError)):
        return str(found).partition("\n")[0]
    return getattr(found, "strerror", None) or "it cannot be reached"
