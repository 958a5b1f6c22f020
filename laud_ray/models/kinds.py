"""The kinds of learners and models by their YAML names: build a learner, check a configuration, open a model."""

from collections.abc import Sequence
from typing import Any

from laud_ray.cluster.workers import Workers
from laud_ray.config import (
    CausalConfig,
    EncoderConfig,
    EncoderZeroShotConfig,
    InContextConfig,
    LinearConfig,
    PromptedSection,
    VllmZeroShotConfig,
)
from laud_ray.errors import ModelError
from laud_ray.models.encoder.encoding import check_model
from laud_ray.models.encoder.learner import EncoderLearner
from laud_ray.models.encoder.linear import LinearLearner
from laud_ray.models.language import chat
from laud_ray.models.language.answers.comparison import candidates
from laud_ray.models.language.causal import CausalLearner, fixed_prompt
from laud_ray.models.language.engine import require_vllm
from laud_ray.models.language.in_context import InContextLearner
from laud_ray.models.ray_train import Resources
from laud_ray.models.student.model import KIND, Student
from laud_ray.storage.model_folder import ENGINES, kind_of
from laud_ray.types import Learner, Scorer, Task

__all__ = [
    "ENGINES",
    "LEARNERS",
    "LEARNS_FROM_NODES",
    "ZERO_SHOT",
    "CausalLearner",
    "EncoderLearner",
    "InContextLearner",
    "LinearLearner",
    "build",
    "check",
    "check_section",
    "load",
    "spare",
    "zero_shot",
]

LEARNERS: dict[str, Any] = {
    "encoder": EncoderLearner,
    "linear": LinearLearner,
    "causal": CausalLearner,
    "in_context": InContextLearner,
}
# The learners that learn from answers at inner nodes of a taxonomy.
LEARNS_FROM_NODES = ("encoder", "linear")
# The kind of model that each value of zero_shot.engine makes.
ZERO_SHOT = {"encoder": "encoder", "vllm": "in_context"}

LearnerConfig = EncoderConfig | LinearConfig | CausalConfig | InContextConfig
ZeroShotConfig = EncoderZeroShotConfig | VllmZeroShotConfig


def build(
    config: LearnerConfig,
    zero_shot: ZeroShotConfig,
    resources: Resources,
    task: Task,
    probe: Sequence[str] = (),
    workers: Workers | None = None,
) -> Learner:
    """Build the learner of a configuration.

    Args:
        config: the section `learner`.
        zero_shot: the section `zero_shot`, whose template an encoder uses.
        resources: the processes and GPUs to train with.
        task: the task to learn.
        probe: a random sample of the corpus. An encoder model keeps it as its memory; a prompted model measures its
            label bias on it.
        workers: the workers of the model's passes; a prompted model chooses its answers on one of them.
    """
    template = zero_shot.template if isinstance(zero_shot, EncoderZeroShotConfig) else "{label}"
    match config:
        case LinearConfig():
            return LinearLearner(config.model, template, config.max_tokens, config.class_balance, config.smoothing)
        case CausalConfig():
            return CausalLearner(config, resources)
        case InContextConfig():
            return InContextLearner(
                config,
                config.examples,
                config.choose,
                config.max_example_tokens,
                _calibrates(config, task),
                tuple(probe),
                workers,
            )
    return EncoderLearner(
        model=config.model,
        template=template,
        rank=config.rank,
        epochs=config.epochs_for(task.kind),
        learning_rate=config.learning_rate,
        batch=config.batch,
        max_tokens=config.max_tokens,
        class_balance=config.class_balance,
        holdout=config.holdout_for(task.kind),
        resources=resources,
        texts=tuple(probe if config.memory is None else probe[: config.memory]),
    )


def zero_shot(config: ZeroShotConfig, task: Task, probe: Sequence[str] = (), workers: Workers | None = None) -> Learner:
    """Return the learner whose model, fitted without examples, is the zero-shot classifier. Arguments: see `build`."""
    if isinstance(config, EncoderZeroShotConfig):
        return EncoderLearner(config.model, config.template)
    return InContextLearner(config, calibrate=_calibrates(config, task), probe=tuple(probe), workers=workers)


def check(config: LearnerConfig, zero_shot: ZeroShotConfig, task: Task) -> None:
    """Check that the configured models can be loaded and fit the task, before any answer is paid for.

    Raises:
        ModelError: if a model cannot be loaded, or its context is too small for the labels.
    """
    check_section("zero_shot", zero_shot, task)
    check_section("learner", config, task)


def check_section(key: str, config: LearnerConfig | ZeroShotConfig, task: Task) -> None:
    """Check the model of one section of the configuration; errors name it by `key`.

    Raises:
        ModelError: as for `check`.
    """
    try:
        _check(config, task)
    except ModelError as error:
        raise ModelError(f"{key}.{error}") from None


def spare(config: PromptedSection) -> int:
    """Return how many tokens of a prompt are reserved for the examples nearest to each document."""
    return config.max_example_tokens if isinstance(config, InContextConfig) and config.choose == "nearest" else 0


def _calibrates(config: PromptedSection, task: Task) -> bool | None:
    """Whether to divide by label bias; not for binary tasks, where it would pull a rare positive label to one half."""
    return False if task.kind == "binary" else config.calibrate


def _check(config: LearnerConfig | ZeroShotConfig, task: Task) -> None:
    if isinstance(config, EncoderConfig | LinearConfig | EncoderZeroShotConfig):
        check_model(config.model)
        return
    chat.require_generative(config.model)
    tokenizer = chat.open_tokenizer(config.model, template=config.chat_template)
    if isinstance(config, CausalConfig):
        fixed_prompt(task, config)
    else:
        candidates(tokenizer, task, config, orders=1, spare=spare(config))
    require_vllm()


def load(model: str) -> Scorer:
    """Open a local model folder of any kind, and return its scorer.

    Raises:
        ModelError: if the folder is missing or broken, or its kind is unknown.
    """
    kind = kind_of(model)
    kinds = {**LEARNERS, KIND: Student}
    if kind not in kinds:
        raise ModelError(f"{model}/model.json: kind is {kind!r}; expected one of {', '.join(kinds)}")
    scorer: Scorer = kinds[kind].open(model)
    return scorer
