"""YAML -> frozen, strict RunConfig. A mistake is one line with the file, the key, the value and what was expected."""

import csv
import difflib
import io
import json
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from laud_ray.errors import ConfigError
from laud_ray.query import STRATEGIES
from laud_ray.storage import Folder
from laud_ray.types import Label, Task

OTHER = "other"


class Section(BaseModel):
    """A part of the configuration: no unknown keys, no conversions, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LabelConfig(Section):
    name: str = Field(min_length=1)
    description: str | None = None
    positive: bool = False


class TaskConfig(Section):
    """What is to be learned.

    In a binary task one label is positive and the rest together are `other`: the positive one is
    marked `positive: true`; without a mark it is the first.
    """

    name: str = Field(min_length=1)
    kind: Literal["binary", "multiclass"] = "multiclass"
    labels: tuple[LabelConfig, ...]

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: tuple[LabelConfig, ...]) -> tuple[LabelConfig, ...]:
        names = [label.name for label in labels]
        if len(names) < 2:
            raise ValueError(f"{len(names)} label(s): expected at least two")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the label {twice[0]!r} stands {names.count(twice[0])} times: expected distinct labels")
        return labels

    @model_validator(mode="after")
    def _one_positive(self) -> "TaskConfig":
        marked = [label.name for label in self.labels if label.positive]
        if self.kind == "multiclass" and marked:
            raise ValueError(f"{marked[0]!r} is marked positive: expected so only when kind is binary")
        if len(marked) > 1:
            raise ValueError(f"{', '.join(map(repr, marked))} are marked positive: expected one")
        return self

    def to_task(self) -> Task:
        labels = tuple(Label(label.name, label.description) for label in self.labels)
        if self.kind == "multiclass":
            return Task(self.name, "multiclass", labels)
        at = next((i for i, label in enumerate(self.labels) if label.positive), 0)
        rest = tuple(label for i, label in enumerate(labels) if i != at)
        return Task(self.name, "binary", (labels[at], Label(OTHER, rest=rest)))


class CorpusConfig(Section):
    """Where the documents are. Texts longer than max_chars are cut there and counted."""

    path: str = Field(min_length=1)
    text: str = Field(min_length=1)
    id: str | None = None
    max_chars: int = Field(default=2000, ge=1)


class ZeroShotConfig(Section):
    """The classifier before any annotation. `template` turns a label's name into a text to embed."""

    engine: Literal["encoder"] = "encoder"
    model: str = "bundled"
    template: str = "{label}"

    @field_validator("template")
    @classmethod
    def _has_label(cls, template: str) -> str:
        if "{label}" not in template:
            raise ValueError(f"{template!r}: expected a text with {{label}} in it")
        return template


class EncoderConfig(Section):
    """LoRA on an encoder and a cosine head that starts as the label embeddings."""

    kind: Literal["encoder"]
    model: str = "bundled"
    rank: int = Field(default=16, ge=1, le=512)
    epochs: int = Field(default=10, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0, lt=1)
    batch: int = Field(default=32, ge=1)
    max_tokens: int = Field(default=64, ge=4, le=512)
    class_balance: float = Field(default=0.0, ge=0, le=1)
    holdout: float = Field(default=0.0, ge=0, le=0.5)


class LinearConfig(Section):
    """Frozen embeddings and a regularised linear head: the cheap baseline."""

    kind: Literal["linear"]
    model: str = "bundled"
    max_tokens: int = Field(default=64, ge=4, le=512)
    class_balance: float = Field(default=0.0, ge=0, le=1)


class ReplayConfig(Section):
    """Answers from a column of the corpus that only the oracle sees; noise and abstain are rates."""

    kind: Literal["replay"]
    label: str = Field(min_length=1)
    noise: float = Field(default=0.0, ge=0, le=1)
    abstain: float = Field(default=0.0, ge=0, le=1)


class InitConfig(Section):
    per_class: int = Field(default=1, ge=1)
    max_queries: int = Field(default=300, ge=1)


class QueryConfig(Section):
    """`mix` gives each part's share when the strategy is mix."""

    strategy: str = "margin"
    batch: int = Field(default=50, ge=1)
    mix: dict[str, Annotated[float, Field(gt=0)]] = {"margin": 0.6, "rare_class": 0.2, "random": 0.2}

    @field_validator("strategy")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in STRATEGIES:
            raise ValueError(f"{name!r} is no query strategy: expected one of {_known_names(name, STRATEGIES)}")
        return name

    @field_validator("mix")
    @classmethod
    def _parts(cls, mix: dict[str, float]) -> dict[str, float]:
        simple = [name for name in STRATEGIES if name != "mix"]
        for name in mix:
            if name not in simple:
                raise ValueError(f"{name!r} cannot be part of a mix: expected one of {_known_names(name, simple)}")
        if not mix:
            raise ValueError("no parts: expected at least one strategy with its share")
        return mix


class EvaluationConfig(Section):
    """The sample that figures come from. `oracle` is the most trusted one; by default the run's."""

    size: int = Field(default=300, ge=20)
    stop_set: int = Field(default=1000, ge=0)
    stratify: bool | None = None
    oracle: ReplayConfig | None = None


class BudgetConfig(Section):
    annotations: int = Field(default=500, ge=1)


class BudgetRule(Section):
    kind: Literal["budget"]


class RoundsRule(Section):
    kind: Literal["rounds"]
    maximum: int = Field(ge=1)


class KappaRule(Section):
    kind: Literal["kappa"]
    threshold: float = Field(default=0.99, gt=0, le=1)
    window: int = Field(default=3, ge=1)


class PlateauRule(Section):
    kind: Literal["plateau"]
    gain: float = Field(default=0.005, ge=0, le=1)
    patience: int = Field(default=3, ge=1)


class PoolExhaustedRule(Section):
    kind: Literal["pool_exhausted"]


class ResourcesConfig(Section):
    """Machines. workers trains with so many processes, 0 in this one; no key here changes results."""

    workers: int = Field(default=0, ge=0)
    gpus_per_worker: float = Field(default=0, ge=0)
    gpus_per_scorer: float = Field(default=0, ge=0)


LearnerConfig = Annotated[EncoderConfig | LinearConfig, Field(discriminator="kind")]
OracleConfig = Annotated[ReplayConfig, Field()]
StopConfig = Annotated[
    BudgetRule | RoundsRule | KappaRule | PlateauRule | PoolExhaustedRule, Field(discriminator="kind")
]


class RunConfig(Section):
    """One task's run, from data to classifier."""

    task: TaskConfig
    corpus: CorpusConfig
    storage: str = Field(min_length=1)
    seed: int = Field(default=0, ge=0)
    zero_shot: ZeroShotConfig = ZeroShotConfig()
    learner: LearnerConfig = EncoderConfig(kind="encoder")
    oracle: OracleConfig
    init: InitConfig = InitConfig()
    query: QueryConfig = QueryConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    budget: BudgetConfig = BudgetConfig()
    stop: tuple[StopConfig, ...] = (BudgetRule(kind="budget"),)
    resources: ResourcesConfig = ResourcesConfig()

    def dump(self) -> str:
        """The whole configuration as YAML, defaults included."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)


def load(path: str) -> RunConfig:
    """Read a YAML file.

    Raises:
        ConfigError: one line per mistake.
    """
    where, _, name = path.rpartition("/")
    try:
        text = Folder(where or ("/" if path.startswith("/") else ".")).read(name).decode()
    except (FileNotFoundError, IsADirectoryError, OSError) as error:
        raise ConfigError(f"{path}: cannot be read: {_first_line(error)}; expected a YAML file") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text; expected a YAML file") from None
    return parse(text, path)


def parse(text: str, path: str = "config") -> RunConfig:
    """Read YAML text; `path` is what errors call it.

    Raises:
        ConfigError: one line per mistake.
    """
    data = _yaml(text, path)
    if not isinstance(data, dict):
        raise ConfigError(
            f"{path}: holds {type(data).__name__}; expected a mapping with the keys task, corpus, storage, ..."
        )
    task = data.get("task")
    if isinstance(task, dict) and "labels" in task:
        data = {**data, "task": {**task, "labels": _labels(task["labels"], path)}}
    try:
        return RunConfig.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        lines = [f"{path}: {_line(data, dict(detail))}" for detail in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def differences(old: RunConfig, new: RunConfig) -> list[str]:
    """List the keys that differ in a way that changes results: "key: old -> new"."""
    before, after = (_flat(c.model_dump(mode="json", exclude={"resources", "storage"})) for c in (old, new))
    keys = [*before, *(key for key in after if key not in before)]
    pairs = [(key, before.get(key), after.get(key)) for key in keys]
    return [f"{key}: {old} -> {new}" for key, old, new in pairs if old != new]


def _yaml(text: str, path: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or _first_line(error)
        raise ConfigError(f"{path}{at}: is not valid YAML: {problem}") from None


def _labels(value: object, path: str) -> object:
    """Read labels: a list as it stands, or the file that a path names."""
    if isinstance(value, str):
        value = _label_file(value, path)
    if isinstance(value, dict):
        value = [{"name": name, "description": text} for name, text in value.items()]
    if isinstance(value, list):
        return [{"name": item} if isinstance(item, str) else item for item in value]
    return value


def _label_file(name: str, path: str) -> object:
    folder, _, file = name.rpartition("/")
    try:
        text = Folder(folder or ".").read(file).decode()
    except OSError as error:
        raise ConfigError(
            f"{path}: task.labels: {name!r} cannot be read: {_first_line(error)}; expected a YAML, CSV or text file"
        ) from None
    if file.endswith((".yaml", ".yml")):
        return _yaml(text, name)
    if file.endswith(".csv"):
        rows = list(csv.DictReader(io.StringIO(text)))
        if rows and "name" not in rows[0]:
            raise ConfigError(
                f"{name}: has the columns {', '.join(rows[0])}; expected name and, if you like, description"
            )
        return [{"name": row["name"], "description": row.get("description") or None} for row in rows]
    return [line.strip() for line in text.splitlines() if line.strip()]


def _line(data: Mapping[str, Any], detail: Mapping[str, Any]) -> str:
    """Say one pydantic error in one line: key, value, expectation."""
    section: Any = RunConfig
    node: Any = data
    key = ""
    for part in detail["loc"][:-1]:
        if isinstance(part, str) and isinstance(node, dict) and part not in node and node.get("kind") == part:
            section = _choose(section, part)
            continue
        key, node, section = _join(key, part), _child(node, part), _inner(section, part)
    last = detail["loc"][-1] if detail["loc"] else ""
    kind, value = detail["type"], detail.get("input")
    if kind == "extra_forbidden":
        known = list(getattr(_choose(section, None), "model_fields", {}))
        return f"{_join(key, last)}: unknown key; expected one of {_known_names(str(last), known)}"
    if kind == "missing":
        return f"{_join(key, last)}: is missing"
    key = _join(key, last) if last != (node.get("kind") if isinstance(node, dict) else None) else key
    if kind == "union_tag_invalid":
        tag, known = detail["ctx"]["tag"], [t.strip(" '") for t in detail["ctx"]["expected_tags"].split(",")]
        return f"{key}.kind: {tag!r} is unknown; expected one of {_known_names(tag, known)}"
    if kind == "union_tag_not_found":
        return f"{key}.kind: is missing"
    if kind == "value_error":
        return f"{key}: {detail['ctx']['error']}"
    message = detail["msg"].replace("Input should be", "expected").replace("a valid ", "a ")
    near = difflib.get_close_matches(
        str(value), detail.get("ctx", {}).get("expected", "").replace("'", "").split(" or "), 1
    )
    return f"{key}: {_short(value)}: {message}" + (f" - did you mean {near[0]!r}?" if near else "")


def _inner(section: Any, part: str | int) -> Any:
    """The type of a section's field, or of a sequence's items."""
    if isinstance(part, int):
        return typing.get_args(section)[0]
    fields = getattr(section, "model_fields", {})
    return fields[part].annotation if part in fields else section


def _choose(section: Any, tag: str | None) -> Any:
    """Of a union of sections, the one with that kind; anything else as it stands."""
    while typing.get_origin(section) is Annotated:
        section = typing.get_args(section)[0]
    for choice in typing.get_args(section):
        fields = getattr(choice, "model_fields", {})
        if "kind" in fields and tag in typing.get_args(fields["kind"].annotation):
            return choice
        if fields and tag is None:
            return choice
    return section


def _known_names(name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return ", ".join(known) + (f" - did you mean {near[0]!r}?" if near else "")


def _child(node: Any, part: str | int) -> Any:
    try:
        return node[part]
    except (KeyError, IndexError, TypeError):
        return None


def _join(key: str, part: str | int) -> str:
    if isinstance(part, int):
        return f"{key}[{part}]"
    return f"{key}.{part}" if key and part else key or str(part)


def _flat(node: Any, key: str = "") -> dict[str, Any]:
    if isinstance(node, dict):
        return {k: v for name, child in node.items() for k, v in _flat(child, _join(key, name)).items()}
    if isinstance(node, list):
        return {k: v for i, child in enumerate(node) for k, v in _flat(child, _join(key, i)).items()}
    return {key: node}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
