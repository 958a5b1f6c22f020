"""Requests of web pages that use somebody's browser are told from those of programs."""

import pytest

from serve.origin import Origins, check_body_type
from serve.schemas import FaultError

OURS = Origins(["shop.internal"], ["https://shop.example"])


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "127.8.8.8", "[::1]:8000", "[::1]", "shop.internal:80"],
)
def test_names_of_this_machine_and_allowed_ones_are_ours(host: str) -> None:
    OURS.check({"host": host})


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "10.0.0.7",
        "[::2]",
        "[",
        "a b",
        "127.0.0.1.evil",
        "evil.example@127.0.0.1x",
        "0.0.0.0:8000",
        "[::ffff:8.8.8.8]",
        "http://localhost",
    ],
)
def test_other_names_are_refused(host: str) -> None:
    with pytest.raises(
        FaultError, match="Host: .* is not valid; expected localhost, or a name in allow_hosts"
    ) as caught:
        OURS.check({"host": host})
    assert caught.value.status == 403


def test_any_name_can_be_allowed() -> None:
    Origins(["*"], []).check({"host": "evil.example"})


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "https://127.0.0.1:8000", "https://shop.example"])
def test_our_own_page_and_allowed_sites_may_ask(origin: str) -> None:
    OURS.check({"host": "127.0.0.1:8000", "origin": origin})


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "https://evil.example",
        "http://127.0.0.1:9000",
        "http://localhost:8000",
        "file://",
        "http://[",
        "x" * 9000,
    ],
)
def test_pages_of_other_sites_are_refused(origin: str) -> None:
    with pytest.raises(FaultError, match="Origin: ") as caught:
        OURS.check({"host": "127.0.0.1:8000", "origin": origin})
    assert (caught.value.status, len(caught.value.message) < 250) == (403, True)


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", " application/json ;x"])
def test_json_is_what_is_read(kind: str) -> None:
    check_body_type({"content-type": kind})


@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "x" * 999]
)
def test_anything_else_is_refused(kind: str | None) -> None:
    with pytest.raises(FaultError, match="Content-Type: .*is (not valid|missing); expected application/json") as caught:
        check_body_type({} if kind is None else {"content-type": kind})
    assert (caught.value.status, len(caught.value.message) < 150) == (415, True)


@pytest.mark.parametrize(
    ("header", "value", "message"),
    [
        (
            "content-type",
            "application/json; charset=iso-8859-1",
            "Content-Type: 'application/json; charset=iso-8859-1' is not valid; expected application/json in UTF-8",
        ),
        ("content-type", 'application/json;charset="UTF-16"', "expected application/json in UTF-8"),
        (
            "content-encoding",
            "gzip",
            "Content-Encoding: 'gzip' is not valid; expected a body that is not compressed",
        ),
    ],
)
def test_other_encodings_and_packed_bodies_are_refused(header: str, value: str, message: str) -> None:
    with pytest.raises(FaultError) as caught:
        check_body_type({"content-type": "application/json", header: value})
    assert caught.value.status == 415
    assert caught.value.message.endswith(message)
