"""A prompt through a model's own tokenizer: its chat template around it, one token for each code of an answer.

Every prompt is prefix + body + suffix in token ids, cut at the same places in training and in scoring.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import transformers

from laud_ray.errors import ModelError
from laud_ray.models.language.prompts import Prompt, codes, fenced
from laud_ray.types import Label

START, SLOT = "@@START@@", "@@DOCUMENT@@"
# Engines share what whole blocks of tokens have in common: vLLM's are 16 tokens on a GPU, here 32 on a CPU.
BLOCK = 32
# Codes that no tokenizer makes one token of are passed over; so many are looked at.
CANDIDATES = 800


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around every document.

    Attributes:
        before, prefix, suffix: text as the chat template gives it: before the message, of the message up to
            where a document's own part begins, and from its end on.
        padding: how many line breaks come before the message, so that the prefix fills whole blocks and none
            of it is computed more than once.
    """

    before: str
    prefix: str
    suffix: str
    padding: int
    prefix_ids: tuple[int, ...]
    suffix_ids: tuple[int, ...]


def open_tokenizer(name: str) -> Any:
    """Load a tokenizer by the hub name or folder of its model.

    Raises:
        ModelError: if there is none, or one may not have it.
    """
    try:
        return transformers.AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, ImportError) as error:
        raise unknown(name, error) from None


def longest_context(name: str) -> int:
    """How many tokens a model was made for, as far as its configuration is there and says so."""
    try:
        config = transformers.AutoConfig.from_pretrained(name).get_text_config()
    except (OSError, ValueError):
        return sys.maxsize
    return int(getattr(config, "max_position_embeddings", None) or sys.maxsize)


def unknown(name: str, error: Exception) -> ModelError:
    """The one line for a model that cannot be had."""
    said = str(error).strip()
    if (name.count("/") > 1 or name.startswith((".", "/"))) and not Path(name).exists():
        said = "there is no such folder"
    if "gated" in said or "401" in said or "403" in said:
        return ModelError(f"model: {name!r} is not open to you; expected one that HF_TOKEN may read, or a local folder")
    return ModelError(
        f"model: {name!r} cannot be loaded: {said.splitlines()[0]}; expected a model folder or a hub name"
    )


def frame(tokenizer: Any, prompt: Prompt) -> Frame:
    """Put a prompt into the tokenizer's chat template; without one, the answer simply follows it."""
    content = f"{START}{prompt.head()}{SLOT}{prompt.tail()}"
    if tokenizer.chat_template:
        # Templates that know thinking would open it here; to the others the argument is nothing.
        rendered = tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
    else:
        rendered = (tokenizer.bos_token or "") + content
    before, _, message = rendered.partition(START)
    prefix, _, suffix = message.partition(SLOT)
    opening = encode(tokenizer, prompt.opening())
    length = len(encode(tokenizer, before)) + len(encode(tokenizer, prefix)) + len(opening)
    return restore(tokenizer, before, prefix, suffix, -length % BLOCK)


def restore(tokenizer: Any, before: str, prefix: str, suffix: str, padding: int) -> Frame:
    """Make a frame from its parts."""
    filler = encode(tokenizer, "\n")[-1:] * padding
    ids = [*encode(tokenizer, before), *filler, *encode(tokenizer, prefix)]
    return Frame(before, prefix, suffix, padding, tuple(ids), tuple(encode(tokenizer, suffix)))


def encode(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a part of a prompt that we wrote: its control tokens are read as such."""
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def encode_texts(tokenizer: Any, texts: Sequence[str], limit: int) -> list[list[int]]:
    """Token ids of documents, cut at `limit`."""
    return [ids[:limit] for ids in encode_plain(tokenizer, [fenced(text) for text in texts])]


def encode_plain(tokenizer: Any, parts: Sequence[str]) -> list[list[int]]:
    """Token ids of parts that hold documents: a control token in one is nothing but its letters."""
    if not parts:
        return []
    ids: list[list[int]] = tokenizer(list(parts), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids


def choose_codes(tokenizer: Any, n: int, name: str, labels: Sequence[Label] = ()) -> list[tuple[str, int]]:
    """Find n codes, or as many as there are, that are one token each, all distinct, where an answer begins.

    None of them is what one of the labels is called.

    A template may end so that a code begins at once, or, as plain text does, after a space: the code's token then
    holds the space.

    Raises:
        ModelError: if the tokenizer has not even two.
    """
    suffix = frame(tokenizer, Prompt()).suffix
    leads = ("", " ") if tokenizer.chat_template else (" ", "")
    best = max((_single_tokens(tokenizer, suffix, lead, n, labels) for lead in leads), key=len)
    if len(best) < 2:
        raise ModelError(f"model: {name!r} has {len(best)} codes of one token after its prompt; expected at least 2")
    return best


def _single_tokens(tokenizer: Any, suffix: str, lead: str, n: int, labels: Sequence[Label]) -> list[tuple[str, int]]:
    before = encode(tokenizer, suffix)
    found: dict[int, str] = {}
    for code in islice(codes(labels), CANDIDATES):
        after = encode(tokenizer, suffix + lead + code)
        if len(after) == len(before) + 1 and after[:-1] == before:
            found.setdefault(after[-1], code)
        if len(found) == n:
            break
    return [(text, token) for token, text in found.items()]
