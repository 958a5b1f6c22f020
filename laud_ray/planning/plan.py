"""Estimate the cost of a run before anything is spent: documents, tokens, calls, dollars and hours of each step.

The corpus is read and a sample of it is tokenized; nothing is scored and no oracle is asked. Hours are the number of
operations divided by the operations per second of the device. For each parameter and token, scoring takes 2
operations; training takes 4, since frozen weights get no gradient, or 6 with activation checkpointing.
"""

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from laud_ray import oracles
from laud_ray.config import (
    CausalConfig,
    EncoderConfig,
    EncoderZeroShotConfig,
    InContextConfig,
    LinearConfig,
    LlmConfig,
    PeopleConfig,
    PromptedSection,
    RunConfig,
    VllmZeroShotConfig,
    people_in,
)
from laud_ray.data.corpus import Corpus, open_corpus
from laud_ray.data.sharding.normalise import normalise
from laud_ray.models import kinds
from laud_ray.models.encoder.encoding import model_path
from laud_ray.models.language import chat, label_prompt
from laud_ray.models.language.prompts import Option, Prompt
from laud_ray.planning.devices import Device, check_memory, find_device
from laud_ray.planning.model_size import guessed_size, parameters
from laud_ray.steps.selection.seed_walk import seed_cap
from laud_ray.storage.folder import Folder
from laud_ray.types import Task

SAMPLE = 500
# Characters per token, where the model's tokenizer is not available.
CHARACTERS = 4.0
# Active time of a person for an answer, where nothing is known yet.
SECONDS_PER_ANSWER = 8.0


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the plan.

    Attributes:
        tokens: computed tokens; a prompt prefix that documents share counts once.
        hours: on the planned devices; None if an external endpoint or nobody computes.
        people_hours: of the people who answer; None if none do.
    """

    name: str
    documents: int
    tokens: int
    calls: int = 0
    dollars: float = 0.0
    hours: float | None = None
    people_hours: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The estimated cost of a run.

    Attributes:
        counts: counts of the corpus: documents, unique, duplicates, errors, truncated.
        rounds: the most rounds.
        notes: assumptions, and notes on how the corpus was read.
    """

    counts: Mapping[str, int]
    rounds: int
    device: Device
    steps: tuple[Step, ...]
    notes: tuple[str, ...]

    @property
    def dollars(self) -> float:
        return sum(step.dollars for step in self.steps)

    @property
    def hours(self) -> float:
        return sum(step.hours or 0.0 for step in self.steps)

    @property
    def people_hours(self) -> float:
        return sum(step.people_hours or 0.0 for step in self.steps)


def plan(config: RunConfig, gpu: str | None = None) -> Plan:
    """Estimate the cost of a run.

    Args:
        gpu: plan for this GPU, one of GPUS; None for this machine's GPU or CPU.

    Raises:
        UserError: if `laud run` would refuse the configuration or the data.
    """
    task, device = config.task.to_task(), find_device(gpu)
    asked = config.asked_oracles()
    sections = (("zero_shot", config.zero_shot), ("learner", config.learner))
    notes = [_unless_guessed(section.model, kinds.check_section, key, section, task) for key, section in sections]
    for where, one in asked.items():
        notes += [_unless_guessed(model, oracles.check, one, where) for model in _models(one)]
    for key, section in sections:
        if isinstance(section, PromptedSection):
            check_memory(key, section, device, max(1, int(config.resources.gpus_per_scorer)))
    with tempfile.TemporaryDirectory(prefix="laud-plan-") as scratch:
        corpus = open_corpus(Folder(f"{config.storage}/corpus")) or normalise(
            config.corpus, Folder(scratch), sealed=oracles.sealed_column(asked)
        )
        for where, one in asked.items():
            oracles.check_column(one, task, corpus, where)
        notes += [*corpus.notes, *(_people_note(people_in(one)) for one in asked.values())]
        texts = corpus.some_texts(SAMPLE)
        steps = tuple(_steps(config, task, corpus, texts, device))
    return Plan(corpus.counts, _rounds(config), device, steps, tuple(dict.fromkeys(filter(None, notes))))


def _unless_guessed(model: str, check: Callable[..., None], *arguments: object) -> str | None:
    """Run a check of a model; if the model cannot be downloaded but its name has its size, return a note instead."""
    if guessed_size(model) is not None:
        return (
            f"{model} cannot be downloaded here, so its size is taken from its name, a token is assumed to have "
            f"{CHARACTERS:g} characters, and the run may not find the model"
        )
    check(*arguments)
    return None


def _steps(config: RunConfig, task: Task, corpus: Corpus, texts: Sequence[str], device: Device) -> Iterator[Step]:
    unique, budget = corpus.pool_size, config.budget.annotations
    oracle, rounds = config.oracle, _rounds(config)
    _, sampled = config.evaluation_oracle()
    trusted = config.trusted_oracle()
    seed = seed_cap(config)
    resources = config.resources
    scorers = resources.scorers * max(1.0, resources.gpus_per_scorer)
    training = device.flops * max(1, resources.workers)
    left = max(0, budget - seed)
    again = int(config.audit.share * left) // config.audit.every
    asked = (
        ("evaluation", sampled, config.evaluation.size),
        *((("evaluation, trusted", trusted[1], config.evaluation.trusted or 0),) if trusted else ()),
        ("seed (at most)", oracle, seed),
        ("queries", oracle, left - again),
        *((("asked again (at most)", config.second_oracles()[0][1], again),) if again else ()),
    )
    size, each, shared = _scored(config.zero_shot, task, texts)
    yield _pass("zero-shot pass", unique, size, each, shared, scorers * _scoring(config.zero_shot, device))
    for name, one, calls in asked:
        for config_of_one in _llms(one):
            yield _calls(name, config_of_one, task, texts, calls, device)
        if (people := people_in(one)) is not None:
            yield _answers(f"{name}: people", people, calls)
        if not _llms(one) and people is None:
            yield Step(name, calls, 0, calls)
    size, each, shared = _scored(config.learner, task, texts)
    sizes = [min(budget, _shortest_walk(config) + i * config.query.batch) for i in range(rounds)]
    if isinstance(config.learner, EncoderConfig | CausalConfig):
        examples = sum(sizes) * config.learner.epochs
        packs = math.ceil(examples / config.learner.batch) if shared else 0
        tokens = round(examples * each + packs * shared)
        work = 6 if isinstance(config.learner, CausalConfig) and config.learner.checkpointing else 4
        yield Step("training", examples, tokens, hours=work * size * tokens / training / 3600)
    scoring = scorers * _scoring(config.learner, device)
    yield _pass(f"score passes ({rounds})", unique * rounds, size, each, shared, scoring)


def _scoring(section: object, device: Device) -> float:
    """Return the operations per second of one scorer."""
    return device.flops * (1.0 if isinstance(section, PromptedSection) else device.encoder)


def _shortest_walk(config: RunConfig) -> int:
    """Return the fewest queries that the seed may take: each one finds a document of its class."""
    return min(seed_cap(config), config.init.per_class * len(config.task.to_task().labels))


def _rounds(config: RunConfig) -> int:
    """Return the most rounds that the budget allows; other rules may stop the run before."""
    left = config.budget.annotations - _shortest_walk(config)
    limit = min((rule.maximum for rule in config.stop if rule.kind == "rounds"), default=None)
    most = 1 + math.ceil(left / config.query.batch)
    return most if limit is None else min(most, limit)


def _pass(name: str, documents: int, size: int, each: float, shared: int, flops: float) -> Step:
    tokens = round(documents * each + shared)
    return Step(name, documents, tokens, hours=2 * size * tokens / flops / 3600)


def _scored(
    section: EncoderZeroShotConfig | VllmZeroShotConfig | EncoderConfig | LinearConfig | CausalConfig | InContextConfig,
    task: Task,
    texts: Sequence[str],
) -> tuple[int, float, int]:
    """Return a scorer's parameters, the mean tokens for each document, and the tokens that are computed once."""
    if not isinstance(section, PromptedSection):
        tokenizer = chat.open_tokenizer(model_path(section.model))
        limit = getattr(section, "max_tokens", 64)
        lengths = [min(limit, len(ids)) for ids in tokenizer(list(texts))["input_ids"]]
        return parameters(section.model, causal=False), float(np.mean(lengths)), 0
    if guessed_size(section.model) is not None:
        return _guessed(section, task, texts)
    tokenizer = chat.open_tokenizer(section.model)
    prompt = label_prompt.build(tokenizer, task, section, orders=1, spare=kinds.spare(section))
    shared = len(prompt.frames[0].prefix_ids)
    own = prompt.opening(tokenizer, classes=range(len(prompt.codes)) if prompt.narrow else ())
    bodies = prompt.ids(tokenizer, texts, [own] * len(texts))
    each = float(np.mean([len(ids) - shared for ids in bodies]))
    if isinstance(section, InContextConfig):
        each += min(section.max_example_tokens, section.examples * (each - len(prompt.frames[0].suffix_ids)))
    return parameters(section.model, causal=True), each * section.orders, shared * section.orders


def _guessed(section: PromptedSection, task: Task, texts: Sequence[str]) -> tuple[int, float, int]:
    """Return the same as `_scored` for a model of which only the name is known."""
    prompt = Prompt(tuple(Option(str(i), label) for i, label in enumerate(task.labels)), section.guideline)
    own = float(np.mean([min(len(t) / CHARACTERS, section.max_text_tokens) for t in texts]))
    each, shared = own + len(prompt.tail()) / CHARACTERS + 4, round(len(prompt.head()) / CHARACTERS)
    if isinstance(section, InContextConfig):
        each += min(section.max_example_tokens, section.examples * each)
    return parameters(section.model, causal=True), each * section.orders, shared * section.orders


def _models(oracle: Any) -> list[str]:
    return [one.model for one in _llms(oracle)] or [""]


def _llms(oracle: Any) -> list[LlmConfig]:
    """Return the language models of an oracle. In the worst case a cascade asks every one of them."""
    return [one for one in getattr(oracle, "oracles", (oracle,)) if isinstance(one, LlmConfig)]


def _answers(name: str, people: PeopleConfig, documents: int) -> Step:
    """Return the answers of people, those of the random share that is asked twice included."""
    twice = people.twice if people.team > 1 and people.per_document == 1 else 0.0
    answers = math.ceil(documents * (people.per_document + twice))
    hours = answers * SECONDS_PER_ANSWER / 3600
    return Step(name, documents, 0, answers, hours * people.hourly, people_hours=hours)


def _people_note(people: PeopleConfig | None) -> str | None:
    if people is None:
        return None
    more = "; second answers where a first one differs from the model come on top" if people.team > 1 else ""
    return f"people are assumed to take {SECONDS_PER_ANSWER:g} seconds for an answer{more}"


def _calls(name: str, oracle: LlmConfig, task: Task, texts: Sequence[str], documents: int, device: Device) -> Step:
    options = tuple(Option(str(i), label) for i, label in enumerate(task.labels))
    prompt = Prompt(options, oracle.guideline, unsure="?", rationale=oracle.rationale)
    fixed = len(prompt.head() + prompt.opening() + prompt.tail()) / CHARACTERS
    text = float(np.mean([min(len(t), oracle.max_text_chars) for t in texts])) / CHARACTERS
    calls = documents * oracle.votes
    answer = 60 if oracle.rationale else 2
    given = round(calls * (fixed + text * (1 + oracle.examples)))
    dollars = (given * oracle.input_price + calls * answer * oracle.output_price) / 1e6
    tokens = given + calls * answer
    if oracle.engine == "openai":
        return Step(f"{name}: {oracle.model}", documents, tokens, calls, dollars)
    # vLLM computes the common prefix of the prompts (instructions and labels) once. The start of engines is left out.
    tokens -= round(max(0, calls - 1) * len(prompt.head()) / CHARACTERS)
    flops = device.flops * oracle.replicas * max(1, oracle.gpus_per_replica)
    hours = 2 * parameters(oracle.model, causal=True) * tokens / flops / 3600
    return Step(f"{name}: {oracle.model}", documents, tokens, calls, dollars, hours)
