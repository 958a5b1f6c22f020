"""A model of whose answers none can be used: say it after the first few, before the whole sample is bought. Pure."""

from collections.abc import Sequence

from laud_ray.config import LlmConfig
from laud_ray.errors import ConfigError
from laud_ray.labels import UNSURE
from laud_ray.oracles.account import answer_tokens
from laud_ray.oracles.completions.reading import was_cut
from laud_ray.store.ledger import Answer

# So many answers in a row of which none is of use are no accident of the documents.
FIRST = 8
QUOTED = 100
_THINKS = 2000


def unread(answers: Sequence[Answer], answered: int, config: LlmConfig, where: str) -> ConfigError | None:
    """The user's error where none of the first answers could be read; None if they are few, or one was read.

    Args:
        answered: how many answers there are in this run, none of which was read before these.
    """
    told = [answer for answer in answers if answer.text is not None]
    refused = len(answers) - len(told)
    if answered + refused < FIRST or not told or any(one.label is not None for one in told):
        return None
    whole = [answer for answer in told if answer.text] or told
    reason = str(whole[0].reason)
    said = f"none of {answered} answers of {config.model} can be read, such as {_quoted(whole[0].text)}"
    change = "change it and run the same command: it asks again"
    if any(map(was_cut, answers)):
        return ConfigError(
            f"{where}.max_answer_tokens: {answer_tokens(config)}: {said}: {reason}; expected more, such as {_THINKS} "
            f"for a model that thinks first; {change}"
        )
    return ConfigError(
        f"{where}.model: {said}: {reason}; expected a model that answers with the code of a label, or a `guideline` or "
        f"`rationale: true` that helps it; {change}"
    )


def abstained(answers: Sequence[Answer], config: LlmConfig, where: str) -> ConfigError | None:
    """The user's error where the first answers are all abstentions; None if they are few."""
    if len(answers) < FIRST:
        return None
    unsure = sum(answer.label == UNSURE for answer in answers)
    below = f", or is below the threshold {config.threshold:g}" if config.threshold else ""
    key = "threshold" if config.threshold and unsure < len(answers) / 2 else "guideline"
    return ConfigError(
        f"{where}.{key}: {config.model} abstained from all of the first {len(answers)} documents: it is unsure of "
        f"{unsure}{below}; expected labels for some: a guideline, descriptions or a lower threshold may help; "
        "the same command goes on without a change"
    )


def _quoted(text: str | None) -> str:
    words = " ".join((text or "").split())
    return repr(words if len(words) <= QUOTED else f"{words[:QUOTED]}...")
