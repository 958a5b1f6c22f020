"""Headers that Ray Serve would fail at, or obey, do not reach it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.serve._private import http_util

from serve import incoming


def test_usable_headers_stay_as_they_are() -> None:
    headers = [
        (b"host", b"x"),
        (b"x-request-id", b"mine-1"),
        (b"authorization", b"Bearer t"),
        (b"x-forwarded-for", b"1"),
    ]
    assert incoming.harmless(headers) == headers


@pytest.mark.parametrize("id", [b"\xff", b"a\x00", b"a" * 129, b"", "ü".encode()])
def test_an_unusable_request_id_is_left_out(id: bytes) -> None:
    assert incoming.harmless([(b"X-Request-Id", id), (b"host", b"x")]) == [(b"host", b"x")]


@pytest.mark.parametrize(
    "name", ["x-request-timeout-seconds", "x-request-disconnect-disabled", "X-Session-Id", "serve_multiplexed_model_id"]
)
def test_what_ray_would_obey_is_left_out(name: str) -> None:
    assert incoming.harmless([(name.encode(), b"1")]) == []


@given(headers=st.lists(st.tuples(st.binary(min_size=1), st.binary())))
def test_all_that_is_left_can_be_decoded_as_ray_does(headers: list[tuple[bytes, bytes]]) -> None:
    left = dict(incoming.harmless(headers))
    http_util.parse_session_id_header(left)
    http_util.parse_disconnect_disabled_header(left)
    assert all(name.decode() + value.decode() for name, value in left.items())


def test_ray_takes_the_middleware() -> None:
    found = incoming.middlewares()
    assert http_util.validate_http_proxy_callback_return(found) == found
