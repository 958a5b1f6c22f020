"""Detect a model whose answers are all useless after the first few, before the whole sample is bought. Pure."""

from collections.abc import Sequence

from laud_ray.config import LlmConfig
from laud_ray.errors import ConfigError
from laud_ray.labels import UNSURE
from laud_ray.oracles.account import answer_tokens
from laud_ray.oracles.completions.confidence import was_cut
from laud_ray.store.ledger import Answer

# If this many answers in a row are useless, the cause is the model or the prompt, not the documents.
FIRST = 8
QUOTED = 100
_THINKS = 2000


def unread(answers: Sequence[Answer], answered: int, config: LlmConfig, where: str) -> ConfigError | None:
    """The user error if none of the first answers could be parsed; None if there are too few, or one was parsed.

    Args:
        answered: the number of all answers in this run, none of which could be parsed before these.
    """
    told = [answer for answer in answers if answer.text is not None]
    refused = len(answers) - len(told)
    if answered + refused < FIRST or not told or any(one.label is not None for one in told):
        return None
    whole = [answer for answer in told if answer.text] or told
    reason = str(whole[0].reason)
    said = f"none of {answered} answers of {config.model} can be parsed, such as {_quoted(whole[0].text)}"
    change = "change it and run the same command, which asks again"
    if any(map(was_cut, answers)):
        return ConfigError(
            f"{where}.max_answer_tokens: {answer_tokens(config)} is not enough: {said}: {reason}; expected more, such "
            f"as {_THINKS} for a reasoning model; {change}"
        )
    return ConfigError(
        f"{where}.model: {said}: {reason}; expected a model that answers with the code of a label (`guideline` or "
        f"`rationale: true` may help); {change}"
    )


def abstained(answers: Sequence[Answer], config: LlmConfig, where: str) -> ConfigError | None:
    """The user error if the first answers are all abstentions; None if there are too few."""
    if len(answers) < FIRST:
        return None
    unsure = sum(answer.label == UNSURE for answer in answers)
    below = f", and the others are below the threshold {config.threshold:g}" if config.threshold else ""
    key = "threshold" if config.threshold and unsure < len(answers) / 2 else "guideline"
    return ConfigError(
        f"{where}.{key}: {config.model} abstained from all of the first {len(answers)} documents: it answered "
        f"`unsure` for {unsure}{below}; expected some labels: a guideline, descriptions or a lower threshold may help, "
        "or run the same command again to continue as it is"
    )


def _quoted(text: str | None) -> str:
    words = " ".join((text or "").split())
    return repr(words if len(words) <= QUOTED else f"{words[:QUOTED]}...")
