"""Turn unlabeled text into a served, calibrated text classifier: LAUD (arXiv 2511.14738) on Ray."""

from typing import TYPE_CHECKING, Any

from laud_ray.errors import (
    ConfigError,
    CorpusError,
    JobError,
    LaudError,
    ModelError,
    PassError,
    PoolExhaustedError,
    RunError,
    ServiceError,
    StoreError,
    UserError,
)

if TYPE_CHECKING:
    from laud_ray.client.client import Client
    from laud_ray.config import RunConfig, load, parse
    from laud_ray.loop import Outcome, run
    from laud_ray.models.kinds import load as load_model
    from laud_ray.types import (
        Annotation,
        Candidates,
        ClassFigures,
        Document,
        Estimate,
        Example,
        Figures,
        Label,
        Learner,
        Oracle,
        QueryStrategy,
        RoundResult,
        Scorer,
        StoppingRule,
        Task,
    )

__version__ = "0.1.0"

__all__ = [
    "Annotation",
    "Candidates",
    "ClassFigures",
    "Client",
    "ConfigError",
    "CorpusError",
    "Document",
    "Estimate",
    "Example",
    "Figures",
    "JobError",
    "Label",
    "LaudError",
    "Learner",
    "ModelError",
    "Oracle",
    "Outcome",
    "PassError",
    "PoolExhaustedError",
    "QueryStrategy",
    "RoundResult",
    "RunConfig",
    "RunError",
    "Scorer",
    "ServiceError",
    "StoppingRule",
    "StoreError",
    "Task",
    "UserError",
    "load",
    "load_model",
    "parse",
    "run",
]

# Names that need Ray, torch, pydantic, httpx or NumPy are imported on first use, so that `import laud_ray` is fast.
_LATER = {
    "Client": ("laud_ray.client.client", "Client"),
    "Outcome": ("laud_ray.loop", "Outcome"),
    "RunConfig": ("laud_ray.config", "RunConfig"),
    "load": ("laud_ray.config", "load"),
    "load_model": ("laud_ray.models.kinds", "load"),
    "parse": ("laud_ray.config", "parse"),
    "run": ("laud_ray.loop", "run"),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'laud_ray' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _LATER.get(name, ("laud_ray.types", name))
    return getattr(import_module(module), attribute)
