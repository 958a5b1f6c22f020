"""The kinds of hostile requests that hostile.py sends, each as raw bytes."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress

from benchmarks.hostile_bodies import classify_bodies, feedback_bodies

TOKEN = "let-me-in"
AUTHORIZATION = f"Authorization: Bearer {TOKEN}"
JSON_KIND = "Content-Type: application/json"
SLOW_BODIES, HALF_HEADERS = 128, 4000
LONGEST_S = 12.0


def request(
    path: str = "/v1/classify",
    body: bytes = b'{"texts": "milk"}',
    *more: str,
    method: str = "POST",
    plain: bool = False,
) -> bytes:
    """Return a request as bytes, with `Connection: close`; `plain` omits the usual headers."""
    usual = () if plain else ("Host: localhost", AUTHORIZATION, JSON_KIND, f"Content-Length: {len(body)}")
    lines = [f"{method} {path} HTTP/1.1", *usual, "Connection: close", *more]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def get(path: str, *more: str) -> bytes:
    return request(path, b"", *more, method="GET")


def methods() -> Iterator[tuple[str, bytes]]:
    names = (
        "GET",
        "PUT",
        "DELETE",
        "PATCH",
        "HEAD",
        "OPTIONS",
        "TRACE",
        "CONNECT",
        "PROPFIND",
        "post",
        "G\xffT",
        "P" * 300,
    )
    for name in (*names, "", "GET GET", "\x00"):
        yield f"method {name[:12]!r}", request(method=name)
        yield f"method {name[:12]!r} /", request("/", b"", method=name)


def paths() -> Iterator[tuple[str, bytes]]:
    plain = "/ // /.. /../../etc/passwd /%2e%2e/%2e%2e/etc/passwd /%00 /%ff /%c0%af /v1/classify/ /v1//classify * ?"
    known = "/docs /docs.js /openapi.json /readyz /healthz /metrics /v1/model /v1/labels /-/healthz /-/routes /redoc"
    other = "/.git/config /page.js /page.js/.. /static/..%2f..%2fapi.py /v1/classify;x=1 /V1/CLASSIFY /favicon.ico"
    more = "/v1/classify%0d%0aX:%20y http://evil.example/"
    for path in f"{plain} {known} {other} {more}".split():
        yield f"path {path}", get(path)
    for name, path in {
        "8,000 letters": "/" + "a" * 8000,
        "200,000 letters": "/" + "a" * 200_000,
        "bytes": "/\xff\xfe",
        "long query": "/v1/model?" + "a=b&" * 4000,
        "%s": "/%s%n%x",
        "tab": "/\tx",
    }.items():
        yield f"path of {name}", get(path)


def credentials() -> Iterator[tuple[str, bytes]]:
    values = (
        "",
        "Bearer",
        "Bearer ",
        "bearer let-me",
        "Basic bGV0OmlU",
        f"Bearer {TOKEN} x",
        f"Bearer\t{TOKEN}",
        "Bearer \xff",
    )
    body = b'{"texts": "milk"}'
    usual = ("Host: localhost", JSON_KIND, f"Content-Length: {len(body)}")
    for value in (
        *values,
        f"Bearer {'a' * 7000}",
        f"{TOKEN}",
        f"Token {TOKEN}",
        "Bearer \x00",
        f"Bearer {TOKEN},{TOKEN}",
        "null",
    ):
        yield (
            f"authorization {value[:20]!r}",
            request("/v1/classify", body, *usual, f"Authorization: {value}", plain=True),
        )
    yield "authorization twice", request("/v1/classify", body, AUTHORIZATION, "Authorization: Bearer no")
    yield "authorization in a query", request(f"/v1/classify?token={TOKEN}", body, *usual, plain=True)
    yield "authorization in a cookie", request("/v1/classify", body, *usual, f"Cookie: token={TOKEN}", plain=True)
    yield (
        "no authorization, large body",
        request("/v1/classify", b"x" * 300_000, *usual[:2], "Content-Length: 300000", plain=True),
    )


def headers() -> Iterator[tuple[str, bytes]]:
    lines = [
        f"X-Request-Id: {id}" for id in ("\xff", "", "a" * 129, "a b", "\x01", "a" * 9000, "<b>", "${jndi:ldap://x}")
    ]
    lines += [f"X-Request-Timeout-Seconds: {n}" for n in ("0.001", "-1", "nan", "x", "\xff")]
    lines += ["X-Request-Disconnect-Disabled: ?1", "X-Request-Disconnect-Disabled: \xff", "X-Session-Id: \xff"]
    lines += [
        "serve_multiplexed_model_id: \xff",
        "serve-multiplexed-model-id: m",
        "X-Serve-Router-A: b",
        "traceparent: \xff",
    ]
    lines += [
        "Origin: null",
        "Origin: https://evil.example",
        "Expect: 100-continue",
        "Expect: x",
        "Range: bytes=0-",
        "TE: trailers",
    ]
    lines += [
        "Upgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13",
        "Upgrade: h2c\r\nHTTP2-Settings: AA",
    ]
    lines += [
        "Content-Encoding: gzip",
        "Accept-Encoding: gzip",
        "X: y\r\n z",
        "no colon",
        "X : y",
        ": y",
        "X\xff: y",
        "X: \x00",
    ]
    lines += [
        "Forwarded: for=\xff",
        "X-Forwarded-For: 1.2.3.4, \xff",
        "X-HTTP-Method-Override: DELETE",
        "Cookie: " + "a=b; " * 2000,
    ]
    for line in lines:
        yield f"header {line[:40]!r}", request("/v1/classify", b'{"texts": "milk"}', line)
        yield f"header {line[:40]!r}, no body", get("/healthz", line)
    for name, more in {"100": 100, "1,000": 1000, "10,000": 10_000}.items():
        yield f"{name} headers", get("/v1/model", *[f"X-{i}: y" for i in range(more)])
    for size in (16_000, 100_000, 200_000):
        yield f"a header of {size}", get("/v1/model", f"X: {'y' * size}")


def framing() -> Iterator[tuple[str, bytes]]:
    body = b'{"texts": "milk"}'
    for value in ("-1", "1e3", "0x11", "+17", "17 ", "017", "17, 17", "99999999999999999999", "\xb2", "", "4194305"):
        lines = ("Host: localhost", AUTHORIZATION, JSON_KIND, f"Content-Length: {value}")
        yield f"length {value!r}", request("/v1/classify", body, *lines, plain=True)
    base = ("Host: localhost", AUTHORIZATION, JSON_KIND)
    forms = {
        "chunked": (b"11\r\n" + body + b"\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
        "chunked, no size": (b"zz\r\n" + body, "Transfer-Encoding: chunked"),
        "chunked, huge size": (b"ffffffffffffffff\r\n" + body, "Transfer-Encoding: chunked"),
        "chunked, extension": (b"11;a=b\r\n" + body + b"\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
        "chunked, trailer": (b"11\r\n" + body + b"\r\n0\r\nX: y\r\n\r\n", "Transfer-Encoding: chunked"),
        "chunked twice": (b"11\r\n" + body + b"\r\n0\r\n\r\n", "Transfer-Encoding: chunked, chunked"),
        "gzip, chunked": (b"11\r\n" + body + b"\r\n0\r\n\r\n", "Transfer-Encoding: gzip, chunked"),
        "identity": (body, "Transfer-Encoding: identity"),
        "chunked with a space": (b"11\r\n" + body + b"\r\n0\r\n\r\n", "Transfer-Encoding : chunked"),
        "length and chunked": (b"0\r\n\r\nGET /x HTTP/1.1\r\n\r\n", "Transfer-Encoding: chunked", "Content-Length: 5"),
        "chunked, 5 MB": (b"500000\r\n" + b" " * 0x500000 + b"\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
        "two lengths": (body, "Content-Length: 17", "Content-Length: 5"),
        "no length": (body,),
    }
    for name, (content, *lines) in forms.items():
        yield name, request("/v1/classify", content, *base, *lines, plain=True)
    for host in ("", "evil.example", "a b", "x" * 5000, "localhost\r\nHost: evil.example", "\xff"):
        lines = (f"Host: {host}", AUTHORIZATION, JSON_KIND, "Content-Length: 17")
        yield f"host {host[:20]!r}", request("/v1/classify", body, *lines, plain=True)
    yield "no host", request("/v1/classify", body, AUTHORIZATION, JSON_KIND, "Content-Length: 17", plain=True)
    for kind in (
        "text/plain",
        "",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json;charset=utf-16",
    ):
        lines = ("Host: localhost", AUTHORIZATION, f"Content-Type: {kind}", "Content-Length: 17")
        yield f"type {kind!r}", request("/v1/classify", body, *lines, plain=True)


def protocols() -> Iterator[tuple[str, bytes]]:
    yield "HTTP/0.9", b"GET /\r\n"
    for version in ("HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "HTTP/x", "ICY", ""):
        yield f"version {version!r}", f"GET /healthz {version}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    yield "HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)
    yield "TLS hello", bytes.fromhex("16030100c8010000c40303") + bytes(200)
    yield "SSH", b"SSH-2.0-OpenSSH_9.6\r\n"
    yield "SMTP", b"EHLO example\r\nMAIL FROM:<a@b>\r\n"
    yield "noise", bytes(range(256)) * 16
    yield "zeros", bytes(5000)
    yield "line ends", b"\r\n" * 2000
    yield "line feeds only", b"GET /healthz HTTP/1.1\nHost: localhost\nConnection: close\n\n"
    yield "carriage returns only", b"GET /healthz HTTP/1.1\rHost: localhost\r\r"
    yield "pipelined", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50 + get("/healthz")
    yield "smuggled", request("/v1/classify", b'{"texts": "milk"}GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n')


def kinds() -> dict[str, bytes]:
    """All kinds of requests, by name."""
    found = dict([*methods(), *paths(), *credentials(), *headers(), *framing(), *protocols()])
    found |= {f"classify {name}": request(body=body) for name, body in classify_bodies()}
    found |= {f"feedback {name}": request("/v1/feedback", body) for name, body in feedback_bodies()}
    return found


def slow_kinds() -> Iterator[tuple[str, int, bytes]]:
    """Return requests that never end: name, number of connections, and the first bytes of each."""
    begin = ("Host: localhost", JSON_KIND)
    for name, body, more in (
        ("bodies of one byte", b"{", ()),
        ("bodies of one byte, with a token", b"{", (AUTHORIZATION,)),
        ("bodies of 20 KB of 1 MB", b"{" * 20_000, ()),
        ("bodies of 100 KB of 1 MB, with a token", b"{" * 100_000, (AUTHORIZATION,)),
    ):
        yield name, SLOW_BODIES, request("/v1/classify", body, *begin, *more, "Content-Length: 1000000", plain=True)
    yield "half-sent headers", HALF_HEADERS, b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nX: y"


def answered(port: int, data: bytes) -> tuple[str, float]:
    """Send bytes and read the response; return its status, or how the connection ended, and the seconds it took."""
    began, found = time.perf_counter(), b""
    with suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), 5) as one:
        one.settimeout(LONGEST_S + 3)
        with suppress(ConnectionError):  # the service may respond and close the connection before all is sent
            one.sendall(data)
        try:
            while part := one.recv(65_536):
                found += part
        except TimeoutError:
            if not found:
                return "no end", time.perf_counter() - began
    status = found[9:12].decode("latin-1") if found.startswith(b"HTTP/") else "closed"
    return status, time.perf_counter() - began


def is_wrong(status: str, seconds: float) -> bool:
    """Whether an outcome is not acceptable for a hostile request."""
    failed = status.startswith("5") and status not in ("503", "504")
    return failed or status == "no end" or seconds > LONGEST_S
