"""Interpret the replies of an endpoint: a completion, a user error, or a reason for a retry. Pure."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from laud_ray.config import LlmConfig
from laud_ray.errors import UserError
from laud_ray.oracles.account import answer_tokens
from laud_ray.oracles.engines import Completion, Token
from laud_ray.oracles.openai.parameters import out_of_range, says_too_long, too_long

if TYPE_CHECKING:
    from openai import APIStatusError

_FRAME_TOKENS = 32
# A logarithm of 1 may be above 0 by rounding.
_ROUNDED = 1e-3
# No prompt and no answer has so many.
_MOST_TOKENS = 10**8


def most_tokens(prompt: str) -> int:
    """An upper bound of a prompt's tokens with any tokenizer: one per byte, and some for the chat template."""
    return len(prompt.encode()) + _FRAME_TOKENS


def read_completion(found: object, prompt: str, most: int) -> Completion:
    """Read a response. Reasoning and tool calls beside the content are ignored.

    Args:
        prompt: as it was sent; it bounds the prompt tokens if the endpoint reports no usage.
        most: the token limit of the answer, which bounds the completion tokens in the same way.

    Raises:
        ValueError: if the response is not a chat completion, such as the error page of a proxy.
    """
    choices = getattr(found, "choices", None)
    first = choices[0] if isinstance(choices, list) and choices else None
    message = getattr(first, "message", None)
    if message is None:
        raise ValueError(_no_completion(found))
    usage, finish = getattr(found, "usage", None), getattr(first, "finish_reason", None)
    refusal = getattr(message, "refusal", None) or ("filtered by the endpoint" if finish == "content_filter" else None)
    return Completion(
        _plain(getattr(message, "content", None)),
        tuple(_tokens(getattr(first, "logprobs", None))),
        _count(usage, "prompt_tokens", most_tokens(prompt)),
        _count(usage, "completion_tokens", most),
        finish == "length",
        None if refusal is None else _encodable(str(refusal)),
    )


def names_another(asked: str, given: object) -> bool:
    """Whether a response names a model that is neither the one asked for nor a version of it.

    Example:
        names_another("gpt-5-mini", "gpt-5-mini-2026-08-07") is False.
    """
    if not isinstance(given, str) or not given:
        return False
    one, other = (name.rpartition("/")[2].casefold() for name in (asked, given))
    return one not in other and other not in one


def _plain(content: object) -> str:
    """Return the text of a message: its content is text, a list of parts, or (against the protocol) an object."""
    if isinstance(content, list):
        return _encodable("".join(map(_part, content)))
    text = json.dumps(content) if isinstance(content, dict) else "" if content is None else str(content)
    return _encodable(text)


def _encodable(text: str) -> str:
    """Replace what is no Unicode text, such as half of a surrogate pair: it could not be stored."""
    return text.encode(errors="replace").decode()


def _part(part: object) -> str:
    """Return the text of one part; parts with thinking are left out."""
    if not isinstance(part, dict):
        return str(part)
    text = part.get("text") if part.get("type") in (None, "text", "output_text") else None
    return str(text.get("value", "") if isinstance(text, dict) else text or "")


def _tokens(logprobs: object) -> Iterator[Token]:
    listed = getattr(logprobs, "content", None)
    for token in listed if isinstance(listed, list) else ():
        others = getattr(token, "top_logprobs", None)
        alternatives = (_with_logprob(one) for one in (others if isinstance(others, list) else ()))
        if (one := _with_logprob(token)) is not None:
            yield Token(*one, tuple(other for other in alternatives if other is not None))


def _with_logprob(token: object) -> tuple[str, float] | None:
    """Return a token's text and log-probability, -inf if that is NaN or means more than 1; None if it lacks one."""
    text, found = getattr(token, "token", None), getattr(token, "logprob", None)
    if not isinstance(text, str) or isinstance(found, bool) or not isinstance(found, int | float):
        return None
    if not found <= _ROUNDED:
        return text, -math.inf
    return text, float(max(min(found, 0.0), -1e9))


def _count(usage: object, name: str, bound: int) -> int:
    """Return a count of the usage, or the bound if it is none."""
    found = getattr(usage, name, None)
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= _MOST_TOKENS else bound


def _no_completion(found: object) -> str:
    """Describe a response that is not a completion, with its error message if it has one."""
    error = getattr(found, "error", None)
    message = error.get("message", error) if isinstance(error, dict) else error
    return "the answer is not a chat completion" + (f": {_line(message)}" if message else "")


def _line(message: object) -> str:
    line = " ".join(_encodable(str(message)).split())
    return line if len(line) <= 200 else f"{line[:197]}..."


def words(error: "APIStatusError", key: str | None) -> str:
    """Return the status and the server's message in one short line. An API key in it is masked."""
    body = error.body
    message = str((body.get("message") if isinstance(body, dict) else None) or error.message)
    return f"{error.status_code}: {_line(message.replace(key, '...') if key else message)}"


def unpaid(error: "APIStatusError") -> bool:
    return error.status_code == 402 or error.code == "insufficient_quota"


def passing(error: "APIStatusError") -> bool:
    """Whether the same request may succeed later."""
    return not unpaid(error) and (error.status_code in (408, 409, 429) or error.status_code >= 500)


def mistake(
    error: "APIStatusError", reason: str, config: LlmConfig, where: str, sent: Mapping[str, object]
) -> UserError | None:
    """The user error behind a refused request: answer length, API key or model; None if it is none of these."""
    place = config.base_url or "the endpoint"
    if error.status_code in (400, 422) and out_of_range(error, sent) and not too_long(error):
        return UserError(
            f"{where}.max_answer_tokens: {answer_tokens(config)} is not accepted by {config.model} ({reason}); "
            "expected a value within its limits"
        )
    if error.status_code in (401, 403):
        return UserError(
            f"{where}.key_variable: {place} refused the API key in {config.key_variable} ({reason}); "
            f"expected a key with access to {config.model}"
        )
    if error.status_code == 404 or error.code == "model_not_found":
        return UserError(
            f"{where}.model: {place} does not have {config.model!r} ({reason}); expected one of its models, and "
            "a base_url as in the endpoint's documentation, which often ends in /v1"
        )
    return None


def refused_all(place: str, reason: str, config: LlmConfig, where: str) -> UserError:
    """The user error if an endpoint refuses every document."""
    if says_too_long(reason):
        return UserError(
            f"{where}.max_text_chars: {config.max_text_chars}: {place} refused every request ({reason}); expected "
            "fewer characters, or fewer labels and examples"
        )
    return UserError(f"{where}: {place} refused every request ({reason})")
