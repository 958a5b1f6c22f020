"""The prompt of one model over one task: which labels under which codes, in token ids, stored with the model.

k classes, m options that a prompt offers at a time (m = k unless they are too many).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from laud_ray.config import PromptedSection
from laud_ray.errors import ModelError
from laud_ray.models.language.chat import (
    Frame,
    choose_codes,
    encode_plain,
    encode_texts,
    frame,
    longest_context,
    restore,
)
from laud_ray.models.language.prompts import VERSION, Option, Prompt
from laud_ray.types import Example, Label, Task

FRAME_KEYS = ("before", "prefix", "suffix", "padding")


@dataclass(frozen=True, slots=True)
class LabelPrompt:
    """A task as a language model sees it.

    Attributes:
        codes, token_ids: the m codes and the token that each is where an answer begins.
        orders: permutations of the k classes; in each, position j stands under code j. None of them when
            every document has options of its own, since k labels are too many for one prompt.
        frames: what stands around a document, one for each order, or the only one.
        examples: solved examples that every document is shown.
    """

    labels: tuple[Label, ...]
    settings: PromptedSection
    codes: tuple[str, ...]
    token_ids: tuple[int, ...]
    orders: tuple[tuple[int, ...], ...]
    frames: tuple[Frame, ...]
    examples: tuple[Example, ...] = ()

    @property
    def narrow(self) -> bool:
        """Whether every document has options of its own."""
        return not self.orders

    def options(self, classes: Sequence[int]) -> tuple[Option, ...]:
        return tuple(Option(code, self.labels[c]) for code, c in zip(self.codes, classes, strict=False))

    def prompt(self, order: int = 0) -> Prompt:
        options = () if self.narrow else self.options(self.orders[order])
        return Prompt(options, self.settings.guideline, self.examples)

    def opening(
        self, tokenizer: Any, order: int = 0, *, classes: Sequence[int] = (), examples: Sequence[Example] = ()
    ) -> list[int]:
        """Token ids between the frame's prefix and a text: its own options and examples, and the fence."""
        text = self.prompt(order).opening(self.options(classes) if classes else (), examples)
        # Its examples are documents.
        return encode_plain(tokenizer, [text])[0]

    def ids(
        self, tokenizer: Any, texts: Sequence[str], openings: Sequence[Sequence[int]], order: int = 0
    ) -> list[list[int]]:
        """Token ids of n whole prompts, one opening for each text."""
        around = self.frames[order]
        encoded = encode_texts(tokenizer, texts, self.settings.max_text_tokens)
        return [
            [*around.prefix_ids, *opening, *text, *around.suffix_ids]
            for opening, text in zip(openings, encoded, strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "prompt_version": VERSION,
            "settings": self.settings.model_dump(mode="json"),
            "classes": [asdict(label) for label in self.labels],
            "codes": self.codes,
            "token_ids": self.token_ids,
            "orders": self.orders,
            "examples": [asdict(example) for example in self.examples],
            "frames": [{key: getattr(one, key) for key in FRAME_KEYS} for one in self.frames],
        }


def from_json(data: Mapping[str, Any], tokenizer: Any) -> LabelPrompt:
    """Rebuild a model's prompt: the stored text, not one rendered anew.

    Raises:
        ModelError: if this version would open a document differently than the model was trained with.
    """
    if data["prompt_version"] != VERSION:
        raise ModelError(f"model: made with prompts of version {data['prompt_version']}; expected {VERSION}")
    frames = tuple(restore(tokenizer, **one) for one in data["frames"])
    return LabelPrompt(
        labels=tuple(_label(label) for label in data["classes"]),
        settings=PromptedSection.model_validate(data["settings"]),
        codes=tuple(data["codes"]),
        token_ids=tuple(data["token_ids"]),
        orders=tuple(tuple(order) for order in data["orders"]),
        frames=frames,
        examples=tuple(Example(**example) for example in data["examples"]),
    )


def build(
    tokenizer: Any,
    task: Task,
    settings: PromptedSection,
    *,
    orders: int,
    examples: Sequence[Example] = (),
    spare: int = 0,
) -> LabelPrompt:
    """Fit a task's labels into a prompt; where they do not all fit, documents get options of their own.

    Args:
        orders: label orders to prepare; ignored where documents have options of their own.
        examples: solved examples that every document is shown.
        spare: tokens that must be left for examples of a document's own.

    Raises:
        ModelError: if even few labels and a text do not fit the context.
    """
    k = len(task.labels)
    own = {name: getattr(settings, name) for name in PromptedSection.model_fields}
    # An engine starts with no more than the model was made for.
    settings = PromptedSection(**own | {"max_context": min(settings.max_context, longest_context(settings.model))})
    found = choose_codes(tokenizer, min(k, settings.max_labels), settings.model, task.labels)
    codes, tokens = tuple(code for code, _ in found), tuple(token for _, token in found)
    turned = tuple(_rotation(k, i, orders) for i in range(min(orders, k))) if len(codes) == k else ()
    prompt = LabelPrompt(task.labels, settings, codes, tokens, turned, (), tuple(examples))
    prompt = replace(prompt, frames=tuple(frame(tokenizer, prompt.prompt(i)) for i in range(max(1, len(turned)))))
    if turned and _left(tokenizer, prompt, spare) >= 0:
        return prompt
    narrow = replace(prompt, orders=())
    return _fit(tokenizer, replace(narrow, frames=(frame(tokenizer, narrow.prompt()),)), spare)


def _fit(tokenizer: Any, narrow: LabelPrompt, spare: int) -> LabelPrompt:
    """Offer as many options as surely fit: the longest labels are reckoned with."""
    fence = len(narrow.opening(tokenizer))
    every = (len(narrow.opening(tokenizer, classes=[c])) - fence for c in range(len(narrow.labels)))
    longest = np.sort(np.asarray(list(every)))[::-1][: len(narrow.codes)]
    left = _left(tokenizer, narrow, spare)
    m = int((np.cumsum(longest) <= left).sum())
    if m < 2:
        settings, examples = narrow.settings, f" and {spare} of examples (max_example_tokens)" if spare else ""
        limit = ", the model's own limit," if settings.max_context == longest_context(settings.model) else ""
        raise ModelError(
            f"max_context: {settings.max_context} tokens{limit} hold {m} labels beside the instructions and a text of "
            f"{settings.max_text_tokens} tokens (max_text_tokens){examples}; "
            f"expected at least {settings.max_context - left + int(longest[:2].sum())}"
        )
    return replace(narrow, codes=narrow.codes[:m], token_ids=narrow.token_ids[:m])


def _left(tokenizer: Any, prompt: LabelPrompt, spare: int) -> int:
    """Tokens of the context that the longest prompt leaves over, the answer's one reckoned; below 0 is too few."""
    around = prompt.frames[0]
    fixed = len(around.prefix_ids) + len(prompt.opening(tokenizer)) + len(around.suffix_ids) + 1
    return prompt.settings.max_context - fixed - prompt.settings.max_text_tokens - spare


def _rotation(k: int, i: int, orders: int) -> tuple[int, ...]:
    """The i-th of `orders` cyclic orders, spread evenly: every label stands early in some and late in others."""
    shift = i * k // max(orders, 1)
    return tuple((j + shift) % k for j in range(k))


def _label(data: Mapping[str, Any]) -> Label:
    return Label(data["name"], data["description"], tuple(_label(one) for one in data["rest"]))
