"""Train an encoder under a cosine head; every rank of Ray Train runs the same code.

n examples, k classes, r head rows (one for each class; several for `other` of a binary task), d dimensions, (B, T)
tokens.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from ray.train.torch import prepare_model
from torch.nn.functional import normalize

from laud_ray.models import ray_train
from laud_ray.models.encoder.encoding import Encoder, label_vectors
from laud_ray.models.encoder.tied import TiedClassifier
from laud_ray.models.multilabel.classifier import SetClassifier
from laud_ray.stats.calibration import COSINE_SCALE
from laud_ray.types import Bools, Floats, Indices, Task

logger = logging.getLogger(__name__)

# Training stops if the held-out loss has not improved for this many epochs.
PATIENCE = 3


class Settings(Protocol):
    """The settings of a learner that training uses."""

    @property
    def epochs(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def batch(self) -> int: ...
    @property
    def class_balance(self) -> float: ...
    @property
    def holdout(self) -> float: ...


class Goals(Protocol):
    """What n examples train towards: `Targets`, or `SetTargets` of a multilabel task."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows: Indices | Bools) -> "Goals": ...
    def losses(self, logits: torch.Tensor) -> torch.Tensor:
        """Map (n, k) logits to (n,) losses."""
        ...

    def weights(self, class_balance: float) -> Floats:
        """Return the (n,) weights of the examples; their mean is 1."""
        ...

    def hold_back(self, share: float, rng: np.random.Generator) -> Indices:
        """Draw the examples to hold out of the first epochs; return their indices, sorted."""
        ...


class CosineClassifier(torch.nn.Module):
    """An encoder with a cosine head: logits are the cosines of text and head rows, times a learned scale."""

    def __init__(self, encoder: Encoder, task: Task, template: str, ids: Sequence[list[int]] = ()) -> None:
        """Initialise the head with the embeddings of the labels; `ids` are the token ids of the n examples."""
        super().__init__()
        vectors, owners = label_vectors(encoder, task.labels, template)
        self.encoder = encoder
        self.head = torch.nn.Parameter(torch.from_numpy(vectors))
        self.log_scale = torch.nn.Parameter(torch.tensor(math.log(COSINE_SCALE)))
        self.register_buffer("owners", torch.from_numpy(owners))
        self.classes = len(task.labels)
        self._ids = list(ids)

    @property
    def parts(self) -> tuple[list[torch.nn.Parameter], list[torch.nn.Parameter]]:
        """The parameters of the encoder, and those of the head."""
        return [p for p in self.encoder.parameters() if p.requires_grad], [self.head, self.log_scale]

    @property
    def rows(self) -> torch.Tensor:
        """The (r, d) unit rows of the head."""
        return normalize(self.head.detach(), dim=-1)

    def refresh(self) -> None:
        """Do nothing: the rows are weights."""

    def inputs(self, examples: Indices) -> tuple[torch.Tensor, ...]:
        """Return what `forward` takes for a batch of examples."""
        return self.encoder.pad([self._ids[i] for i in examples])

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map (B, T) token ids and mask to (B, k) logits; a class with several rows gets their log-sum-exp."""
        rows: torch.Tensor = self.log_scale.exp() * self.encoder(ids, mask) @ normalize(self.head, dim=-1).T
        if self.classes == len(self.head):
            return rows
        grouped = [torch.logsumexp(rows[:, self.owners == c], 1) for c in range(self.classes)]
        return torch.stack(grouped, 1)


class Course:
    """One training run: first epochs without the held-out examples, with early stopping, then last epochs with them."""

    def __init__(
        self,
        learner: Settings,
        classifier: CosineClassifier | TiedClassifier | SetClassifier,
        ids: list[list[int]],
        targets: Goals,
    ) -> None:
        """Prepare the optimizer; `ids` are the token ids of the n texts, `targets` what they train towards."""
        self._learner, self._classifier, self._targets = learner, classifier, targets
        self._lengths = [len(row) for row in ids]
        self._model = prepare_model(classifier)
        adapter, head = classifier.parts
        self._rates = (learner.learning_rate, 2 * learner.learning_rate)
        groups = [{"params": p, "lr": r} for p, r in zip((adapter, head), self._rates, strict=True)]
        self._optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
        self._weights = torch.from_numpy(targets.weights(learner.class_balance))

    def run(self, rng: np.random.Generator) -> tuple[Indices, Floats]:
        """Train; return the h held-out examples, and their (h, k) logits before the epochs that train on them too.

        The learner calibrates the model on them.
        """
        epochs = self._learner.epochs
        held = self._targets.hold_back(self._learner.holdout, rng)
        kept = np.setdiff1d(np.arange(len(self._targets)), held)
        first = epochs - max(1, epochs // 5) if len(held) else 0
        losses: list[float] = []
        for epoch in range(first):
            self._epoch(kept, epoch / epochs, (epoch + 1) / epochs, rng)
            losses.append(self._loss(held))
            if min(losses) < min(losses[-PATIENCE:]):
                logger.info("early stopping: the held-out loss has not improved for %d epochs: %s", PATIENCE, losses)
                break
        logits = self._logits(held) if len(held) else np.empty((0, 0), np.float32)
        for epoch in range(first, epochs):
            self._epoch(np.arange(len(self._targets)), epoch / epochs, (epoch + 1) / epochs, rng)
        self._model.eval()
        self._classifier.refresh()
        return held, logits

    def _epoch(self, rows: Indices, start: float, end: float, rng: np.random.Generator) -> None:
        """Train on the rows once. `start` and `end`, in [0, 1], are the progress of the whole run before and after."""
        if start > 0:
            self._classifier.refresh()
        self._model.train()
        batches = list(_batches([self._lengths[i] for i in rows], self._learner.batch, rng))
        for step, positions in enumerate(batches):
            progress = start + (end - start) * step / len(batches)
            for group, highest in zip(self._optimizer.param_groups, self._rates, strict=True):
                group["lr"] = ray_train.learning_rate(progress, highest)
            self._step(rows[positions])

    def _step(self, rows: Indices) -> None:
        here, weight = ray_train.own_rows(ray_train.rows_by_rank(rows)[ray_train.rank()], rows)
        self._optimizer.zero_grad()
        logits = self._model(*self._classifier.inputs(here))
        weights = self._weights[here].to(logits.device) * weight
        # Gradients are averaged over ranks; multiplied by their number, the loss is the mean over the whole batch.
        loss = (
            (self._targets[here].losses(logits) * weights).sum()
            * ray_train.world_size()
            / self._weights[rows].sum().to(logits.device)
        )
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    @torch.inference_mode()
    def _logits(self, rows: Indices) -> Floats:
        self._model.eval()
        parts = [self._classifier(*self._classifier.inputs(rows[i : i + 64])) for i in range(0, len(rows), 64)]
        logits: Floats = torch.cat(parts).float().cpu().numpy()
        return logits

    def _loss(self, rows: Indices) -> float:
        return float(self._targets[rows].losses(torch.from_numpy(self._logits(rows))).mean())


def _batches(lengths: Sequence[int], size: int, rng: np.random.Generator) -> Iterator[Indices]:
    """Shuffle, sort by length within chunks of a few batches, and yield the batches in random order."""
    order = rng.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), 8 * size):
        chunk = order[start : start + 8 * size]
        chunk = chunk[np.argsort(np.asarray(lengths)[chunk], kind="stable")]
        batches += [chunk[i : i + size] for i in range(0, len(chunk), size)]
    yield from (batches[i] for i in rng.permutation(len(batches)))
