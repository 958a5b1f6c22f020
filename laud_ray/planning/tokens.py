"""Count the tokens that a model computes for each document of a run, on a sample of the texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from laud_ray.config import (
    EncoderConfig,
    EncoderZeroShotConfig,
    InContextConfig,
    LinearConfig,
    LlmConfig,
    PromptedSection,
)
from laud_ray.label_sets import LabelSet
from laud_ray.models import kinds
from laud_ray.models.encoder.encoding import model_path
from laud_ray.models.language import chat, label_prompt
from laud_ray.models.language.answers import words
from laud_ray.models.language.label_prompt import Answers
from laud_ray.models.language.prompts import NONE_LABEL, Option, Prompt, about
from laud_ray.oracles.account import likely_answer_tokens
from laud_ray.oracles.llm import one_prompt
from laud_ray.oracles.trees.listing import lists_all, shown_labels
from laud_ray.planning.speed.model_size import guessed_size, parameters
from laud_ray.texts import likely_tokens
from laud_ray.types import Example, Label, Task

# The share of documents whose leaf a first list holds, and the further questions about each of the others: 68 % without
# annotations, 76 % with 300 and 82 % with 2,000 on a tree of 4,187 leaves (docs/taxonomy.md).
LIKELY_RECALL, FURTHER = 0.75, 2
Section = EncoderZeroShotConfig | EncoderConfig | LinearConfig | PromptedSection


@dataclass(frozen=True, slots=True)
class Computed:
    """What a model computes for a document.

    Attributes:
        size: the model's parameters.
        each: mean tokens of a document.
        shared: tokens that are computed once for all documents.
        prompts: prompts of a document.
    """

    size: int
    each: float
    shared: int = 0
    prompts: int = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """Mean tokens of one call of a language model as an oracle.

    Attributes:
        fixed: of the instructions and labels, which all calls have in common.
        own: of the document, the examples that are shown with it, and the rest of the prompt.
        answer: of the answer.
        questions: mean calls for a vote; more than 1 in a taxonomy, where "none of these" leads to two more.
    """

    fixed: float
    own: float
    answer: int
    questions: float = 1.0


def computed(section: Section, task: Task, texts: Sequence[str]) -> Computed:
    """Count the tokens of a zero-shot scorer or a learner, on a sample of texts; `answers: auto` counts as codes."""
    if not isinstance(section, PromptedSection):
        tokenizer = chat.open_tokenizer(model_path(section.model))
        limit = getattr(section, "max_tokens", 64)
        lengths = [min(limit, len(ids)) for ids in tokenizer(list(texts))["input_ids"]]
        return Computed(parameters(section.model, causal=False), float(np.mean(lengths)))
    if guessed_size(section.model) is not None:
        return _guessed(section, task, texts)
    tokenizer = chat.open_tokenizer(section.model, template=section.chat_template)
    answers: Answers = "codes" if section.answers == "auto" else section.answers
    prompt = label_prompt.build(tokenizer, task, section, orders=1, spare=kinds.spare(section), answers=answers)
    shared = len(prompt.frames[0].prefix_ids)
    listed = range(len(prompt.codes))
    if prompt.tree and prompt.narrow:
        listed = np.linspace(0, len(task.labels) - 1, len(prompt.codes)).astype(int).tolist()
    own = prompt.opening(tokenizer, classes=listed if prompt.narrow else ())
    bodies = prompt.ids(tokenizer, texts, [own] * len(texts))
    each = float(np.mean([len(ids) - shared for ids in bodies]))
    if isinstance(section, InContextConfig):
        each += min(section.max_example_tokens, section.examples * (each - len(prompt.frames[0].suffix_ids)))
    if answers == "words":
        trie = words.build(prompt.sequences[: len(prompt.codes)])
        return _over_orders(section, each + trie.further(chat.BLOCK), shared, trie.requests)
    return _over_orders(section, each, shared)


def _guessed(section: PromptedSection, task: Task, texts: Sequence[str]) -> Computed:
    """Return the same for a model of which only the name is known."""
    # Leaves that do not fit into one prompt are listed for each document, which costs as much.
    labels = task.labels if task.taxonomy is None else typical(task.labels, section.max_labels)
    prompt = Prompt(tuple(Option(str(i), label) for i, label in enumerate(labels)), section.guideline)
    own = float(np.mean([min(likely_tokens(t), section.max_text_tokens) for t in texts]))
    each, shared = own + likely_tokens(prompt.tail()) + 4, round(likely_tokens(prompt.head()))
    if len(labels) < len(task.labels):
        each, shared = each + shared, 0
    if isinstance(section, InContextConfig):
        each += min(section.max_example_tokens, section.examples * each)
    return _over_orders(section, each, shared)


def _over_orders(section: PromptedSection, each: float, shared: int, prompts: int = 1) -> Computed:
    size, orders = parameters(section.model, causal=True), section.orders
    return Computed(size, each * orders, shared * orders, prompts * orders)


def asked(oracle: LlmConfig, task: Task, texts: Sequence[str]) -> Asked:
    """Estimate the tokens of a call of a language model; each example that it shows is a text with its answer."""
    if task.multilabel and oracle.engine == "vllm":
        return _asked_one_by_one(oracle, task, texts)
    whole = lists_all(task, oracle.shortlist)
    labels = shown_labels(task) if whole else typical(task.labels, oracle.shortlist)
    options = tuple(Option(str(i), label) for i, label in enumerate(labels))
    none = () if task.multilabel else (Option("?", NONE_LABEL),)
    own_options = () if whole else (*options, *none)
    prompt = Prompt(
        options if whole else (),
        oracle.guideline,
        unsure=None if task.multilabel else "?",
        rationale=oracle.rationale,
        each=task.multilabel,
    )
    answer = LabelSet.of(task.names[:1]).text if task.multilabel else task.names[0]
    text = float(np.mean([likely_tokens(t[: oracle.max_text_chars]) for t in texts]))
    around = likely_tokens(prompt.opening(own_options) + prompt.tail())
    asked_about = own_options if task.multilabel else ()
    solved = likely_tokens(prompt.opening(asked_about, [Example("", answer)]))
    solved -= likely_tokens(prompt.opening(asked_about))
    own = around + text + oracle.examples * (solved + text)
    questions = 1.0 if whole or task.multilabel else 1.0 + FURTHER * (1 - LIKELY_RECALL)
    return Asked(likely_tokens(prompt.head()), own, likely_answer_tokens(oracle, task), questions)


def _asked_one_by_one(oracle: LlmConfig, task: Task, texts: Sequence[str]) -> Asked:
    """Estimate the same where each label of a multilabel task has a question of its own."""
    labels = typical(task.labels, oracle.shortlist)
    prompt = one_prompt(oracle)
    text = float(np.mean([likely_tokens(t[: oracle.max_text_chars]) for t in texts]))
    question = float(np.mean([likely_tokens(about("", label)) for label in labels]))
    own = likely_tokens(prompt.opening() + prompt.tail()) + text + question
    return Asked(likely_tokens(prompt.head()), own, likely_answer_tokens(oracle), float(len(labels)))


def typical(labels: Sequence[Label], n: int) -> list[Label]:
    """Return n labels, evenly spaced, whose lengths stand for those that a prompt lists."""
    return [labels[i] for i in np.linspace(0, len(labels) - 1, min(n, len(labels))).astype(int)]
