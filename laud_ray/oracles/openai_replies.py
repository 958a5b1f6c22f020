"""What the replies of an endpoint mean: a completion, a mistake of the user, a reason to try again. Pure."""

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from laud_ray.config import LlmConfig
from laud_ray.errors import UserError
from laud_ray.oracles.engines import Completion, Token

if TYPE_CHECKING:
    from openai import APIStatusError
    from openai.types.chat import ChatCompletion

_FRAME_TOKENS = 32
_UNSUPPORTED = re.compile(r"unsupport|not support|unrecogni|unknown|extra|not permitted", re.IGNORECASE)


def most_tokens(prompt: str) -> int:
    """At most how many tokens a prompt has with any tokenizer, a byte being the least; the chat's frame on top."""
    return len(prompt.encode()) + _FRAME_TOKENS


def read_completion(found: "ChatCompletion", prompt: str, most: int) -> Completion:
    """Read a response. Where the endpoint does not say what was used, the upper bound stands.

    Raises:
        ValueError: if it is no chat completion, as from a proxy's error page.
    """
    choices = getattr(found, "choices", None)
    if not choices or getattr(choices[0], "message", None) is None:
        raise ValueError("the answer is no chat completion")
    tokens = (choices[0].logprobs and choices[0].logprobs.content) or ()
    usage = found.usage
    return Completion(
        choices[0].message.content or "",
        tuple(Token(t.token, t.logprob, tuple((o.token, o.logprob) for o in t.top_logprobs or ())) for t in tokens),
        usage.prompt_tokens if usage else most_tokens(prompt),
        usage.completion_tokens if usage else most,
    )


def words(error: "APIStatusError", key: str | None) -> str:
    """The status and the server's message in one short line, without the key."""
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    line = " ".join(str(message or error.message).split())
    line = line.replace(key, "...") if key else line
    return f"{error.status_code}: {line if len(line) <= 200 else f'{line[:197]}...'}"


def unpaid(error: "APIStatusError") -> bool:
    return error.status_code == 402 or error.code == "insufficient_quota"


def passing(error: "APIStatusError") -> bool:
    """Whether the same request may succeed later."""
    return not unpaid(error) and (error.status_code in (408, 409, 429) or error.status_code >= 500)


def unsupported(error: "APIStatusError", sent: Collection[str]) -> list[str]:
    """Which of the parameters that were sent the model does not take."""
    message = str(error.message)
    if error.status_code not in (400, 422) or not _UNSUPPORTED.search(message):
        return []
    return [name for name in sent if error.param == name or re.search(rf"\b{name}\b", message)]


def mistake(error: "APIStatusError", reason: str, config: LlmConfig, where: str) -> UserError | None:
    """The user's error that a refusal shows, or None."""
    place = config.base_url or "the endpoint"
    if error.status_code in (401, 403):
        return UserError(
            f"{where}.key_variable: {place} refused the key of {config.key_variable} ({reason}); "
            f"expected one that may use {config.model}"
        )
    if error.status_code == 404 or error.code == "model_not_found":
        return UserError(
            f"{where}.model: {place} does not know {config.model!r} ({reason}); expected one of its models, and "
            "a base_url that ends as the endpoint's documents say, often in /v1"
        )
    return None
