"""Requests to a Label Studio: its token, retries, and refusals as one-line errors. No error shows the token."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from laud_ray.errors import ServiceError, UserError
from laud_ray.printable import printable, quoted
from laud_ray.storage.backoff import asked_for, backoff
from laud_ray.storage.credentials import MASK, held_by, masked

ATTEMPTS = 6
# Seconds for an answer. Label Studio makes an export of all tasks while the request waits.
PATIENCE = 300.0
_BUSY = frozenset({429, 502, 503, 504})
_DROPPED = (httpx.NetworkError, httpx.ConnectTimeout, httpx.RemoteProtocolError)
_EXPECTED = "expected the address of a Label Studio, such as http://127.0.0.1:8080"
_LONGEST = 300
T = TypeVar("T")


class DroppedError(Exception):
    """The connection was lost after a request may have taken effect."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project: its label config, and whether people see predictions."""

    id: int
    label_config: str
    shows_predictions: bool


class LabelStudio:
    """A Label Studio, as seen by the owner of a token.

    A personal access token is exchanged for one that lives for some minutes; where Label Studio does not know it as
    one, it is sent as it is, as older versions expect.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Make a connection; nothing is sent yet.

        Raises:
            UserError: if the address or the token cannot be one.
        """
        self.url, self._token = _checked_url(url), _checked_token(token)
        self._sleep, self._rng = sleep, random.Random()
        self._access: str | None = None
        self._http = httpx.Client(base_url=self.url, timeout=httpx.Timeout(PATIENCE, connect=10), transport=transport)

    def __enter__(self) -> "LabelStudio":
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    def project(self, id: int) -> Project:
        """Return a project.

        Raises:
            UserError: if there is none, the token may not see it, or the address is not of a Label Studio.
            ServiceError: if Label Studio cannot be reached or fails.
        """
        self._require_label_studio()
        return self._get(
            f"/api/projects/{id}/",
            lambda found: Project(id, str(found["label_config"]), bool(found["show_collab_predictions"])),
        )

    def tasks(self, project: int) -> list[Mapping[str, Any]]:
        """Return all tasks of a project with their annotations."""
        path = f"/api/projects/{project}/export?exportType=JSON&download_all_tasks=true"
        return self._get(path, lambda found: [_mapping(one) for one in _list(found)])

    def people(self) -> dict[int, str]:
        """Return the e-mail addresses of the users by their numbers."""
        return self._get("/api/users/", lambda found: {int(one["id"]): str(one["email"]) for one in _list(found)})

    def set_up(self, project: int, settings: Mapping[str, object]) -> None:
        """Change settings of a project; a second time changes nothing."""
        self._read(self._ask("PATCH", f"/api/projects/{project}/", settings), _mapping)

    def add(self, project: int, tasks: Sequence[Mapping[str, object]]) -> None:
        """Add tasks to a project.

        Raises:
            DroppedError: if the connection is lost, so that they may be there or not.
        """
        path = f"/api/projects/{project}/import?return_task_ids=true"
        found = self._read(self._ask("POST", path, tasks, repeats=False), _mapping)
        added = found.get("task_count")
        if added is not None and added != len(tasks):
            raise ServiceError(f"{self.url}: took {added} of {len(tasks)} tasks; the same command adds the others")

    def wait(self, tries: int) -> None:
        """Wait a little before something is tried again."""
        self._sleep(backoff(tries, self._rng))

    def _get(self, path: str, read: Callable[[Any], T]) -> T:
        return self._read(self._ask("GET", path), read)

    def _ask(self, method: str, path: str, body: object = None, *, repeats: bool = True) -> httpx.Response:
        """Send a request with the token until it is answered; `repeats`: it may be sent twice."""
        renewed = self._access is None
        if renewed:
            self._access = self._authorization()
        response = self._send(method, path, body, repeats=repeats)
        if response.status_code == 401 and not renewed:
            self._access = self._authorization()
            response = self._send(method, path, body, repeats=repeats)
        if not response.is_success:
            raise self._refusal(response)
        return response

    def _authorization(self) -> str:
        response = self._send("POST", "/api/token/refresh/", {"refresh": self._token}, token=False)
        if response.is_success:
            return f"Bearer {self._read(response, lambda found: str(found['access']))}"
        if response.status_code in (400, 401, 403, 404, 405):
            return f"Token {self._token}"
        raise self._refusal(response)

    def _send(
        self, method: str, path: str, body: object = None, *, token: bool = True, repeats: bool = True
    ) -> httpx.Response:
        for tries in range(ATTEMPTS):
            # A session that Label Studio began would be used instead of the token.
            self._http.cookies.clear()
            headers = {"authorization": self._access} if token and self._access else {}
            try:
                response = self._http.request(method, path, json=body, headers=headers)
            except httpx.TimeoutException as error:
                if not isinstance(error, httpx.ConnectTimeout):
                    raise ServiceError(f"{self.url}: no answer in {PATIENCE:g} s", code="timeout") from error
                lost: httpx.RequestError = error
            except _DROPPED as error:
                if not repeats and not isinstance(error, httpx.ConnectError):
                    raise DroppedError from error
                lost = error
            except httpx.RequestError as error:
                raise self._unreachable(error) from error
            else:
                if response.status_code not in _BUSY or tries + 1 == ATTEMPTS:
                    return response
                self._sleep(max(asked_for(response.headers, time.time()) or 0.0, backoff(tries, self._rng)))
                continue
            if tries + 1 == ATTEMPTS:
                raise self._unreachable(lost) from lost
            self.wait(tries)
        raise AssertionError("the last try returns or raises")

    def _require_label_studio(self) -> None:
        """Refuse another service, before the token is sent to it."""
        response = self._send("GET", "/api/version", token=False)
        if response.status_code == 404:
            raise UserError(f"{self.url}: is not a Label Studio, and answers 404 at /api/version; {_EXPECTED}")
        if not response.is_success:
            raise self._refusal(response)
        known = self._read(response, lambda found: any(str(one).startswith("label-studio") for one in _mapping(found)))
        if not known:
            raise UserError(f"{self.url}: is not a Label Studio; {_EXPECTED}")

    def _read(self, response: httpx.Response, read: Callable[[Any], T]) -> T:
        try:
            return read(response.json())
        except (ValueError, KeyError, TypeError, AttributeError):
            path = response.request.url.path
            raise UserError(f"{self.url}: does not answer as Label Studio does at {path}; {_EXPECTED}") from None

    def _unreachable(self, error: httpx.RequestError) -> ServiceError:
        why = self._line(str(error)) or type(error).__name__
        return ServiceError(f"{self.url}: no answer ({why}); {_EXPECTED}", code="unreachable")

    def _refusal(self, response: httpx.Response) -> UserError | ServiceError:
        status, said = response.status_code, self._said(response)
        line = f"{self.url}: {status} {response.reason_phrase}{f': {said}' if said else ''}"
        if response.is_redirect:
            to = self._line(masked(response.headers.get("location", "another address")))
            return UserError(f"{self.url}: redirects to {to}; expected the address that it redirects to")
        if status == 401:
            return UserError(f"{line}; expected a valid token (Account & Settings in Label Studio)")
        if status == 403:
            return UserError(f"{line}; expected the token of somebody who may work on the project")
        if status == 404:
            return UserError(f"{line}; expected the number of a project that the token may see")
        if status < 500 and status not in _BUSY:
            return UserError(line)
        return ServiceError(line, status=status)

    def _said(self, response: httpx.Response) -> str:
        """Return the reason that Label Studio gives for a refusal; a page of HTML adds nothing to its status."""
        try:
            found = response.json()
            return self._line(str(found.get("validation_errors") or found.get("detail") or "")).rstrip(".")
        except (ValueError, AttributeError):
            return ""

    def _line(self, text: str) -> str:
        line = " ".join(printable(text.replace(self._token, MASK)).split())
        return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _list(found: Any) -> list[Any]:
    if not isinstance(found, list):
        raise TypeError
    return found


def _mapping(found: Any) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise TypeError
    return found


def _checked_url(url: str) -> str:
    if (secret := held_by(url)) is not None:
        raise UserError(f"--label-studio: {masked(url)} holds {secret}; expected an address without credentials")
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL:
        raise UserError(f"--label-studio: {quoted(url)} is not valid; {_EXPECTED}") from None
    if found.scheme not in ("http", "https") or not found.host or found.query or found.fragment:
        raise UserError(f"--label-studio: {quoted(url)} is not valid; {_EXPECTED}")
    return str(found).rstrip("/")


def _checked_token(token: str) -> str:
    plain = token.strip()
    # The message does not show what may be a secret.
    if not plain or not all("!" <= letter <= "~" for letter in plain):
        raise UserError("the token is empty, or has spaces or letters beyond ASCII; expected a token of Label Studio")
    return plain
