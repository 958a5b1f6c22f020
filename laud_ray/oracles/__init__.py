"""Oracles annotate documents: replay, llm (an engine for each place where a language model runs), cascade."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from laud_ray.config import CascadeConfig, LlmConfig, OracleConfig, PeopleConfig, ReplayConfig, SingleConfig
from laud_ray.data.corpus import Corpus
from laud_ray.errors import ConfigError
from laud_ray.labels import NONE_OF_THESE, UNSURE, fold
from laud_ray.models.language.prompts import Prompt
from laud_ray.oracles import columns
from laud_ray.oracles.account import fitted
from laud_ray.oracles.cascade import CascadeOracle
from laud_ray.oracles.engines import Engine
from laud_ray.oracles.llm import VOTE_TEMPERATURE, LlmOracle, one_prompt, oracle_prompt, temperature
from laud_ray.oracles.openai.engine import OpenAiEngine
from laud_ray.oracles.people import PeopleOracle
from laud_ray.oracles.probing import ASKED, Prober, Variant
from laud_ray.oracles.replay import ReplayOracle
from laud_ray.oracles.set_candidates import SetCandidates
from laud_ray.oracles.trees.candidates import Candidates
from laud_ray.oracles.trees.listing import coded, lists_all, longest_options, shown_labels
from laud_ray.oracles.vllm.engine import VllmEngine, open_tokenizer, token_codes
from laud_ray.oracles.votes import Questions
from laud_ray.people.questions import Suggest
from laud_ray.store.ledger import Ledger
from laud_ray.types import Example, Oracle, Scorer, Task

__all__ = [
    "ENGINES",
    "ORACLES",
    "CascadeOracle",
    "LlmOracle",
    "OpenAiEngine",
    "PeopleOracle",
    "ReplayOracle",
    "VllmEngine",
    "anew",
    "build",
    "build_llm",
    "build_prober",
    "check",
    "check_column",
    "llms",
    "needs_ray",
    "remarks",
    "sealed_column",
    "wants_examples",
]

ORACLES: dict[str, type] = {
    "replay": ReplayOracle,
    "llm": LlmOracle,
    "people": PeopleOracle,
    "cascade": CascadeOracle,
}
ENGINES: dict[str, type] = {"openai": OpenAiEngine, "vllm": VllmEngine}


def build(
    config: OracleConfig,
    task: Task,
    corpus: Corpus,
    seed: int,
    ledger: Ledger,
    *,
    examples: Sequence[Example] = (),
    where: str = "oracle",
    attempt: int = 1,
    last: bool = True,
    suggest: Suggest | None = None,
    share: float = 1.0,
    encoder: Callable[[], Scorer] | None = None,
) -> Oracle:
    """Create the oracle of a configuration.

    Args:
        examples: annotated examples, some of which are shown to a language model.
        where: the key of the configuration, for messages.
        attempt: 1 for the first answer of each document, 2 for the second, and so on. Each attempt draws new answers.
        last: whether no other oracle is asked where this one abstains.
        suggest: returns the labels that a model finds likely; for people.
        share: of the documents in a call, the share that people must have answered before the run continues.
        encoder: opens the scorer that suggests which leaves of a taxonomy a language model chooses from. None: the
            bundled encoder, without training.
    """
    if isinstance(config, PeopleConfig):
        return PeopleOracle(ledger.engine, config, seed, attempt=attempt, suggest=suggest, share=share)
    if isinstance(config, ReplayConfig):
        return ReplayOracle(corpus, task, config.noise, config.abstain, seed, attempt)
    if isinstance(config, LlmConfig):
        return build_llm(
            config, task, seed, ledger, examples=examples, where=where, attempt=attempt, last=last, encoder=encoder
        )
    members = list(_members(config, where))
    return CascadeOracle(
        [
            build(
                one,
                task,
                corpus,
                seed,
                ledger,
                examples=examples,
                where=place,
                attempt=attempt,
                last=i == len(members),
                suggest=suggest,
                share=share,
                encoder=encoder,
            )
            for i, (one, place) in enumerate(members, 1)
        ]
    )


def anew(config: OracleConfig) -> OracleConfig:
    """Return a configuration whose second answers can differ from the first: its language models sample."""
    if isinstance(config, CascadeConfig):
        return config.model_copy(update={"oracles": tuple(anew(one) for one in config.oracles)})
    if isinstance(config, LlmConfig) and config.temperature is None:
        return config.model_copy(update={"temperature": VOTE_TEMPERATURE})
    return config


def build_llm(
    config: LlmConfig,
    task: Task,
    seed: int,
    ledger: Ledger,
    *,
    examples: Sequence[Example] = (),
    where: str = "oracle",
    attempt: int = 1,
    last: bool = True,
    encoder: Callable[[], Scorer] | None = None,
) -> LlmOracle:
    """Create the oracle of a language model, which needs no corpus. Arguments as for `build`."""
    config = fitted(config, task)
    prompt, engine = _engine(config, task, seed, where)
    questions = questions_of(config, task, prompt, examples, encoder)
    return LlmOracle(
        config, prompt, engine, ledger, examples=examples, where=where, attempt=attempt, last=last, questions=questions
    )


def questions_of(
    config: LlmConfig,
    task: Task,
    prompt: Prompt,
    examples: Sequence[Example] = (),
    encoder: Callable[[], Scorer] | None = None,
) -> Questions:
    """Return the questions about documents with a prompt; arguments as for `build`."""
    if task.multilabel:
        return _of_sets(config, task, prompt, encoder)
    if prompt.listing is None:
        return Questions(prompt)
    return Questions(prompt, task.taxonomy, Candidates(task, config.shortlist, examples, encoder))


def _of_sets(config: LlmConfig, task: Task, prompt: Prompt, encoder: Callable[[], Scorer] | None) -> Questions:
    candidates = None if prompt.listing is None else SetCandidates(task, config.shortlist, encoder)
    one = one_prompt(config) if config.engine == "vllm" else None
    return Questions(prompt, labels=task.labels, of_sets=candidates, one=one)


def check(config: OracleConfig, task: Task, where: str = "oracle") -> None:
    """Check before any work that an oracle can be asked.

    Raises:
        ConfigError: if the API key of an endpoint is missing, or the labels do not fit into the context of a model that
            runs in this cluster.
        ModelError: if such a model, or vLLM, is missing, or it cannot generate.
    """
    for one, place in _flat(config, where):
        if isinstance(one, LlmConfig):
            _require_words(task)
            _engine(one, task, 0, place)


def check_column(config: OracleConfig, task: Task, corpus: Corpus, where: str = "oracle") -> None:
    """Check before the first query that a replay oracle can answer.

    Raises:
        CorpusError: if the replay column holds none of the task's labels.
    """
    for one, place in _flat(config, where):
        if isinstance(one, ReplayConfig):
            columns.check(one, task, corpus, place)


def remarks(config: OracleConfig, task: Task, corpus: Corpus, where: str = "oracle") -> list[str]:
    """Return a line for each oddity of a replay column: labels that the task does not have, contradictory labels."""
    replayed = ((one, place) for one, place in _flat(config, where) if isinstance(one, ReplayConfig))
    return [line for one, place in replayed for line in columns.remarks(one, task, corpus, place)]


def sealed_column(configs: Mapping[str, OracleConfig]) -> str | None:
    """Return the column that only the replay oracles may see; None if there is no replay oracle.

    Args:
        configs: the oracles by their keys in the configuration.

    Raises:
        ConfigError: if they name two different columns.
    """
    named = [(one, place) for where, config in configs.items() for one, place in _flat(config, where)]
    columns = [(one.label, place) for one, place in named if isinstance(one, ReplayConfig)]
    for label, place in columns[1:]:
        if label != columns[0][0]:
            raise ConfigError(
                f"{place}.label: {label!r} is not valid; expected {columns[0][0]!r} as in {columns[0][1]}.label, since "
                "a run replays one column"
            )
    return columns[0][0] if columns else None


def needs_ray(config: OracleConfig) -> bool:
    """Whether the oracle computes on Ray."""
    return any(isinstance(one, LlmConfig) and one.engine == "vllm" for one, _ in _flat(config, ""))


def wants_examples(config: OracleConfig) -> bool:
    """Whether the oracle's prompts show annotated examples."""
    return any(isinstance(one, LlmConfig) and one.examples for one, _ in _flat(config, ""))


def build_prober(config: LlmConfig, task: Task, seed: int, ledger: Ledger, where: str) -> Prober:
    """Create what probes a language model: see `oracles.probing`."""
    if task.multilabel and config.engine == "vllm":
        raise ConfigError(
            f"{where}.engine: vllm has one wording for a multilabel task, so that it cannot be probed; expected "
            "engine: openai"
        )
    config = fitted(config, task)
    engines = _engines(config, task, seed, where, ASKED)

    def questions(prompt: Prompt, examples: Sequence[Example]) -> Questions:
        return questions_of(config, task, prompt, examples)

    return Prober(config, where, engines, ledger, questions)


def llms(configs: Mapping[str, OracleConfig]) -> dict[str, LlmConfig]:
    """Return the language models among oracles, members of cascades included, by their keys.

    One with the same settings in several places is one, by its first key.
    """
    found: dict[str, LlmConfig] = {}
    for where, config in configs.items():
        for one, place in _flat(config, where):
            if isinstance(one, LlmConfig) and one not in found.values():
                found[place] = one
    return found


def _require_words(task: Task) -> None:
    """Refuse a node at the top of a taxonomy that is called like an answer without a node.

    Raises:
        ConfigError: if there is one.
    """
    if task.taxonomy is None:
        return
    for node in task.taxonomy.nodes:
        if node.parent < 0 and fold(node.name) in (UNSURE, NONE_OF_THESE):
            raise ConfigError(
                f"task.labels: {node.name!r} is not valid: a language model says {fold(node.name)!r} if it chooses no "
                "node; expected another name"
            )


def _engine(config: LlmConfig, task: Task, seed: int, where: str) -> tuple[Prompt, Engine]:
    """Return the prompt, with codes that suit the model's tokenizer, and the engine of a language model."""
    return _engines(config, task, seed, where, [Variant(0, reverse=False)])[0]


def _engines(
    config: LlmConfig, task: Task, seed: int, where: str, variants: Sequence[Variant]
) -> list[tuple[Prompt, Engine]]:
    """Return each variant's prompt with an engine that runs it; equal prompts have one engine."""
    tokenizer = None if config.engine == "openai" else open_tokenizer(config, where)
    if tokenizer is not None and task.multilabel:
        return [(oracle_prompt(config, task), _one_engine(config, tokenizer, seed, where))]
    n = len(shown_labels(task)) + 1 if lists_all(task, config.shortlist) else config.shortlist + 2
    chosen = [] if tokenizer is None else token_codes(tokenizer, coded(task), config.model, n)
    prompts = [oracle_prompt(config, task, chosen, wording=one.wording, reverse=one.reverse) for one in variants]
    if tokenizer is None:
        engine = OpenAiEngine(config, temperature(config), where)
        return [(prompt, engine) for prompt in prompts]
    degrees = temperature(config)
    engines = {
        prompt: VllmEngine(
            config,
            prompt,
            tokenizer,
            temperature=degrees,
            seed=seed,
            where=where,
            longest=() if prompt.listing is None else longest_options(task, prompt.listing),
        )
        for prompt in dict.fromkeys(prompts)
    }
    return [(prompt, engines[prompt]) for prompt in prompts]


def _one_engine(config: LlmConfig, tokenizer: Any, seed: int, where: str) -> Engine:
    """Return the engine that reads a yes or a no for each label of a multilabel task."""
    return VllmEngine(config, one_prompt(config), tokenizer, temperature=temperature(config), seed=seed, where=where)


def _members(config: CascadeConfig, where: str) -> Iterator[tuple[SingleConfig, str]]:
    return ((one, f"{where}.oracles[{i}]") for i, one in enumerate(config.oracles))


def _flat(config: OracleConfig, where: str) -> Iterator[tuple[SingleConfig, str]]:
    """Yield the members of a cascade, or the oracle itself if it is none, each with its key."""
    if isinstance(config, CascadeConfig):
        yield from _members(config, where)
    else:
        yield config, where
