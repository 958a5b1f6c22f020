"""Connect to an object store with the S3 protocol, and turn its errors into one line that says what to set.

All settings come from the usual environment variables: AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL; AWS_REGION or
AWS_DEFAULT_REGION; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or another source of credentials, such as a profile
or a machine's role.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar
from urllib.parse import urlsplit

import pyarrow.fs as pafs

from laud_ray.errors import StorageError, StorageSettingsError
from laud_ray.storage.backoff import retried

T = TypeVar("T")
SCHEMES = ("s3://", "s3a://")
# Attempts, which together last about a minute: waits double from 1 s to 20 s, with jitter.
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
    """Return "bucket/key" of an S3 URI. The key is not percent-decoded.

    Raises:
        StorageSettingsError: if the bucket is missing, or the URI holds credentials, which the message leaves out.
    """
    scheme, _, rest = uri.partition("://")
    bucket, slash, key = rest.partition("/")
    if "@" in bucket:
        bare = f"{scheme}://{bucket.rpartition('@')[2]}{slash}{key}"
        raise StorageSettingsError(
            f"{bare}: the URI holds credentials; expected them in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if not bucket:
        raise StorageSettingsError(f"{uri}: has no bucket; expected {scheme}://BUCKET/PREFIX")
    return f"{bucket}/{key}".rstrip("/")


def connect(*, tries: int = TRIES) -> pafs.FileSystem:
    """Return a client for the store that the environment describes. It is cached by its settings.

    Raises:
        StorageSettingsError: if the endpoint is not a URL.
    """
    return _client(os.getpid(), _endpoint(), _region(), _credentials(), tries)


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """Turn Arrow's errors about a store into one line with the URI, the cause and the setting to change.

    Raises:
        StorageSettingsError: if the bucket is missing, or the credentials are missing or refused.
        StorageError: if the store cannot be reached, or fails in another way.
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
    """Call `work`, which only reads a file of a store, and retry it in the one case that Arrow does not retry itself.

    Arrow retries a busy store, except if the body of its 503 response is longer than the bytes that were requested.

    Raises:
        StorageError: as in `explained`.
    """

    def once() -> T:
        with explained(uri):
            return work()

    return retried(once, StorageError, lambda error: _OVERFLOW in str(error), attempts=TRIES)


def require(uri: str) -> None:
    """Check within seconds that the bucket of an S3 URI exists; do nothing for other URIs and paths.

    Raises:
        StorageSettingsError, StorageError: as in `explained`.
    """
    if not uri.startswith(SCHEMES):
        return
    bucket = split(uri).partition("/")[0]
    try:
        with explained(uri):
            there = connect(tries=3).get_file_info(bucket).type != pafs.FileType.NotFound
    except StorageSettingsError:
        # Credentials for one prefix may not query the bucket, so query the prefix instead.
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
            f"{uri}: there is no bucket {bucket!r} at {at}; expected an existing one: create it, or set "
            "AWS_ENDPOINT_URL"
        )
    if any(mark in f"{code} {details}" for mark in _REFUSED):
        key = "AWS_ACCESS_KEY_ID is set" if os.environ.get("AWS_ACCESS_KEY_ID") else "AWS_ACCESS_KEY_ID is not set"
        return StorageSettingsError(
            f"{uri}: {at} refuses access ({code}; {key}); expected credentials that may read and write there: "
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        )
    if code == "NETWORK_CONNECTION":
        cause = details.partition("Details: ")[2] or details
        return StorageError(f"{uri}: {at} cannot be reached ({cause.strip()}); is AWS_ENDPOINT_URL right?")
    return StorageError(f"{uri}: {at} failed: {code} during {operation}: {' '.join(details.split())}")


def _endpoint() -> str | None:
    """Return the endpoint's scheme, host and port, without a user and password; None for AWS itself."""
    given = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if not given:
        return None
    parts = urlsplit(given)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme not in ("http", "https") or not host:
        raise StorageSettingsError("AWS_ENDPOINT_URL: is not a URL; expected e.g. https://storage.example.com:9000")
    return f"{parts.scheme}://{host}"


def _region() -> str | None:
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    # Other stores than AWS ignore the region or accept this one. Without a region, Arrow would ask AWS for seconds.
    return region or ("us-east-1" if _endpoint() else None)


def _credentials() -> int:
    """Return a hash of the credentials: a cache key that does not keep them in memory."""
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
        # A small file is one PUT. A larger one is a multipart upload, which is invisible until it is complete.
        allow_delayed_open=True,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=tries),
    )
