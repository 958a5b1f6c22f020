"""The connection to one service: requests with retries, and failures as one-line errors."""

import json
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Any, TypeVar

import httpx

from laud_ray.errors import ServiceError, UserError
from laud_ray.storage.backoff import asked_for, backoff

BUSY = frozenset({429, 502, 503})
DROPPED = (httpx.NetworkError, httpx.ConnectTimeout, httpx.RemoteProtocolError)
LONGEST_LINE = 300
T = TypeVar("T")
_log = logging.getLogger(__name__)


class Stopped(Exception):  # noqa: N818  (internal: it ends a thread whose answer is no longer needed)
    """A request was cancelled because another one failed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a request: seconds until the next byte, attempts, and seconds in all."""

    timeout: float
    attempts: int
    patience: float


@dataclass(frozen=True, slots=True)
class _Failure:
    """A failed attempt.

    Attributes:
        passing: whether a retry may succeed.
        asked: the wait in seconds that the service requests (Retry-After).
    """

    error: ServiceError
    passing: bool
    asked: float | None = None
    cause: httpx.RequestError | None = None


class Connection:
    """Requests to one service. Thread-safe. No error message shows the token."""

    def __init__(
        self,
        url: str,
        token: str | None,
        limits: Limits,
        *,
        transport: httpx.BaseTransport | None,
        sleep: Callable[[float], object] | None,
        clock: Callable[[], float],
    ) -> None:
        self.url, self._token, self._limits = _checked_url(url), _checked_token(token), limits
        self._sleep, self._clock, self._rng = sleep, clock, random.Random()
        self._http = httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {self._token}"} if self._token else {},
            # An unlimited pool, so that threads that share a client do not wait for each other's connections.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            transport=transport,
        )

    def close(self) -> None:
        self._http.close()

    def ask(
        self, method: str, path: str, read: Callable[[Any], T], body: bytes | None = None, stop: Event | None = None
    ) -> T:
        """Send a request, with retries, and parse the response with `read`. Setting `stop` cancels it.

        Raises:
            ServiceError: if the service refuses the request, cannot be reached, or sends an unexpected response.
            Stopped: if `stop` was set.
        """
        stop = stop or Event()
        end, tries = self._clock() + self._limits.patience, 0
        while not stop.is_set():
            # The last attempt gets the rest of the patience, but at least a second.
            timeout = min(self._limits.timeout, max(end - self._clock(), 1.0))
            found = self._send(method, path, body, timeout)
            if isinstance(found, httpx.Response):
                return self.read(found, read)
            tries += 1
            pause = max(found.asked or 0.0, backoff(tries - 1, self._rng))
            if not found.passing or tries >= self._limits.attempts or self._clock() + pause >= end:
                raise self._given_up(found, tries) from found.cause
            _log.info("%s; retrying in %.1f s", found.error, pause)
            (self._sleep or stop.wait)(pause)
        raise Stopped

    def once(self, path: str) -> httpx.Response | None:
        """Send one GET request and return the response, whatever its status; None if nothing answers.

        Raises:
            ServiceError: if the server does not speak HTTP.
        """
        try:
            return self._http.get(path, timeout=self._limits.timeout)
        except (httpx.TimeoutException, *DROPPED):
            return None
        except httpx.RequestError as error:
            raise self._unanswered(error, self._limits.timeout).error from error

    def _send(self, method: str, path: str, body: bytes | None, timeout: float) -> httpx.Response | _Failure:
        headers = {"content-type": "application/json"} if body is not None else {}
        try:
            response = self._http.request(method, path, content=body, headers=headers, timeout=timeout)
        except httpx.RequestError as error:
            return self._unanswered(error, timeout)
        if response.is_success:
            return response
        asked = asked_for(response.headers, time.time())
        return _Failure(self.refused(response), _passes(response), asked)

    def _unanswered(self, error: httpx.RequestError, timeout: float) -> _Failure:
        if isinstance(error, httpx.TimeoutException):
            found, code = f"no answer in {timeout:,.3g} s", "timeout"
        else:
            found, code = f"no answer ({self._line(str(error)) or type(error).__name__})", "unreachable"
        return _Failure(ServiceError(f"{self.url}: {found}", code=code), isinstance(error, DROPPED), cause=error)

    def refused(self, response: httpx.Response) -> ServiceError:
        """Return the error for a response without success, from the service or from a proxy in front of it."""
        try:
            error = response.json()["error"]
            code, message = self._line(error["code"]), self._line(error["message"])
        except (ValueError, KeyError, TypeError, AttributeError):
            # The HTML page of a proxy has no more information than its status.
            code, message = None, "" if response.text.lstrip().startswith("<") else self._line(response.text)
        id = self._line(response.headers.get("x-request-id", "")) or None
        status = f"{response.status_code} {code or response.reason_phrase}".rstrip()
        line = f"{self.url}: {status}{f': {message}' if message else ''}{f' (request {id})' if id else ''}"
        if response.status_code == 401 and not self._token:
            line += "; no token was sent; expected the argument token, or the environment variable LAUD_TOKEN"
        return ServiceError(line, status=response.status_code, code=code, request_id=id)

    def _given_up(self, found: _Failure, tries: int) -> ServiceError:
        """Return the error of the last failure, with the number of attempts or the wait that exceeds the patience."""
        error, more = found.error, ""
        if found.passing and tries < self._limits.attempts and found.asked:
            more = (
                f"; it requests a wait of {found.asked:,.0f} s, more than patience: {self._limits.patience:g} s in all"
            )
        elif tries > 1:
            more = f"; tried {tries} times"
        return ServiceError(f"{error}{more}", status=error.status, code=error.code, request_id=error.request_id)

    def read(self, response: httpx.Response, read: Callable[[Any], T]) -> T:
        """Parse the JSON of a response.

        Raises:
            ServiceError: if it does not have the form of the service's responses.
        """
        try:
            return read(response.json())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            wrong = self._line(f"{type(error).__name__}: {error}")
            raise ServiceError(
                f"{self.url}: the response to {response.request.url.path} ({response.status_code}) is not valid "
                f"({wrong}); expected the URL of a `laud serve`",
                status=response.status_code,
                code="unreadable",
                request_id=response.headers.get("x-request-id"),
            ) from error

    def _line(self, text: str) -> str:
        """Return untrusted text as one short printable line, without the token."""
        line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
        line = line.replace(self._token, "...") if self._token else line
        return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 3]}..."


def encoded(value: object, place: str) -> bytes:
    """Encode a value as JSON in UTF-8.

    Args:
        place: the name of the argument, for the message.

    Raises:
        UserError: if a text in it has half of a surrogate pair.
    """
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        letter = error.object[error.start]
        raise UserError(f"{place}: {letter!r} is half of a surrogate pair; expected Unicode text") from None


def _checked_url(url: str) -> str:
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UserError(f"url: {url!r} is not valid ({error}); expected a URL such as http://127.0.0.1:8000") from None
    if found.userinfo:
        raise UserError("url: has a user or password; expected a URL without them, and the secret in token")
    if found.scheme not in ("http", "https") or not found.host or found.query or found.fragment:
        raise UserError(f"url: {url!r} is not valid; expected a URL such as http://127.0.0.1:8000")
    return str(found).rstrip("/")


def _checked_token(token: str | None) -> str | None:
    token = (token or "").strip()
    # Checked here, because httpx would show the token, which is a secret, in its message.
    if not all("!" <= letter <= "~" for letter in token):
        raise UserError("token: has spaces or characters outside of ASCII; expected a bearer token")
    return token or None


def _passes(response: httpx.Response) -> bool:
    """Whether a retry may succeed. Ray's proxy answers 500 with a text body if there is no replica."""
    by_proxy = response.status_code == 500 and not response.headers.get("content-type", "").startswith(
        "application/json"
    )
    return by_proxy or response.status_code in BUSY
