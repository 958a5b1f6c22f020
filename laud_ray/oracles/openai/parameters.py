"""Optional parameters of a chat completion, and which of them a model does not accept. Pure.

Refused parameters are a mapping from the name to the largest value that the model accepts, or None if it names none.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from laud_ray.config import LlmConfig
from laud_ray.models.language.prompts import Option
from laud_ray.oracles.account import answer_tokens
from laud_ray.oracles.completions.verdicts import schema

if TYPE_CHECKING:
    from openai import APIStatusError

ALTERNATIVES = 5
# Two names of one parameter: OpenAI's reasoning models accept only the second, many other servers only the first.
LENGTHS = ("max_tokens", "max_completion_tokens")
FORM = "response_format"
_NAMED = {
    FORM: re.compile(r"response[ _-]?format|json[ _-]?schema|structured[ _-]?outputs?|guided", re.IGNORECASE),
    "logprobs": re.compile(
        r"(?<!top)(?<!top[ _-])(?<![a-z])log[ _-]?prob(?:s|abilit(?:y|ies))?(?![a-z_])", re.IGNORECASE
    ),
    "top_logprobs": re.compile(r"top[ _-]?log[ _-]?prob(?:s|abilit(?:y|ies))?", re.IGNORECASE),
    "temperature": re.compile(r"\btemperature\b", re.IGNORECASE),
    "max_tokens": re.compile(r"\bmax[ _-]?tokens\b", re.IGNORECASE),
    "max_completion_tokens": re.compile(r"\bmax[ _-]?completion[ _-]?tokens\b", re.IGNORECASE),
}
_LARGEST = re.compile(
    r"(?:<=?|≤|at most|less than or equal to|up to|no more than|maximum(?: of| is|:)?|(?:between|from|range).{0,20}?"
    r"(?:and|to|-|,))\s*\[?(\d{1,2})\b",
    re.IGNORECASE,
)
_OUT_OF_RANGE = re.compile(
    r"too (?:large|small|high|low|big)|at (?:least|most)|exceed|minimum|below|above|between|range|[<>]=?\s*\d|"
    r"(?:greater|less|larger|smaller|more) than",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(r"unsupport|not support|unrecogni[sz]|unknown|extra|not permitted|instead", re.IGNORECASE)
_TOO_LONG = re.compile(
    r"context[ _-]?(?:length|window|size|limit)|maximum (?:context|prompt|input|sequence)|reduce the length|"
    r"(?:prompt|input|messages?|request) (?:is|are|was) too (?:long|large)|too many (?:input )?tokens|"
    r"(?:prompt|input).{0,40}exceed",
    re.IGNORECASE,
)


def parameters(config: LlmConfig, temperature: float, refused: Mapping[str, int | None]) -> dict[str, Any]:
    """Return the parameters that are sent with the prompt, without refused ones."""
    lengths = LENGTHS if config.base_url else LENGTHS[::-1]
    found: dict[str, Any] = {name: answer_tokens(config) for name in lengths if name not in refused}
    found = dict(list(found.items())[:1])
    if "temperature" not in refused:
        found["temperature"] = temperature
    if config.votes == 1 and "logprobs" not in refused:
        found["logprobs"] = True
        alternatives = refused.get("top_logprobs", ALTERNATIVES)
        found |= {"top_logprobs": alternatives} if alternatives else {}
    return found


def form(options: Sequence[Option], refused: Mapping[str, int | None]) -> dict[str, Any]:
    """Return the parameter that constrains an answer to a verdict on each option; empty if it is refused."""
    if FORM in refused:
        return {}
    described = {"name": "verdicts", "strict": True, "schema": schema(options)}
    return {FORM: {"type": "json_schema", "json_schema": described}}


def refused(error: "APIStatusError", sent: Mapping[str, Any], text: str) -> dict[str, int | None]:
    """Return the parameters that an error shows to be refused, for the wordings of many servers.

    Args:
        sent: the parameters of the request.
        text: the text of the document, which is removed from the error message in case it is quoted there.

    Example:
        For the message "Unsupported parameter: 'logprobs'" the result is {"logprobs": None}.
    """
    if error.status_code not in (400, 403, 422) or too_long(error):
        return {}
    if str(error.param or "").startswith(("messages", "model")) or out_of_range(error, sent):
        return {}
    message = _message(error).replace(text, "")
    names = [name for name in sent if error.param == name or (name in _NAMED and _NAMED[name].search(message))]
    return {name: _largest(message, sent[name]) if name == "top_logprobs" else None for name in names}


def too_long(error: "APIStatusError") -> bool:
    """Whether the prompt is longer than the model's context, which is a fault of this document alone."""
    longer = error.code == "context_length_exceeded" or says_too_long(_message(error))
    return error.status_code in (400, 413, 422) and longer


def says_too_long(message: str) -> bool:
    return _TOO_LONG.search(message) is not None


def out_of_range(error: "APIStatusError", sent: Mapping[str, Any]) -> bool:
    """Whether the model accepts the length limit of answers, but not with this value."""
    message = _message(error)
    named = any(name in sent and (error.param == name or _NAMED[name].search(message)) for name in LENGTHS)
    return named and bool(_OUT_OF_RANGE.search(message)) and not _UNKNOWN.search(message)


def consequence(name: str, refused: Mapping[str, int | None]) -> str | None:
    """Describe how answers change if a parameter is left out; None if they do not."""
    if name == "logprobs":
        return "its answers have no confidence"
    if name == "temperature":
        return "it samples at its default temperature, and answers may differ from call to call"
    if name in LENGTHS and all(one in refused for one in LENGTHS):
        return "the length of its answers is unbounded, so caps of tokens and dollars may be exceeded"
    return None


def _largest(message: str, sent: int) -> int | None:
    found = [int(number) for number in _LARGEST.findall(message)]
    return max((number for number in found if 0 < number < sent), default=None)


def _message(error: "APIStatusError") -> str:
    return f"{error.message} {error.body or ''}"
