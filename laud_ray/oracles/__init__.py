"""Oracles: documents -> annotations."""

from collections.abc import Iterator, Mapping, Sequence

from laud_ray.config import CascadeConfig, LlmConfig, OracleConfig, ReplayConfig
from laud_ray.data.corpus import Corpus, first_sealed_values, sealed_labels
from laud_ray.errors import ConfigError
from laud_ray.labels import known_labels, no_known_label, two_labels
from laud_ray.models.language.prompts import Prompt
from laud_ray.oracles.account import key_of
from laud_ray.oracles.cascade import CascadeOracle
from laud_ray.oracles.engines import Engine
from laud_ray.oracles.llm import VOTE_TEMPERATURE, LlmOracle, oracle_prompt, temperature
from laud_ray.oracles.openai.engine import OpenAiEngine
from laud_ray.oracles.replay import ReplayOracle
from laud_ray.oracles.vllm_engine import VllmEngine, open_tokenizer, token_codes
from laud_ray.store.ledger import Ledger
from laud_ray.types import Example, Oracle, Task

__all__ = [
    "ENGINES",
    "ORACLES",
    "CascadeOracle",
    "LlmOracle",
    "OpenAiEngine",
    "ReplayOracle",
    "VllmEngine",
    "anew",
    "build",
    "build_llm",
    "check",
    "check_column",
    "needs_ray",
    "remarks",
    "sealed_column",
    "wants_examples",
]

ORACLES: dict[str, type] = {"replay": ReplayOracle, "llm": LlmOracle, "cascade": CascadeOracle}
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
) -> Oracle:
    """Make the oracle that a configuration asks for.

    Args:
        examples: what is annotated already; a language model may be shown some of it.
        where: the key of the configuration, for messages.
        attempt: for which time it is asked about the same documents; the answers of another attempt are drawn anew.
        last: whether nobody else is asked where it abstains.
    """
    if isinstance(config, ReplayConfig):
        return ReplayOracle(corpus, task, config.noise, config.abstain, seed, attempt)
    if isinstance(config, LlmConfig):
        return build_llm(config, task, seed, ledger, examples=examples, where=where, attempt=attempt, last=last)
    members = list(_members(config, where))
    return CascadeOracle(
        [
            build(
                one, task, corpus, seed, ledger, examples=examples, where=place, attempt=attempt, last=i == len(members)
            )
            for i, (one, place) in enumerate(members, 1)
        ]
    )


def anew(config: OracleConfig) -> OracleConfig:
    """An oracle that may say something else when it is asked again: a language model samples."""
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
) -> LlmOracle:
    """Make the oracle of a language model, which needs no corpus."""
    prompt, engine = _engine(config, task, seed, where)
    return LlmOracle(config, prompt, engine, ledger, examples=examples, where=where, attempt=attempt, last=last)


def check(config: OracleConfig, where: str = "oracle") -> None:
    """Find out before any work whether an oracle can be asked at all.

    Raises:
        ConfigError: if a key or an engine is missing.
        ModelError: if a model that is to run here cannot be found.
    """
    for one, place in _flat(config, where):
        if isinstance(one, LlmConfig) and one.engine == "openai":
            key_of(one, place)
        elif isinstance(one, LlmConfig):
            open_tokenizer(one.model, place)


def check_column(config: OracleConfig, task: Task, corpus: Corpus, where: str = "oracle") -> None:
    """Find out before the first query whether a replay oracle can answer.

    Raises:
        CorpusError: if the replay column holds none of the task's labels.
    """
    for one, place in _flat(config, where):
        if isinstance(one, ReplayConfig):
            _check_replay(one, task, corpus, place)


def remarks(config: OracleConfig, task: Task, corpus: Corpus, where: str = "oracle") -> list[str]:
    """Say what of a replay column is not as one would expect: labels that the task does not have, contradictions."""
    replayed = ((one, place) for one, place in _flat(config, where) if isinstance(one, ReplayConfig))
    return [line for one, place in replayed for line in _replay_remarks(one, task, corpus, place)]


def sealed_column(configs: Mapping[str, OracleConfig]) -> str | None:
    """The column that only these oracles, under their keys, may see; None if none of them replays one.

    Raises:
        ConfigError: if they name two.
    """
    named = [(one, place) for where, config in configs.items() for one, place in _flat(config, where)]
    columns = [(one.label, place) for one, place in named if isinstance(one, ReplayConfig)]
    for label, place in columns[1:]:
        if label != columns[0][0]:
            raise ConfigError(
                f"{place}.label: {label!r}; expected {columns[0][0]!r} as in {columns[0][1]}.label: a run has one "
                "column for replay"
            )
    return columns[0][0] if columns else None


def needs_ray(config: OracleConfig) -> bool:
    """Whether the oracle computes on Ray."""
    return any(isinstance(one, LlmConfig) and one.engine == "vllm" for one, _ in _flat(config, ""))


def wants_examples(config: OracleConfig) -> bool:
    """Whether annotated examples change what the oracle is asked."""
    return any(isinstance(one, LlmConfig) and one.examples for one, _ in _flat(config, ""))


def _engine(config: LlmConfig, task: Task, seed: int, where: str) -> tuple[Prompt, Engine]:
    """The engine of a language model, and the prompt in the codes that suit it."""
    if config.engine == "openai":
        return oracle_prompt(config, task), OpenAiEngine(config, temperature(config), where)
    tokenizer = open_tokenizer(config.model, where)
    prompt = oracle_prompt(config, task, token_codes(tokenizer, task.labels, config.model))
    return prompt, VllmEngine(config, prompt, tokenizer, temperature=temperature(config), seed=seed, where=where)


def _members(config: CascadeConfig, where: str) -> Iterator[tuple[ReplayConfig | LlmConfig, str]]:
    return ((one, f"{where}.oracles[{i}]") for i, one in enumerate(config.oracles))


def _flat(config: OracleConfig, where: str) -> Iterator[tuple[ReplayConfig | LlmConfig, str]]:
    """An oracle as it stands, or the members of a cascade, each with its key."""
    if isinstance(config, CascadeConfig):
        yield from _members(config, where)
    else:
        yield config, where


def _check_replay(config: ReplayConfig, task: Task, corpus: Corpus, where: str) -> None:
    known, found = known_labels(task), sealed_labels(corpus)
    values = dict.fromkeys(first_sealed_values(corpus), 1) if found is None else found.counts
    if not any(known.find(value) is not None for value in values):
        raise no_known_label(task, f"{where}.label", config.label, known.unknown(values))


def _replay_remarks(config: ReplayConfig, task: Task, corpus: Corpus, where: str) -> Iterator[str]:
    known, found = known_labels(task), sealed_labels(corpus)
    if found is None:
        return
    strange = {label: rows for label, rows in found.counts.items() if known.find(label) is None}
    rows = sum(strange.values()) + found.others
    if rows:
        means = "they count as other" if task.kind == "binary" else "the oracle abstains there"
        listed = ", ".join(map(str, known.unknown(strange)))
        yield f"{where}.label: {rows:,} documents have a label that is not the task's, {means}: {listed}"
    if found.two_labels:
        yield f"{where}.label: {two_labels(found.two_labels)} in {config.label!r}; that of the first row counts"
