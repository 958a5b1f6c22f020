"""Learners: examples -> model folder, model folder -> scorer."""

import json

from laud_ray.config import EncoderConfig, LinearConfig, ZeroShotConfig
from laud_ray.encoding import check_model
from laud_ray.errors import ModelError
from laud_ray.model_folder import local_folder
from laud_ray.models.encoder import EncoderLearner
from laud_ray.models.linear import LinearLearner
from laud_ray.training import Resources
from laud_ray.types import Learner, Scorer

__all__ = ["LEARNERS", "EncoderLearner", "LinearLearner", "build", "check", "load", "zero_shot"]

LEARNERS: dict[str, type[EncoderLearner] | type[LinearLearner]] = {
    "encoder": EncoderLearner,
    "linear": LinearLearner,
}


def build(config: EncoderConfig | LinearConfig, zero_shot: ZeroShotConfig, resources: Resources) -> Learner:
    """Make the learner that a configuration asks for."""
    if isinstance(config, LinearConfig):
        return LinearLearner(config.model, zero_shot.template, config.max_tokens, config.class_balance)
    return EncoderLearner(
        model=config.model,
        template=zero_shot.template,
        rank=config.rank,
        epochs=config.epochs,
        learning_rate=config.learning_rate,
        batch=config.batch,
        max_tokens=config.max_tokens,
        class_balance=config.class_balance,
        holdout=config.holdout,
        resources=resources,
    )


def zero_shot(config: ZeroShotConfig) -> Learner:
    """The learner whose model of no examples is the zero-shot classifier."""
    return EncoderLearner(config.model, config.template)


def check(config: EncoderConfig | LinearConfig, zero_shot: ZeroShotConfig) -> None:
    """Find out now, and not after the first answers were paid for, whether the base models can be had.

    Raises:
        ModelError: if one cannot be loaded.
    """
    for name in {config.model, zero_shot.model}:
        check_model(name)


def load(model: str) -> Scorer:
    """Open a model folder, whichever learner made it.

    Raises:
        ModelError: if it is missing or broken, or of an unknown kind.
    """
    try:
        kind = json.loads((local_folder(model) / "model.json").read_text())["kind"]
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{model}/model.json: cannot be read: {error!r}") from None
    if kind not in LEARNERS:
        raise ModelError(f"{model}/model.json: kind is {kind!r}; expected one of {', '.join(LEARNERS)}")
    return LEARNERS[kind].open(model)
