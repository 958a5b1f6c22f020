"""Retry what failed, and compute how long to wait before that. All durations in seconds.

tenacity could take the place of `retried` alone: the client and the oracles decide by what a server answers.
"""

import email.utils
import itertools
import random
import re
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=Exception)
FIRST, LONGEST = 0.5, 30.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def backoff(tries: int, rng: random.Random) -> float:
    """Return an exponential wait with full jitter, so that clients that failed together do not retry together.

    Args:
        tries: failed attempts so far.
        rng: source of the jitter.
    """
    return rng.uniform(0, min(LONGEST, FIRST * 2 ** min(tries, 16)))


def retried(
    work: Callable[[], T],
    kind: type[E],
    passing: Callable[[E], bool],
    *,
    attempts: float = float("inf"),
    patience: float = float("inf"),
) -> T:
    """Call `work` and return its result; retry it with exponential backoff after transient errors.

    Args:
        work: the function to call.
        kind: the class of errors to consider.
        passing: whether an error is transient.
        attempts: the most calls.
        patience: seconds after which there are no more retries.

    Raises:
        E: the error of the last call, if it is not transient, or attempts or patience are exhausted.
    """
    until, rng = time.monotonic() + patience, random.Random()
    for tries in itertools.count():
        try:
            return work()
        except kind as error:
            if not passing(error) or tries + 1 >= attempts or time.monotonic() > until:
                raise
        time.sleep(backoff(tries, rng))
    raise AssertionError("the last attempt returns or raises")


def asked_for(headers: Mapping[str, str], now: float) -> float | None:
    """Return the wait that a server's response headers ask for; None if they ask for none.

    Retry-After may be in seconds or a date. Rate-limit resets count only for limits that are used up.

    Args:
        headers: by lower-case name.
        now: seconds since 1970, used for a date if the server does not send its own time.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    after = headers.get("retry-after")
    if after is not None:
        seconds = _number(after)
        if seconds is not None:
            return seconds
        # The date is in the server's time, and its clock may differ from this machine's.
        then, server_now = _time_of(after), _time_of(headers.get("date"))
        return None if then is None else max(0.0, then - (now if server_now is None else server_now))
    resets = [
        _duration(headers.get(f"x-ratelimit-reset-{what}"))
        for what in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{what}") == "0"
    ]
    return max((reset for reset in resets if reset is not None), default=None)


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _time_of(date: str | None) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(date or "").timestamp()
    except (ValueError, OverflowError):
        return None


def _duration(value: str | None) -> float | None:
    """Read "6m0s", "20ms", or plain seconds."""
    parts = _PART.findall(value or "")
    if not parts:
        return _number(value)
    return float(sum(float(number) * _UNITS[unit] for number, unit in parts))
