"""What goes wrong behind a request, as the answer that the page understands: try again, or never again."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from laud_ray.errors import DamageError, RunError, StorageError, StoreError, UserError
from serve.refusals import database_cause
from serve.schemas import FaultError

RETRY_S = 2
_AWAY = (SQLAlchemyError, sqlite3.Error, StoreError, StorageError, OSError, PoolTimeoutError)
_log = logging.getLogger(__name__)


@contextmanager
def as_faults() -> Iterator[None]:
    """Turn errors into FaultErrors: 410 where the run is gone, 503 where the database is away, 422 for a mistake."""
    try:
        yield
    except RunError as error:
        raise FaultError(410, "run_gone", f"{error}; answers stay in the browser until it is back") from None
    except (DamageError, *_AWAY) as error:
        _log.warning("the database cannot be used: %s", database_cause(error))
        message = f"the run's database cannot be used now: {database_cause(error)}"
        raise FaultError(503, "database", message, retry_after=RETRY_S) from None
    except UserError as error:
        raise FaultError(422, "invalid", str(error)) from None


def too_slow(seconds: float) -> FaultError:
    message = f"the run's database did not answer within {seconds:g} s"
    return FaultError(503, "database", message, retry_after=RETRY_S)
