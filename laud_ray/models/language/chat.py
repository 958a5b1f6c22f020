"""Encode prompts with a model's tokenizer and chat template, and the words of labels as answers.

Every prompt is prefix + body + suffix in token ids. The boundaries are the same in training and in scoring.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers

from laud_ray.errors import ModelError
from laud_ray.models.language.prompts import ANSWER, Prompt, fenced
from laud_ray.types import Label

START, SLOT = "@@START@@", "@@DOCUMENT@@"
Tokens = tuple[int, ...]
# vLLM caches a common prefix in whole blocks: of 16 tokens on a GPU, and of 32 on a CPU as configured here.
BLOCK = 32
# Architectures without a language model's head for generation: encoders and classifiers.
_NO_GENERATION = re.compile(
    r"For(?:Sequence|Token)Classification$|ForMaskedLM$|ForQuestionAnswering$|(?:bert\w*|electra|mpnet|deberta\w*)Model$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Frame:
    """The text around every document in a prompt.

    Attributes:
        before: the text of the chat template before the message.
        prefix: the message up to where the document's own part begins.
        suffix: the text from the end of the document's own part on.
        padding: the number of line breaks inserted before the message, so that the prefix fills whole blocks, and the
            engine's cache covers all of it.
        prefix_ids: token ids of before, padding and prefix.
        suffix_ids: token ids of suffix.
    """

    before: str
    prefix: str
    suffix: str
    padding: int
    prefix_ids: tuple[int, ...]
    suffix_ids: tuple[int, ...]


def open_tokenizer(name: str, *, template: bool = True) -> Any:
    """Load a tokenizer by the hub name or folder of its model.

    Args:
        name: the model.
        template: whether prompts are put into its chat template, if it has one.

    Raises:
        ModelError: if it does not exist, or access to it is denied.
    """
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, ImportError) as error:
        raise unknown(name, error) from None
    if not template:
        tokenizer.chat_template = None
    return tokenizer


def longest_context(name: str) -> int:
    """Return the longest context of a model in tokens; sys.maxsize if its configuration is missing or does not say."""
    return int(getattr(_text_config(name), "max_position_embeddings", None) or sys.maxsize)


def stored_format(name: str) -> str:
    """Return the number format of a model's weights, such as "bfloat16"; "" if its configuration does not say."""
    return str(getattr(_text_config(name), "dtype", None) or "").removeprefix("torch.")


def _text_config(name: str) -> Any:
    """Return the configuration of a model's text part; None if it cannot be loaded."""
    try:
        return transformers.AutoConfig.from_pretrained(name).get_text_config()
    except (OSError, ValueError):
        return None


def require_generative(name: str) -> None:
    """Check that a model can generate, as far as its configuration tells.

    Raises:
        ModelError: if it is an encoder or a classifier.
    """
    try:
        kinds = transformers.AutoConfig.from_pretrained(name).architectures or ()
    except (OSError, ValueError):
        return  # what is wrong is reported where the model or its tokenizer is loaded
    if kinds and all(_NO_GENERATION.search(kind) for kind in kinds):
        raise ModelError(
            f"model: {name!r} is not valid: its architecture {', '.join(kinds)} generates no text; expected a causal "
            "language model"
        )


def unknown(name: str, error: Exception) -> ModelError:
    """Return the error for a model that cannot be loaded."""
    said = str(error).strip()
    # A hub name has one slash; what begins with a folder that exists here is meant as a path.
    first, *more = Path(name).parts or ("",)
    local = len(more) > 1 or name.startswith((".", "/", "~")) or (bool(more) and Path(first).is_dir())
    if local and not Path(name).exists():
        said = "there is no such folder"
    if "gated" in said or "401" in said or "403" in said:
        return ModelError(
            f"model: access to {name!r} is denied; expected a model that the token in HF_TOKEN may read, or a local "
            "folder"
        )
    return ModelError(
        f"model: {name!r} cannot be loaded: {said.splitlines()[0]}; expected a model folder or a hub name"
    )


def frame(tokenizer: Any, prompt: Prompt) -> Frame:
    """Put a prompt into the tokenizer's chat template; without a template, the answer follows the prompt directly.

    If words or keywords are asked for, the answer begins with ANSWER in either case, because a model continues it with
    the words of a label, where it would begin a turn of its own with a sentence.
    """
    content = f"{START}{prompt.head()}{SLOT}{prompt.tail()}"
    if tokenizer.chat_template:
        # Templates of reasoning models would start a thinking block here; other templates ignore the argument.
        rendered = tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        rendered += ANSWER if prompt.begun else ""
    else:
        rendered = (tokenizer.bos_token or "") + content + (f"\n{ANSWER}" if prompt.begun else "")
    before, _, message = rendered.partition(START)
    prefix, _, suffix = message.partition(SLOT)
    opening = encode(tokenizer, prompt.opening())
    length = len(encode(tokenizer, before)) + len(encode(tokenizer, prefix)) + len(opening)
    return restore(tokenizer, before, prefix, suffix, -length % BLOCK)


def restore(tokenizer: Any, before: str, prefix: str, suffix: str, padding: int) -> Frame:
    """Rebuild a frame from its stored parts; see `Frame`."""
    filler = encode(tokenizer, "\n")[-1:] * padding
    ids = [*encode(tokenizer, before), *filler, *encode(tokenizer, prefix)]
    return Frame(before, prefix, suffix, padding, tuple(ids), tuple(encode(tokenizer, suffix)))


def encode(tokenizer: Any, text: str) -> list[int]:
    """Return the token ids of a trusted part of a prompt; control tokens in it are encoded as control tokens."""
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def encode_texts(tokenizer: Any, texts: Sequence[str], limit: int) -> list[list[int]]:
    """Return the token ids of documents, truncated to `limit` tokens; as `encode_plain`."""
    return [ids[:limit] for ids in encode_plain(tokenizer, [fenced(text) for text in texts])]


def encode_plain(tokenizer: Any, parts: Sequence[str]) -> list[list[int]]:
    """Return the token ids of untrusted parts, such as documents; control tokens in them are encoded as plain text."""
    if not parts:
        return []
    ids: list[list[int]] = tokenizer(list(parts), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids


def answer_words(tokenizer: Any, labels: Sequence[Label], name: str) -> tuple[tuple[str, ...], tuple[Tokens, ...]]:
    """Return the words of each label, and their token ids after ANSWER, closed by the end of an answer.

    "card_arrival" is an identifier, which a model would not write: its words are "card arrival". If that makes two
    labels equal, all keep their names.

    Args:
        tokenizer: the model's tokenizer.
        labels: the labels of the task.
        name: the model's name, for the error.

    Raises:
        ModelError: if the tokenizer maps two labels to the same tokens.
    """
    words = tuple(" ".join(label.name.replace("_", " ").split()) or label.name for label in labels)
    if len(set(words)) < len(words):
        words = tuple(label.name for label in labels)
    before, *whole = encode_plain(tokenizer, [ANSWER, *(f"{ANSWER} {one}" for one in words)])
    end = _end(tokenizer)
    found: dict[Tokens, str] = {}
    for label, one, ids in zip(labels, words, whole, strict=True):
        # Where a tokenizer merges the colon with what follows, the words are encoded by themselves.
        own = ids[len(before) :] if ids[: len(before)] == before else encode_plain(tokenizer, [f" {one}"])[0]
        other = found.setdefault((*own, end), label.name)
        if other != label.name:
            raise ModelError(
                f"model: {name!r} has the same tokens for the labels {other!r} and {label.name!r}; expected a model "
                "whose tokenizer distinguishes all labels, or answers: codes"
            )
    return words, tuple(found)


def _end(tokenizer: Any) -> int:
    """Return the token that closes an answer: the one that ends a turn in the chat template, else a line break."""
    if not tokenizer.chat_template:
        return encode(tokenizer, "\n")[-1]
    turns = [{"role": "user", "content": SLOT}, {"role": "assistant", "content": START}]
    after = tokenizer.apply_chat_template(turns, tokenize=False, enable_thinking=False).partition(START)[2]
    closing = encode(tokenizer, after)
    return closing[0] if closing else int(tokenizer.eos_token_id)
