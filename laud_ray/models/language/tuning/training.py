"""Train an adapter, again with another learning rate if it learned nothing; every rank of Ray Train runs the same code.

n examples.
"""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ray.train.torch import get_device
from safetensors.torch import save_file

from laud_ray.config import CausalConfig
from laud_ray.models import ray_train
from laud_ray.models.encoder.neighbours import Neighbours
from laud_ray.models.language import chat
from laud_ray.models.language.label_prompt import LabelPrompt
from laud_ray.models.language.scorer import own_options
from laud_ray.models.language.tuning.answer_model import adapted
from laud_ray.models.language.tuning.course import STATE, Course
from laud_ray.models.language.tuning.learned import Answers
from laud_ray.storage.model_folder import seal
from laud_ray.types import Example, Indices

logger = logging.getLogger(__name__)

ADAPTER = "adapter"
EXAMPLES = "examples.json"
# Texts whose probabilities of all labels are in memory at once.
CHUNK = 64


def train(config: dict[str, Any]) -> None:
    """Train on one rank; Ray Train calls it. Every rank holds all examples and computes its share of every batch.

    If the model does not answer its own examples better than the base rate afterwards, training is repeated from the
    base model with other learning rates. If all of them fail, model.json has the reason under `failure`.
    """
    settings: CausalConfig = config["settings"]
    prompt: LabelPrompt = config["prompt"]
    torch.manual_seed(config["seed"])
    bodies, targets = encode_bodies(prompt, config["examples"])
    model = adapted(settings, get_device(), _longest_row(settings, prompt, bodies))
    course = Course(settings, model, prompt, bodies, targets, config["seed"])
    epoch = course.resume()
    while True:
        answers = _attempt(course, epoch, restartable=config["restartable"])
        if answers.learned or not course.begin_again(answers):
            break
        logger.warning("nothing was learned; training begins again with a learning rate of %.1e", course.rate)
        epoch = 0
    description = config["description"] | course.description(answers)
    weights = course.adapter()
    shown = config["examples"] if prompt.narrow else ()
    ray_train.deliver(lambda path: _save(path, course.peft, weights, description, shown), {"loss": answers.loss})


def encode_bodies(prompt: LabelPrompt, examples: Sequence[Example]) -> tuple[list[list[int]], Indices]:
    """Return the token ids of each example's prompt after the shared prefix, and the (n,) positions of its code."""
    tokenizer = chat.open_tokenizer(prompt.settings.model)
    texts, shared = [e.text for e in examples], len(prompt.frames[0].prefix_ids)
    if not prompt.narrow:
        openings = [prompt.opening(tokenizer)] * len(examples)
        positions = {prompt.labels[c].name: position for position, c in enumerate(prompt.classes())}
        targets = [positions[e.label] for e in examples]
    else:
        options, targets = _own_options(prompt, examples)
        openings = [prompt.opening(tokenizer, classes=classes) for classes in options]
    bodies = [ids[shared:] for ids in prompt.ids(tokenizer, texts, openings)]
    return bodies, np.asarray(targets, np.int64)


def _own_options(prompt: LabelPrompt, examples: Sequence[Example]) -> tuple[list[list[int]], list[int]]:
    """Return each example's own options, and the position of its label; an unlisted label takes the last place."""
    neighbours = Neighbours(examples, prompt.labels, get_device())
    classes = {label.name: c for c, label in enumerate(prompt.labels)}
    options: list[list[int]] = []
    for start in range(0, len(examples), CHUNK):
        texts = [example.text for example in examples[start : start + CHUNK]]
        options += own_options(prompt, neighbours, texts)[1].tolist()
    for listed, example in zip(options, examples, strict=True):
        if classes[example.label] not in listed:
            listed[-1] = classes[example.label]
    return options, [listed.index(classes[e.label]) for listed, e in zip(options, examples, strict=True)]


def read_examples(path: Path) -> list[Example]:
    """Read the examples of a model whose prompts list options of their own for each document."""
    return [Example(**one) for one in json.loads((path / EXAMPLES).read_text())]


def _longest_row(settings: CausalConfig, prompt: LabelPrompt, bodies: Sequence[Sequence[int]]) -> int:
    """Return the most tokens that a packed row of a batch may have."""
    lengths = sorted(map(len, bodies))
    whole = len(prompt.frames[0].prefix_ids) + sum(lengths[-settings.batch :])
    return max(min(whole, settings.batch_tokens), len(prompt.frames[0].prefix_ids) + lengths[-1])


def _attempt(course: Course, first: int, *, restartable: bool) -> Answers:
    """Train from an epoch to the last one, or until the loss is not finite; return the answers in the last epoch."""
    for epoch in range(first, course.epochs):
        answers = course.epoch(epoch)
        logger.info(
            "epoch %d of %d: mean loss %.4f, accuracy on its %d training examples %.3f (most frequent label: %.3f)",
            epoch + 1,
            course.epochs,
            answers.loss,
            answers.n,
            answers.accuracy,
            answers.base_rate,
        )
        if not math.isfinite(answers.loss):
            break
        if restartable and course.saves_after(epoch):
            ray_train.deliver(partial(_save_state, course.state(epoch + 1)), {"loss": answers.loss})
    return answers


def _save_state(state: Mapping[str, torch.Tensor], path: Path) -> None:
    save_file(dict(state), path / STATE)


def _save(
    path: Path,
    model: Any,
    weights: Mapping[str, torch.Tensor],
    description: Mapping[str, Any],
    shown: Sequence[Example],
) -> None:
    """Write the adapter in PEFT's format, and model.json beside it; the examples whose labels are options, if any."""
    if shown:
        (path / EXAMPLES).write_text(json.dumps([asdict(one) for one in shown]))
    (path / ADAPTER).mkdir()
    model.peft_config["default"].inference_mode = True
    model.peft_config["default"].save_pretrained(str(path / ADAPTER))
    save_file(dict(weights), path / ADAPTER / "adapter_model.safetensors")
    seal(path, description)
