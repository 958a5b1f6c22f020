"""Connect to an object store that speaks S3, and say in one line what is wrong with it.

Everything comes from the environment, as for other tools: AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, AWS_REGION or
AWS_DEFAULT_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or what else finds credentials, such as a profile or
the role of a machine.
"""

import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar
from urllib.parse import urlsplit

import pyarrow.fs as pafs

from laud_ray.errors import StorageError, StorageSettingsError
from laud_ray.storage.backoff import backoff

T = TypeVar("T")
SCHEMES = ("s3://", "s3a://")
# A throttled or restarting store gets about a minute; waits double from a second, with jitter, up to 20 s.
TRIES = 8
CONNECT_SECONDS, REQUEST_SECONDS = 5.0, 60.0
_ERROR = re.compile(r"AWS Error (\w+) during (\w+) operation: (.*?)(?: \(Request ID.*)?$", re.DOTALL)
_OVERFLOW = "Failed to flush response stream"
_REFUSED = (
    "ACCESS_DENIED",
    "ACCESS_KEY",
    "SIGNATURE",
    "TOKEN",
    "CREDENTIALS",
    "AUTH",
    "UNRECOGNIZED_CLIENT",
    "HTTP status 403",
    "HTTP status 401",
)


def split(uri: str) -> str:
    """Return "bucket/key" of an S3 URI. What follows the bucket is the key as it stands: nothing in it is decoded.

    Raises:
        StorageSettingsError: if there is no bucket, or the URI holds credentials, which the message does not repeat.
    """
    scheme, _, rest = uri.partition("://")
    bucket, slash, key = rest.partition("/")
    if "@" in bucket:
        bare = f"{scheme}://{bucket.rpartition('@')[2]}{slash}{key}"
        raise StorageSettingsError(
            f"{bare}: is given with credentials in it; expected them in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if not bucket:
        raise StorageSettingsError(f"{uri}: names no bucket; expected {scheme}://BUCKET/PREFIX")
    return f"{bucket}/{key}".rstrip("/")


def connect(*, tries: int = TRIES) -> pafs.FileSystem:
    """Return the store of the environment; the same one for the same settings, since a client is dear to make.

    Raises:
        StorageSettingsError: if the endpoint is no URL.
    """
    return _client(os.getpid(), _endpoint(), _region(), _credentials(), tries)


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """Turn what Arrow says of a store into one line with the URI, what was found and what to set.

    Raises:
        StorageSettingsError: the bucket is missing, or the credentials are missing or refused.
        StorageError: the store cannot be reached, or fails in another way.
    """
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        found = _ERROR.search(str(error))
        if found is None or not uri.startswith(SCHEMES):
            raise
        raise _explain(uri, *found.groups()) from None


def read(uri: str, work: Callable[[], T]) -> T:
    """Do what only reads a file of a store, and again where Arrow could not tell that the store was busy.

    Arrow tries again by itself, except when the text of a 503 is longer than the bytes that it had asked for.

    Raises:
        StorageError: as `explained`.
    """
    for tries in range(TRIES):
        try:
            with explained(uri):
                return work()
        except StorageError as error:
            if _OVERFLOW not in str(error) or tries == TRIES - 1:
                raise
        time.sleep(backoff(tries, random.Random()))
    raise AssertionError("the last try returns or raises")


def require(uri: str) -> None:
    """Make sure, within seconds, that the bucket of a URI is there; nothing happens for other places.

    Raises:
        StorageSettingsError, StorageError: as `explained`.
    """
    if not uri.startswith(SCHEMES):
        return
    bucket = split(uri).partition("/")[0]
    try:
        with explained(uri):
            there = connect(tries=3).get_file_info(bucket).type != pafs.FileType.NotFound
    except StorageSettingsError:
        # Whoever may only use a prefix may not ask about the bucket: the prefix itself answers then.
        with explained(uri):
            connect(tries=3).get_file_info(pafs.FileSelector(split(uri), allow_not_found=True))
        return
    if not there:
        raise _explain(uri, "NO_SUCH_BUCKET", "", "")


def _explain(uri: str, code: str, operation: str, details: str) -> StorageError:
    at = _endpoint() or "the endpoint of AWS"
    if code == "NO_SUCH_BUCKET":
        bucket = split(uri).partition("/")[0]
        return StorageSettingsError(
            f"{uri}: there is no bucket {bucket!r} at {at}; expected one: make it, or set AWS_ENDPOINT_URL"
        )
    if any(mark in f"{code} {details}" for mark in _REFUSED):
        key = "that of AWS_ACCESS_KEY_ID" if os.environ.get("AWS_ACCESS_KEY_ID") else "no AWS_ACCESS_KEY_ID is set"
        return StorageSettingsError(
            f"{uri}: {at} refuses access ({code}; {key}); expected credentials that may read and write there: "
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        )
    if code == "NETWORK_CONNECTION":
        cause = details.partition("Details: ")[2] or details
        return StorageError(f"{uri}: {at} cannot be reached ({cause.strip()}); is AWS_ENDPOINT_URL right?")
    return StorageError(f"{uri}: {at} failed: {code} during {operation}: {' '.join(details.split())}")


def _endpoint() -> str | None:
    """The endpoint's scheme, host and port; None for that of AWS. A user and password in it are left out."""
    given = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if not given:
        return None
    parts = urlsplit(given)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme not in ("http", "https") or not host:
        raise StorageSettingsError("AWS_ENDPOINT_URL: is no URL; expected one such as https://storage.example.com:9000")
    return f"{parts.scheme}://{host}"


def _region() -> str | None:
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    # Stores other than AWS have no regions, or take this one; asking AWS for it would take seconds.
    return region or ("us-east-1" if _endpoint() else None)


def _credentials() -> int:
    """What tells one set of credentials from another, without keeping them."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
    return hash(tuple(os.environ.get(name) for name in names))


@lru_cache(maxsize=8)
def _client(_process: int, endpoint: str | None, region: str | None, _secrets: int, tries: int) -> pafs.FileSystem:
    parts = urlsplit(endpoint or "https://")
    return pafs.S3FileSystem(
        endpoint_override=parts.netloc or None,
        scheme=parts.scheme,
        region=region,
        connect_timeout=CONNECT_SECONDS,
        request_timeout=REQUEST_SECONDS,
        # Small files are one PUT; larger ones are uploaded in parts, and nobody sees any of it before the end.
        allow_delayed_open=True,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=tries),
    )
