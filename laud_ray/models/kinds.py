"""Learners: examples -> model folder, model folder -> scorer."""

from collections.abc import Sequence
from typing import Any

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
from laud_ray.models.language import chat, label_prompt
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
# What kind of model each engine of zero_shot makes.
ZERO_SHOT = {"encoder": "encoder", "vllm": "in_context"}

LearnerConfig = EncoderConfig | LinearConfig | CausalConfig | InContextConfig
ZeroShotConfig = EncoderZeroShotConfig | VllmZeroShotConfig


def build(
    config: LearnerConfig, zero_shot: ZeroShotConfig, resources: Resources, task: Task, probe: Sequence[str] = ()
) -> Learner:
    """Make the learner that a configuration asks for; `probe` is a random sample of the corpus: for an
    encoder, what its memory holds."""
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
            )
    return EncoderLearner(
        model=config.model,
        template=template,
        rank=config.rank,
        epochs=config.epochs,
        learning_rate=config.learning_rate,
        batch=config.batch,
        max_tokens=config.max_tokens,
        class_balance=config.class_balance,
        holdout=config.holdout,
        resources=resources,
        texts=tuple(probe if config.memory is None else probe[: config.memory]),
    )


def zero_shot(config: ZeroShotConfig, task: Task, probe: Sequence[str] = ()) -> Learner:
    """The learner whose model of no examples is the zero-shot classifier; `probe` as in `build`."""
    if isinstance(config, EncoderZeroShotConfig):
        return EncoderLearner(config.model, config.template)
    return InContextLearner(config, calibrate=_calibrates(config, task), probe=tuple(probe))


def check(config: LearnerConfig, zero_shot: ZeroShotConfig, task: Task) -> None:
    """Find out now, and not after the first answers were paid for, whether the models can do the task.

    Raises:
        ModelError: if one cannot be loaded, or its context does not hold the labels.
    """
    check_section("zero_shot", zero_shot, task)
    check_section("learner", config, task)


def check_section(key: str, config: LearnerConfig | ZeroShotConfig, task: Task) -> None:
    """The same for one section; `key` is what errors call it."""
    try:
        _check(config, task)
    except ModelError as error:
        raise ModelError(f"{key}.{error}") from None


def spare(config: PromptedSection) -> int:
    """Tokens of a prompt that are kept for a document's own examples."""
    return config.max_example_tokens if isinstance(config, InContextConfig) and config.choose == "nearest" else 0


def _calibrates(config: PromptedSection, task: Task) -> bool:
    """Rare positives would be pulled towards half of all."""
    return config.calibrate and task.kind == "multiclass"


def _check(config: LearnerConfig | ZeroShotConfig, task: Task) -> None:
    if isinstance(config, EncoderConfig | LinearConfig | EncoderZeroShotConfig):
        check_model(config.model)
        return
    tokenizer = chat.open_tokenizer(config.model)
    if isinstance(config, CausalConfig):
        fixed_prompt(task, config)
    else:
        label_prompt.build(tokenizer, task, config, orders=1, spare=spare(config))
    require_vllm()


def load(model: str) -> Scorer:
    """Open a model folder, whichever learner made it.

    Raises:
        ModelError: if it is missing or broken, or of an unknown kind.
    """
    kind = kind_of(model)
    kinds = {**LEARNERS, KIND: Student}
    if kind not in kinds:
        raise ModelError(f"{model}/model.json: kind is {kind!r}; expected one of {', '.join(kinds)}")
    scorer: Scorer = kinds[kind].open(model)
    return scorer
