"""Notify the service that another model is current, so that it loads it before its next poll."""

import os

import httpx

from laud_ray.config import ServingConfig
from laud_ray.printable import first_line

TIMEOUT = 5.0  # seconds, for each of connecting, sending and waiting for the response


def reload(config: ServingConfig) -> str | None:
    """Ask the configured service to read the registry; return one line with the reason if that failed, or None.

    Failures of the network or the service raise no error, because the service polls the registry anyway.
    """
    if config.url is None:
        return None
    url = f"{config.url.rstrip('/')}/v1/reload"
    reason = _post(url, config.token_env)
    return reason and f"serving.url: {url}: {reason}; the service polls anyway"


def _post(url: str, token_env: str | None) -> str | None:
    headers = {}
    if token_env is not None:
        token = os.environ.get(token_env, "").strip()
        if not token:
            return f"not notified: the environment variable {token_env} (serving.token_env) is not set"
        headers["Authorization"] = f"Bearer {token}"
    try:
        # The body of the response is not needed, so it is not read.
        with httpx.stream("POST", url, headers=headers, timeout=TIMEOUT) as response:
            return None if response.is_success else f"answered {response.status_code}"
    except UnicodeError:  # raised by httpx for a header that is not ASCII
        return f"not notified: the token in the environment variable {token_env} is not ASCII"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # The message may quote a header, and with it the token.
        cause = "illegal header" if isinstance(error, httpx.LocalProtocolError) else first_line(error)
        return f"not notified: {cause}"
