"""The whole configuration of a run. Keys are fixed; more may be added."""

from typing import Any

import yaml
from pydantic import Field, ValidationInfo, field_validator, model_validator
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from laud_ray.cluster.workers import RANGE_TIMEOUT_S
from laud_ray.config.asking import (
    AuditConfig,
    BudgetConfig,
    EvaluationConfig,
    InitConfig,
    PromiseConfig,
    QueryConfig,
)
from laud_ray.config.labels.tree import TaskTree
from laud_ray.config.mistakes import refuse_credentials, require_url, require_variable, short
from laud_ray.config.models import EncoderConfig, EncoderZeroShotConfig, LearnerConfig, ZeroShotConfig
from laud_ray.config.oracles import OracleConfig, ReplayConfig, asks_model, people_in, repeats_itself, require_verdicts
from laud_ray.config.section import PathText, Section, is_stored
from laud_ray.config.stopping import BudgetRule, StopConfig
from laud_ray.config.task import MULTILABEL, TAXONOMY, CorpusConfig, LabelConfig, TaskConfig
from laud_ray.config.updating import UpdateConfig
from laud_ray.errors import ConfigError
from laud_ray.labels import NO_LABEL_APPLIES, NONE_FITS, UNSURE, fold
from laud_ray.printable import quoted


class ResourcesConfig(Section):
    """Hardware. No key here changes results.

    Attributes:
        workers: training processes; 0 trains in the process of the run.
        gpus_per_worker: GPUs for each of them.
        scorers: language model engines that score at the same time.
        gpus_per_scorer: GPUs for each engine, on one node; 0 runs it on CPUs.
        cpus_per_scorer: cores for each engine without GPUs.
        range_timeout: seconds to score one range; after that its worker counts as hanging and is replaced.
    """

    workers: int = Field(default=0, ge=0)
    gpus_per_worker: float = Field(default=0, ge=0)
    gpus_per_scorer: float = Field(default=0, ge=0)
    scorers: int = Field(default=1, ge=1)
    cpus_per_scorer: int = Field(default=1, ge=1)
    range_timeout: float = Field(default=RANGE_TIMEOUT_S, gt=0)


class ServingConfig(Section):
    """The service that is notified when a model becomes current. No key here changes results.

    Without a URL the service finds the new model by polling.

    Attributes:
        url: base URL of the service, without /v1.
        token_env: the environment variable that holds the bearer token.
    """

    url: str | None = None
    token_env: str | None = Field(default=None, min_length=1)

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        return None if url is None else require_url(url, "http://127.0.0.1:8000")

    @field_validator("token_env")
    @classmethod
    def _is_variable(cls, name: str | None) -> str | None:
        return None if name is None else require_variable(name, "LAUD_TOKEN")


class RunConfig(Section):
    """One task's run, from data to classifier.

    `store` is the URL of a PostgreSQL database for annotations and registry; None: an SQLite file in `storage`. The
    configuration is written into the storage, so the database password belongs in PGPASSWORD or ~/.pgpass.
    """

    task: TaskConfig
    corpus: CorpusConfig
    storage: PathText
    store: str | None = None
    seed: int = Field(default=0, ge=0)
    zero_shot: ZeroShotConfig = EncoderZeroShotConfig()
    learner: LearnerConfig = EncoderConfig(kind="encoder")
    oracle: OracleConfig
    init: InitConfig = InitConfig()
    query: QueryConfig = QueryConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    promise: PromiseConfig | None = None
    audit: AuditConfig = AuditConfig()
    budget: BudgetConfig = BudgetConfig()
    stop: tuple[StopConfig, ...] = (BudgetRule(kind="budget"),)
    resources: ResourcesConfig = ResourcesConfig()
    serving: ServingConfig = ServingConfig()
    update: UpdateConfig = UpdateConfig()

    @model_validator(mode="after")
    def _without_credentials(self) -> "RunConfig":
        refuse_credentials(self.model_dump(mode="json"))
        return self

    @model_validator(mode="after")
    def _one_role_each(self) -> "RunConfig":
        """Refuse a replay column that is also the text, which the model sees, or the id of the documents."""
        for where, config in self.asked_oracles().items():
            for one in getattr(config, "oracles", (config,)):
                if isinstance(one, ReplayConfig) and one.label in (self.corpus.text, self.corpus.id):
                    role = "text" if one.label == self.corpus.text else "id"
                    raise ValueError(
                        f"{where}.label: the column {one.label!r} is also corpus.{role}; expected two different columns"
                    )
        column = None if self.task.tree is None else self.task.tree.column
        if column is not None and column in (self.corpus.text, self.corpus.id):
            role = "text" if column == self.corpus.text else "id"
            raise ValueError(
                f"task.labels.column: the column {column!r} is also corpus.{role}; expected two different columns"
            )
        return self

    @model_validator(mode="after")
    def _promised_for_a_taxonomy(self) -> "RunConfig":
        if self.promise is not None and self.task.kind != TAXONOMY:
            raise ValueError(f"promise: is not valid with task.kind: {self.task.kind}; expected task.kind: taxonomy")
        return self

    @model_validator(mode="after")
    def _queries_of_the_kind(self) -> "RunConfig":
        """Set the strategy of a multilabel task, and refuse one that does not fit the kind of task."""
        of_kind = self.query.of_sets if self.task.kind == MULTILABEL else self.query.of_classes
        try:
            query = of_kind()
        except ValueError as error:
            raise ValueError(f"query.strategy: {error}") from None
        object.__setattr__(self, "query", query)  # the section is frozen, and its default depends on the task
        return self

    @model_validator(mode="after")
    def _learned_from_sets(self) -> "RunConfig":
        for key in ("class_balance", "smoothing"):
            if self.task.kind == MULTILABEL and (value := getattr(self.learner, key, 0)):
                raise ValueError(f"learner.{key}: {value} is not valid with task.kind: multilabel; expected 0")
        return self

    @model_validator(mode="after")
    def _of_language_models(self) -> "RunConfig":
        """Refuse what a language model cannot do in a multilabel task."""
        if self.task.kind == MULTILABEL:
            for where, config in self.possible_oracles().items():
                require_verdicts(config, where)
            for key, said in (("zero_shot.engine", self.zero_shot.engine), ("learner.kind", self.learner.kind)):
                if said in ("vllm", "causal", "in_context"):
                    raise ValueError(
                        f"{key}: {said} is not valid with task.kind: {MULTILABEL}; expected "
                        f"{'encoder' if key == 'zero_shot.engine' else 'encoder or linear'}"
                    )
        return self

    @model_validator(mode="after")
    def _of_one_label(self) -> "RunConfig":
        """Refuse settings of a multilabel task that are for tasks whose documents have one label, and the reverse."""
        for place, rule in enumerate(self.stop):
            if getattr(rule, "metric", None) == "micro_f1" and self.task.kind != MULTILABEL:
                raise ValueError(
                    f"stop.{place}.metric: micro_f1 is not valid with task.kind: {self.task.kind}; "
                    "expected accuracy or macro_f1"
                )
        if self.task.kind == MULTILABEL and (self.audit.share or self.audit.leaves_out):
            key, value, expected = (
                ("share", f"{self.audit.share:g}", "0") if self.audit.share else ("leave_out", "true", "false")
            )
            raise ValueError(f"audit.{key}: {value} is not valid with task.kind: multilabel; expected {expected}")
        return self

    @model_validator(mode="after")
    def _drawn_anew(self) -> "RunConfig":
        """Refuse an audit whose second answers would only repeat the first ones."""
        asked: list[tuple[str, OracleConfig]] = [("oracle", self.oracle), *self.second_oracles()]
        for i, (where, config) in enumerate(asked if self.audit.share else []):
            if config in [one for _, one in asked[:i]] and repeats_itself(config):
                raise ValueError(
                    f"audit.share: {self.audit.share:g} would ask `{where}` again at temperature 0, which repeats its "
                    "answers; expected another audit.oracle or audit.referee, or no temperature"
                )
        return self

    @model_validator(mode="after")
    def _answered_by_another(self) -> "RunConfig":
        """Refuse to ask people again where there is nobody but the person who answered first."""
        again = {"audit.share": self.second_oracles() if self.audit.share else ()}
        again["evaluation.trusted"] = () if (trusted := self.trusted_oracle()) is None else (trusted,)
        for key, chain in again.items():
            asked = [(where, people) for where, one in (("oracle", self.oracle), *chain) if (people := people_in(one))]
            if len(asked) > 1 and asked[0][1].team == 1:
                raise ValueError(
                    f"{key}: would ask people again, and `{asked[0][0]}` has team: 1, so nobody else could answer; "
                    "expected team of at least 2, or another oracle"
                )
        return self

    @model_validator(mode="after")
    def _one_team(self) -> "RunConfig":
        """Refuse people with different settings: the same people answer all questions of a run."""
        teams = [(where, found) for where, one in self.asked_oracles().items() if (found := people_in(one))]
        for where, people in teams[1:]:
            known, first = teams[0]
            for key in (key for key, value in people if value != getattr(first, key)):
                raise ValueError(
                    f"{where}: asks people with {key}: {short(getattr(people, key))}, and `{known}` with "
                    f"{key}: {short(getattr(first, key))}; expected the same settings, since the same people answer"
                )
        return self

    @model_validator(mode="after")
    def _measured_by_another(self) -> "RunConfig":
        if self.evaluation.trusted is not None and self.evaluation.oracle == self.oracle:
            raise ValueError(
                "evaluation.oracle: is the same as `oracle`; expected a more trusted one for evaluation.trusted"
            )
        return self

    @model_validator(mode="after")
    def _stratified_by_a_score(self) -> "RunConfig":
        if self.evaluation.stratify and self.task.kind != "binary":
            raise ValueError(
                f"evaluation.stratify: true is not valid with task.kind: {self.task.kind}; expected task.kind: binary"
            )
        return self

    @model_validator(mode="after")
    def _abstention_is_no_label(self, info: ValidationInfo) -> "RunConfig":
        if not is_stored(info) and (mistake := self._reserved_label()) is not None:
            raise ValueError(mistake)
        return self

    def _reserved_label(self) -> str | None:
        """Return what is wrong with a label called like an answer by which a language model or a person abstains."""
        asked = self.asked_oracles().items()
        llm = next((where for where, one in asked if asks_model(one)), None)
        people = next((where for where, one in asked if people_in(one)), None)
        said_by_people = (UNSURE, NONE_FITS, *((NO_LABEL_APPLIES,) if self.task.kind == MULTILABEL else ()))
        words = ((llm, "the language model", (UNSURE,)), (people, "the people", said_by_people))
        for where, who, special in words:
            if (
                where is None
                or (same := next((one for one in self.task.names() if fold(one) in special), None)) is None
            ):
                continue
            return (
                f"task.labels: the label {quoted(same)} is not valid: {who} of `{where}` "
                f"{'abstains' if who != 'the people' else 'abstain'} with this word; expected another name, such "
                f"as {{name: unclear, also: [{same}]}}"
            )
        return None

    def with_tree(self, tree: TaskTree) -> "RunConfig":
        """Return the same configuration with its taxonomy, which was read after it.

        Raises:
            ConfigError: if a label of it is reserved.
        """
        return self._with_task(self.task.with_tree(tree))

    def with_labels(self, labels: tuple[LabelConfig, ...]) -> "RunConfig":
        """Return the same configuration with another flat list of labels.

        Raises:
            ConfigError: if a label of it is reserved.
        """
        return self._with_task(self.task.model_copy(update={"labels": labels}))

    def _with_task(self, task: TaskConfig) -> "RunConfig":
        config = self.model_copy(update={"task": task})
        if (mistake := config._reserved_label()) is not None:
            raise ConfigError(mistake)
        return config

    def evaluation_oracle(self) -> tuple[str, OracleConfig]:
        """The oracle that answers for the whole evaluation sample, with its key in the configuration."""
        trusted = self.evaluation.oracle
        if trusted is None or self.evaluation.trusted is not None:
            return "oracle", self.oracle
        return "evaluation.oracle", trusted

    def trusted_oracle(self) -> tuple[str, OracleConfig] | None:
        """The oracle that answers for a subsample of the evaluation sample again, with its key, or None."""
        trusted = self.evaluation.oracle
        return None if trusted is None or self.evaluation.trusted is None else ("evaluation.oracle", trusted)

    def asked_oracles(self) -> dict[str, OracleConfig]:
        """All oracles of the run by their keys: the run's own, those of audits and those of the evaluation."""
        again = self.second_oracles() if self.audit.share else ()
        trusted = [] if (one := self.trusted_oracle()) is None else [one]
        return dict([("oracle", self.oracle), *again, self.evaluation_oracle(), *trusted])

    def second_oracles(self) -> tuple[tuple[str, OracleConfig], ...]:
        """The oracles of an audit with their keys: for the second answer and, unless that is final, for the third."""
        second = ("audit.oracle", self.audit.oracle) if self.audit.oracle else ("oracle", self.oracle)
        third = ("audit.referee", self.audit.referee) if self.audit.referee else second
        return (second,) if self.audit.trusted else (second, third)

    def possible_oracles(self) -> dict[str, OracleConfig]:
        """All oracles by their keys, those of audits included, whether or not there is an audit."""
        return {**self.asked_oracles(), **dict(self.second_oracles())}

    @property
    def most_answers(self) -> int:
        """The most answers that a document can have, those of audits included."""
        return 1 + len(self.second_oracles())

    @field_validator("store")
    @classmethod
    def _postgresql(cls, store: str | None) -> str | None:
        if store is None:
            return None
        expected = "expected postgresql://USER@HOST/DATABASE"
        try:
            url = make_url(store)
        except ArgumentError:
            raise ValueError(f"is not the URL of a database; {expected}") from None
        if url.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
            raise ValueError(f"{short(url.drivername)} is not a supported database; {expected}")
        return store

    def dump(self) -> str:
        """The whole configuration as YAML, defaults included."""
        data = self.model_dump(mode="json")
        if self.task.tree is None:
            # A run is opened by reading this text: 30,000 labels take 1 s as names alone, and 7 s with all their keys.
            data["task"]["labels"] = [_written(label) for label in data["task"]["labels"]]
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)


def _written(label: dict[str, Any]) -> dict[str, Any] | str:
    """Return a label without keys that have no value; one with a name alone is that name."""
    stated = {key: value for key, value in label.items() if value not in (None, False, [])}
    return label["name"] if stated.keys() == {"name"} else stated
