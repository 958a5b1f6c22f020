"""Train, save and open an encoder of a multilabel task. n examples, k labels, h held-out examples."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from laud_ray.models.encoder.describing import Described, description_with
from laud_ray.models.encoder.encoding import Encoder, label_vectors
from laud_ray.models.encoder.training import Course, Settings
from laud_ray.models.multilabel.answers import Answers, open_answers, save_answers
from laud_ray.models.multilabel.classifier import SetClassifier
from laud_ray.models.multilabel.head import SetHead, described, description_of, open_head, save_head
from laud_ray.models.multilabel.memory import SetMemory
from laud_ray.models.multilabel.scorer import SetScorer
from laud_ray.models.multilabel.targets import SetTargets, mask_of
from laud_ray.stats.calibration import COSINE_SCALE
from laud_ray.stats.multilabel.calibration import Scaling, fit_scaling, sigmoid
from laud_ray.stats.multilabel.rules import Rules
from laud_ray.stats.multilabel.thresholds import (
    UNFITTED,
    expected_thresholds,
    fit_thresholds,
    untrained_threshold,
)
from laud_ray.storage.model_folder import seal
from laud_ray.types import Example, Floats, Task

MEMORY = "memory.safetensors"


class EncoderSettings(Settings, Described, Protocol):
    """The settings of an encoder learner that its training reads, or a model keeps."""

    @property
    def texts(self) -> tuple[str, ...]: ...


class SetLearning:
    """One training of an encoder under a head of independent labels, calibrated on its held-out examples."""

    def __init__(
        self,
        learner: EncoderSettings,
        task: Task,
        examples: Sequence[Example],
        encoder: Encoder,
        ids: list[list[int]],
    ) -> None:
        """Prepare the training; `ids` are the token ids of the n examples. The adapter is added afterwards."""
        self._learner, self._task, self._ids = learner, task, ids
        self._targets = SetTargets(mask_of(task, examples))
        self.classifier = SetClassifier(encoder, task, learner.template, ids, self._targets.mask)
        k = len(task.labels)
        self._scaling, self._thresholds = Scaling.none(k), np.full(k, UNFITTED)

    def run(self, rng: np.random.Generator) -> None:
        """Train. Scaling and thresholds are those of the held-out examples; without any, they are not fitted."""
        held, logits = Course(self._learner, self.classifier, self._ids, self._targets).run(rng)
        if len(held):
            mask = self._targets.mask[held]
            self._scaling = fit_scaling(logits, mask)
            self._thresholds = fit_thresholds(sigmoid(self._scaling(logits)), mask)

    def save(self, path: Path) -> None:
        """Write adapter, head, memory, answers and model.json into an existing folder.

        With a memory, which is a random sample of the corpus, the thresholds are those that it expects to be best.
        Without one, they are those of the held-out examples, whose probabilities are mixed with nothing.
        """
        self.classifier.encoder.model.save_pretrained(str(path / "adapter"))  # type: ignore[operator]
        head, thresholds = self.classifier.scaled(self._scaling), self._thresholds
        if self._learner.texts:
            vectors = self.classifier.encoder.embed(self._learner.texts)
            save_file({"vectors": torch.from_numpy(vectors)}, path / MEMORY)
            found = SetMemory(vectors, head.proba(vectors)).own
            answers = Answers.of(self.classifier.encoder.embed_tokens(self._ids), self._targets.mask)
            if answers is not None:
                found = answers.mix(vectors, found, but_own=True)
            save_answers(answers, path)
            thresholds = expected_thresholds(found, (self._targets.mask == 1).sum(axis=0))
        save(path, self._learner, self._task, head, thresholds, examples=len(self._targets))


def save_untrained(path: Path, learner: EncoderSettings, task: Task) -> None:
    """Write the model that finds labels by the similarity of their names alone."""
    vectors, _ = label_vectors(Encoder(learner.model, learner.max_tokens).eval(), task.labels, learner.template)
    k = len(task.labels)
    head = SetHead(COSINE_SCALE * vectors, np.zeros(k, np.float32), untrained=True)
    path.mkdir(parents=True, exist_ok=True)
    save(path, learner, task, head, np.full(k, untrained_threshold(k)), examples=0)


def save(path: Path, learner: EncoderSettings, task: Task, head: SetHead, thresholds: Floats, *, examples: int) -> None:
    """Write head and model.json into an existing folder."""
    save_head(head, path)
    description = {
        **description_with("encoder", learner, task),
        "examples": examples,
        **described(head),
        **description_of(task, thresholds),
    }
    seal(path, description)


def open_scorer(path: Path, description: Mapping[str, Any], encoder: Encoder, rules: Rules) -> SetScorer:
    """Return the scorer of the model in a folder, whose encoder is adapted already."""
    head, memory = open_head(path, description), None
    if (path / MEMORY).is_file():
        vectors = load_file(path / MEMORY)["vectors"].numpy()
        memory = SetMemory(vectors, head.proba(vectors))
    return SetScorer(tuple(description["labels"]), encoder, head, rules.thresholds, memory, open_answers(path))
