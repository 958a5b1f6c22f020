"""The configuration of a run: its sections, and how it is read."""

from laud_ray.config.asking import AuditConfig, BudgetConfig, EvaluationConfig, InitConfig, QueryConfig
from laud_ray.config.models import (
    CausalConfig,
    EncoderConfig,
    EncoderZeroShotConfig,
    InContextConfig,
    LearnerConfig,
    LinearConfig,
    PromptedSection,
    VllmZeroShotConfig,
    ZeroShotConfig,
)
from laud_ray.config.oracles import (
    CascadeConfig,
    LlmConfig,
    OracleConfig,
    PeopleConfig,
    ReplayConfig,
    SingleConfig,
    people_in,
)
from laud_ray.config.reading import changes, differences, load, load_stored, parse
from laud_ray.config.run import ResourcesConfig, RunConfig, ServingConfig
from laud_ray.config.section import Section
from laud_ray.config.stopping import (
    BudgetRule,
    DeltaFRule,
    GainRule,
    KappaRule,
    PlateauRule,
    PoolExhaustedRule,
    RoundsRule,
    StopConfig,
    TargetRule,
)
from laud_ray.config.task import OTHER, CorpusConfig, LabelConfig, TaskConfig

__all__ = [
    "OTHER",
    "AuditConfig",
    "BudgetConfig",
    "BudgetRule",
    "CascadeConfig",
    "CausalConfig",
    "CorpusConfig",
    "DeltaFRule",
    "EncoderConfig",
    "EncoderZeroShotConfig",
    "EvaluationConfig",
    "GainRule",
    "InContextConfig",
    "InitConfig",
    "KappaRule",
    "LabelConfig",
    "LearnerConfig",
    "LinearConfig",
    "LlmConfig",
    "OracleConfig",
    "PeopleConfig",
    "PlateauRule",
    "PoolExhaustedRule",
    "PromptedSection",
    "QueryConfig",
    "ReplayConfig",
    "ResourcesConfig",
    "RoundsRule",
    "RunConfig",
    "Section",
    "ServingConfig",
    "SingleConfig",
    "StopConfig",
    "TargetRule",
    "TaskConfig",
    "VllmZeroShotConfig",
    "ZeroShotConfig",
    "changes",
    "differences",
    "load",
    "load_stored",
    "parse",
    "people_in",
]
