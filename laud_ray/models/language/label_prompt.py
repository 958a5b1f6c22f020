"""The prompt of a model for a task: the codes or words of the labels and the surrounding text, as token ids.

It is stored with the model. k classes, m options in one prompt (m = k unless k labels do not fit).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from laud_ray.config import PromptedSection
from laud_ray.errors import ModelError
from laud_ray.models.language.answers import words as trie
from laud_ray.models.language.answers.codes import choose_codes, choose_keywords
from laud_ray.models.language.chat import (
    Frame,
    Tokens,
    answer_words,
    encode_plain,
    encode_texts,
    frame,
    longest_context,
    restore,
)
from laud_ray.models.language.prompts import VERSION, Option, Prompt, label_line
from laud_ray.types import Example, Label, Task

Answers = Literal["codes", "keywords", "words"]
# The most labels whose tokens are counted one by one, and whose words may form one trie.
TRIED = 1000
FRAME_KEYS = ("before", "prefix", "suffix", "padding")


@dataclass(frozen=True, slots=True)
class LabelPrompt:
    """The prompt of a task for a language model.

    Attributes:
        labels: the k labels.
        settings: the model and the limits of the prompt.
        codes: the m codes of the options; each is "" if words are the answers. Keywords are those of the k labels.
        token_ids: the token of each code at the beginning of an answer; empty if words are the answers.
        orders: permutations of the k classes: in each, the class at position j has code j, unless the codes are
            keywords. Empty if k labels do not fit into one prompt; then every document gets its own options ("narrow").
        frames: the text around a document, one frame for each order; a single one if orders is empty.
        examples: solved examples that every prompt contains.
        words: the words of the k labels, if they are the answers; else empty. The prompt does not list them: a list
            made the answers of a small model no better (docs/LOG.md), and so any number of labels fits.
        sequences: the token ids of these words, each closed by an end token.
        keywords: whether the codes are keywords, which belong to their labels in every order.
        tree: whether the labels are the leaves of a taxonomy. A document's own options are then also the labels of the
            nearest annotated documents.
    """

    labels: tuple[Label, ...]
    settings: PromptedSection
    codes: tuple[str, ...]
    token_ids: tuple[int, ...]
    orders: tuple[tuple[int, ...], ...]
    frames: tuple[Frame, ...]
    examples: tuple[Example, ...] = ()
    words: tuple[str, ...] = ()
    sequences: tuple[Tokens, ...] = ()
    keywords: bool = False
    tree: bool = False

    @property
    def narrow(self) -> bool:
        """Whether k labels do not fit into one prompt, so that every document gets its own m options."""
        return not self.orders

    def options(self, classes: Sequence[int]) -> tuple[Option, ...]:
        if self.words:
            return ()
        if self.keywords:
            return tuple(Option(self.codes[c], self.labels[c]) for c in classes)
        return tuple(Option(code, self.labels[c]) for code, c in zip(self.codes, classes, strict=False))

    def classes(self, order: int = 0) -> tuple[int, ...]:
        """Return the class for which each code stands in an order; not of a narrow prompt."""
        return tuple(range(len(self.labels))) if self.keywords else self.orders[order]

    def prompt(self, order: int = 0) -> Prompt:
        options = () if self.narrow else self.options(self.orders[order])
        examples = self._worded(self.examples)
        return Prompt(options, self.settings.guideline, examples, words=bool(self.words), keywords=self.keywords)

    def opening(
        self, tokenizer: Any, order: int = 0, *, classes: Sequence[int] = (), examples: Sequence[Example] = ()
    ) -> list[int]:
        """Return the token ids between the frame's prefix and a text.

        Args:
            tokenizer: the model's tokenizer.
            order: the index of the label order.
            classes: the document's own options, if the prompt is narrow.
            examples: the document's own examples.
        """
        text = self.prompt(order).opening(self.options(classes) if classes else (), self._worded(examples))
        # Examples are documents, and so untrusted.
        return encode_plain(tokenizer, [text])[0]

    def ids(
        self, tokenizer: Any, texts: Sequence[str], openings: Sequence[Sequence[int]], order: int = 0
    ) -> list[list[int]]:
        """Return the token ids of n complete prompts; `openings` has the result of `opening` for each text."""
        around = self.frames[order]
        encoded = encode_texts(tokenizer, texts, self.settings.max_text_tokens)
        return [
            [*around.prefix_ids, *opening, *text, *around.suffix_ids]
            for opening, text in zip(openings, encoded, strict=True)
        ]

    def _worded(self, examples: Sequence[Example]) -> tuple[Example, ...]:
        words = dict(zip((label.name for label in self.labels), self.words, strict=False))
        return tuple(replace(example, label=words.get(example.label, example.label)) for example in examples)

    def to_json(self) -> dict[str, Any]:
        more: dict[str, Any] = {"words": self.words, "sequences": self.sequences} if self.words else {}
        more |= {"keywords": True} if self.keywords else {}
        more |= {"tree": True} if self.tree else {}
        return {
            "prompt_version": VERSION,
            "settings": self.settings.model_dump(mode="json"),
            "classes": [asdict(label) for label in self.labels],
            "codes": self.codes,
            "token_ids": self.token_ids,
            "orders": self.orders,
            "examples": [asdict(example) for example in self.examples],
            "frames": [{key: getattr(one, key) for key in FRAME_KEYS} for one in self.frames],
            **more,
        }


def from_json(data: Mapping[str, Any], tokenizer: Any) -> LabelPrompt:
    """Rebuild a model's prompt from what `to_json` stored. The stored text is used; it is not rendered again.

    Raises:
        ModelError: if the model was made with another version of the prompts.
    """
    if data["prompt_version"] != VERSION:
        raise ModelError(f"model: its prompts have version {data['prompt_version']}; expected version {VERSION}")
    frames = tuple(restore(tokenizer, **one) for one in data["frames"])
    return LabelPrompt(
        labels=tuple(_label(label) for label in data["classes"]),
        settings=PromptedSection.model_validate(data["settings"]),
        codes=tuple(data["codes"]),
        token_ids=tuple(data["token_ids"]),
        orders=tuple(tuple(order) for order in data["orders"]),
        frames=frames,
        examples=tuple(Example(**example) for example in data["examples"]),
        words=tuple(data.get("words", ())),
        sequences=tuple(tuple(one) for one in data.get("sequences", ())),
        keywords=bool(data.get("keywords")),
        tree=bool(data.get("tree")),
    )


def build(
    tokenizer: Any,
    task: Task,
    settings: PromptedSection,
    *,
    orders: int,
    examples: Sequence[Example] = (),
    spare: int = 0,
    answers: Answers = "codes",
) -> LabelPrompt:
    """Build the prompt of a task; if its labels do not all fit, every document gets its own options.

    Args:
        tokenizer: the model's tokenizer.
        task: the task.
        settings: the model and the limits of the prompt.
        orders: how many label orders to prepare; ignored if documents get their own options.
        examples: solved examples that every prompt contains.
        spare: tokens to reserve for the examples nearest to each document.
        answers: letters as codes, keywords as codes, or the words of the labels.

    Raises:
        ModelError: if the context does not hold two labels and a text, or with keywords not all labels, or the
            tokenizer does not tell labels apart.
    """
    k, words, keywords = len(task.labels), answers == "words", answers == "keywords"
    own = {name: getattr(settings, name) for name in PromptedSection.model_fields}
    # An engine does not start with a longer context than the model supports.
    settings = PromptedSection(**own | {"max_context": min(settings.max_context, longest_context(settings.model))})
    names, sequences = answer_words(tokenizer, task.labels, settings.model) if words else ((), ())
    # Any number of labels fits a prompt that does not list them, but each choice among their words is a prompt.
    boundless = words and k <= TRIED and trie.build(sequences).requests <= trie.MOST_REQUESTS
    most = k if boundless else min(k, settings.max_labels)
    if keywords and most == k:
        found = choose_keywords(tokenizer, task.labels, settings.model)
    else:
        found = [("", -1)] * most if words else choose_codes(tokenizer, most, settings.model, task.labels)
    codes, tokens = tuple(code for code, _ in found), () if words else tuple(token for _, token in found)
    turned = tuple(_rotation(k, i, orders) for i in range(min(orders, k))) if len(codes) == k else ()
    turned = turned[:1] if words else turned  # without a list, an order changes nothing
    tree = task.taxonomy is not None
    prompt = LabelPrompt(
        task.labels, settings, codes, tokens, turned, (), tuple(examples), names, sequences, keywords, tree
    )
    prompt = replace(prompt, frames=tuple(frame(tokenizer, prompt.prompt(i)) for i in range(max(1, len(turned)))))
    if turned and _left(tokenizer, prompt, spare) >= 0:
        return prompt
    if keywords:
        raise ModelError(
            f"answers: keywords is not valid: the prompt with max_labels {settings.max_labels} and max_context "
            f"{settings.max_context} does not hold all {k} labels; expected larger ones, or answers: codes or words"
        )
    narrow = replace(prompt, orders=())
    return _fit(tokenizer, replace(narrow, frames=(frame(tokenizer, narrow.prompt()),)), spare)


def _fit(tokenizer: Any, narrow: LabelPrompt, spare: int) -> LabelPrompt:
    """Keep as many options as fit in any case: the longest labels are assumed."""
    fence = len(narrow.opening(tokenizer))
    # A prompt whose answers are words lists no options.
    classes = () if narrow.words else _longest(narrow.labels)
    every = [len(narrow.opening(tokenizer, classes=[c])) - fence for c in classes] or [0] * len(narrow.codes)
    longest = np.sort(np.asarray(every))[::-1][: len(narrow.codes)]
    left = _left(tokenizer, narrow, spare)
    m = int((np.cumsum(longest) <= left).sum())
    if m < 2:
        settings, examples = narrow.settings, f" and {spare} of examples (max_example_tokens)" if spare else ""
        limit = ", the model's own limit," if settings.max_context == longest_context(settings.model) else ""
        raise ModelError(
            f"max_context: {settings.max_context} tokens{limit} hold {m} labels besides the instructions and a text of "
            f"{settings.max_text_tokens} tokens (max_text_tokens){examples}; "
            f"expected at least {settings.max_context - left + int(longest[:2].sum())}"
        )
    return replace(narrow, codes=narrow.codes[:m], token_ids=narrow.token_ids[:m])


def _longest(labels: Sequence[Label]) -> list[int]:
    """Return all classes, or of more than TRIED those with the longest lines in bytes; tokens are counted of these."""
    lengths = np.asarray([-len(label_line(label).encode()) for label in labels])
    return sorted(np.argsort(lengths, kind="stable")[:TRIED].tolist())


def _left(tokenizer: Any, prompt: LabelPrompt, spare: int) -> int:
    """Return how many tokens of the context the longest prompt with its answer leaves; negative if it does not fit."""
    around = prompt.frames[0]
    answer = max(map(len, prompt.sequences), default=1)
    fixed = len(around.prefix_ids) + len(prompt.opening(tokenizer)) + len(around.suffix_ids) + answer
    return prompt.settings.max_context - fixed - prompt.settings.max_text_tokens - spare


def _rotation(k: int, i: int, orders: int) -> tuple[int, ...]:
    """Return the i-th of `orders` evenly spaced rotations of k classes; each label is early in some, late in others."""
    shift = i * k // max(orders, 1)
    return tuple((j + shift) % k for j in range(k))


def _label(data: Mapping[str, Any]) -> Label:
    return Label(
        data["name"],
        data["description"],
        tuple(_label(one) for one in data["rest"]),
        tuple(data.get("also", ())),
        data.get("wording"),
    )
