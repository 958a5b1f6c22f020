"""Protect a service without tokens from requests that web pages of other sites send through a user's browser.

Browsers let any page send "simple" requests to any address, and a site can point its own name at this machine (DNS
rebinding). Without tokens, the checks in this module are the only protection.
"""

import ipaddress
import re
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from laud_ray.printable import quoted
from serve.schemas import FaultError

JSON = "application/json"
_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([^"';\s]+)""", re.IGNORECASE)


def check_body_type(headers: Mapping[str, str]) -> None:
    """Refuse a body that is not plain JSON. For the type JSON, browsers ask the service before a cross-site request.

    Raises:
        FaultError: 415 if the headers declare another type, another encoding, or compression.
    """
    kind = headers.get("content-type", "")
    charset = _CHARSET.search(kind)
    packed = headers.get("content-encoding", "").strip().lower()
    if kind.partition(";")[0].strip().lower() != JSON:
        raise _not_json("Content-Type", kind, JSON)
    if charset is not None and charset[1].lower() not in ("utf-8", "utf8"):
        raise _not_json("Content-Type", kind, f"{JSON} in UTF-8")
    if packed not in ("", "identity"):
        raise _not_json("Content-Encoding", packed, "a body that is not compressed")


def _not_json(header: str, value: str, expected: str) -> FaultError:
    said = f"{quoted(value)} is not valid" if value else "is missing"
    return FaultError(415, "not_json", f"{header}: {said}; expected {expected}")


class Origins:
    """The hosts and origins from which requests without a token are accepted."""

    def __init__(self, hosts: Collection[str], sites: Collection[str]) -> None:
        """Create the check.

        Args:
            hosts: names of this service beside loopback names; "*" for any.
            sites: allowed origins of other web pages.
        """
        self._hosts, self._sites = {host.lower().strip("[]") for host in hosts}, set(sites)

    def check(self, headers: Mapping[str, str]) -> None:
        """Raise FaultError 403 if a request is for another host, or from a page of another site."""
        host = headers.get("host", "")
        if not self.is_ours(host):
            expected = "localhost, or a name in allow_hosts"
            raise FaultError(403, "wrong_host", f"Host: {host[:100]!r} is not valid; expected {expected}")
        origin = headers.get("origin")
        if origin is not None and origin not in self._sites and _host_of(origin) != host.lower():
            expected = "a page of this service, or one in cors_origins"
            raise FaultError(403, "wrong_origin", f"Origin: {origin[:100]!r} is not valid; expected {expected}")

    def is_ours(self, host: str) -> bool:
        """Whether a `Host` header names this service."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return "*" in self._hosts or name in self._hosts or is_loopback(name)


def is_loopback(host: str) -> bool:
    """Whether a host is a loopback name or address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host_of(origin: str) -> str | None:
    try:
        found = urlsplit(origin)
    except ValueError:
        return None
    return found.netloc.lower() if found.scheme in ("http", "https") else None
