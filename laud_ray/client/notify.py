"""Tell the service that another model is current, so that it need not wait until it looks by itself."""

import os

import httpx

from laud_ray.config import ServingConfig

TIMEOUT = 5.0  # seconds, for each of connecting, sending and waiting for the answer


def reload(config: ServingConfig) -> str | None:
    """Ask the configured service to look at the registry; return one line that says why that failed, or None.

    It never raises for what the network or the service does: nothing depends on it.
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
            return f"not told: the environment variable {token_env} (serving.token_env) is not set"
        headers["Authorization"] = f"Bearer {token}"
    try:
        # What the answer says does not matter, so its body is not waited for.
        with httpx.stream("POST", url, headers=headers, timeout=TIMEOUT) as response:
            return None if response.is_success else f"answered {response.status_code}"
    except UnicodeError:  # of the header: httpx wants ASCII
        return f"not told: the environment variable {token_env} holds no token in ASCII"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # Errors may quote a header, and with it the token.
        said = "illegal header" if isinstance(error, httpx.LocalProtocolError) else str(error).partition("\n")[0]
        return f"not told: {said or type(error).__name__}"
