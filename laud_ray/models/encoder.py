"""LoRA on an encoder, and a cosine head whose rows start as the embeddings of the labels.

With no examples it is the zero-shot classifier, and examples only move it from there.
n examples, k classes, r head rows (one a class; more for the rest of a binary task), d dimensions.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ray.train.torch import prepare_model
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy, normalize

from laud_ray import training
from laud_ray.calibration import COSINE_SCALE, fit_temperature
from laud_ray.encoding import Encoder, label_vectors
from laud_ray.model_folder import describe, seal
from laud_ray.training import Resources
from laud_ray.types import Example, Floats, Indices, Task

logger = logging.getLogger(__name__)

LORA_TARGETS = "all-linear"
# Mean pooling leaves the pooler out, and a parameter without a gradient stops the exchange between workers.
UNUSED_MODULES = r".*pooler.*"
# Holding back fewer examples than this says more about luck than about the model.
MIN_HOLDOUT = 20
PATIENCE = 3
# Held-back examples were mostly queried for being hard, so their temperature is too high for the corpus; the scale
# that the head starts and ends with is nearly right (docs/LOG.md), so log T may leave 0 only by evidence.
PRIOR = 0.1


@dataclass(frozen=True, slots=True)
class EncoderLearner:
    """Fine-tunes an encoder with LoRA (Hu et al. 2021, arXiv 2106.09685) under a cosine head.

    Attributes:
        template: turns a label's name into the text whose embedding its head row starts as.
        class_balance: weight of an example is (class frequency) ** -class_balance; 0 leaves all alike.
        holdout: share of the examples kept out of the first part of training. On it the temperature is
            fitted and overfitting is noticed; the last epochs use it too.
    """

    model: str = "bundled"
    template: str = "{label}"
    rank: int = 16
    epochs: int = 10
    learning_rate: float = 1e-3
    batch: int = 32
    max_tokens: int = 64
    class_balance: float = 0.0
    holdout: float = 0.0
    resources: Resources = field(default_factory=Resources)

    def fit(self, task: Task, examples: Sequence[Example], *, out: str, seed: int) -> None:
        if examples:
            config = {"learner": self, "task": task, "examples": tuple(examples), "seed": seed}
            training.fit(train, config, self.resources, out)
        else:
            classifier = CosineClassifier(Encoder(self.model, self.max_tokens).eval(), task, self.template)
            Path(out).mkdir(parents=True, exist_ok=True)
            save(Path(out), self, task, classifier, temperature=1.0, examples=0)

    def load(self, model: str) -> "EncoderScorer":
        return self.open(model)

    @staticmethod
    def open(model: str) -> "EncoderScorer":
        """Open a model folder; it knows its base model and settings."""
        path, description = describe(model)
        encoder = Encoder(description["base"], description["max_tokens"])
        if (path / "adapter").is_dir():
            from peft import PeftModel  # takes seconds, which a process without adapters need not pay

            adapted = PeftModel.from_pretrained(encoder.model, str(path / "adapter"))
            encoder.model = adapted.merge_and_unload()
        head = load_file(path / "head.safetensors")
        return EncoderScorer(
            labels=tuple(description["labels"]),
            encoder=encoder.freeze(),
            head=head["weight"].numpy(),
            owners=head["owners"].numpy(),
            scale=float(description["scale"]) / float(description["temperature"]),
        )


@dataclass(frozen=True, slots=True)
class EncoderScorer:
    """Class probabilities from an encoder and its cosine head. head is (r, d), owners (r,)."""

    labels: tuple[str, ...]
    encoder: Encoder
    head: Floats
    owners: Indices
    scale: float

    def score(self, texts: Sequence[str]) -> Floats:
        """Map n texts to (n, k) probabilities, float32."""
        return self.score_tokens(self.tokenize(texts))

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return self.encoder.tokenize(texts) if len(texts) else []

    def score_tokens(self, ids: Sequence[Sequence[int]]) -> Floats:
        """Map the token ids of n texts to (n, k) probabilities, float32."""
        return self._proba(self.encoder.embed_tokens(ids))

    def examine(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        """Map n texts to (n, d) unit vectors and (n, k) probabilities, float32."""
        vectors = self.encoder.embed_tokens(self.tokenize(texts))
        return vectors, self._proba(vectors)

    def _proba(self, vectors: Floats) -> Floats:
        logits: Floats = self.scale * vectors @ self.head.T
        rows: Floats = np.exp(logits - logits.max(1, keepdims=True))
        rows /= rows.sum(1, keepdims=True)
        if len(self.owners) == len(self.labels):
            return rows
        proba = np.zeros((len(vectors), len(self.labels)), np.float32)
        np.add.at(proba.T, self.owners, rows.T)
        return proba


class CosineClassifier(torch.nn.Module):
    """An encoder and a head of unit rows, compared by cosine times a learned scale."""

    def __init__(self, encoder: Encoder, task: Task, template: str) -> None:
        super().__init__()
        vectors, owners = label_vectors(encoder, task.labels, template)
        self.encoder = encoder
        self.head = torch.nn.Parameter(torch.from_numpy(vectors))
        self.log_scale = torch.nn.Parameter(torch.tensor(math.log(COSINE_SCALE)))
        self.register_buffer("owners", torch.from_numpy(owners))
        self.classes = len(task.labels)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map (B, T) token ids to (B, k) logits; a class of several rows has their log-sum-exp."""
        rows: torch.Tensor = self.log_scale.exp() * self.encoder(ids, mask) @ normalize(self.head, dim=-1).T
        if self.classes == len(self.head):
            return rows
        grouped = [torch.logsumexp(rows[:, self.owners == c], 1) for c in range(self.classes)]
        return torch.stack(grouped, 1)


def train(config: dict[str, Any]) -> None:
    """Train on one rank, as Ray Train calls it. Every rank holds all examples and takes its part of every batch."""
    from peft import LoraConfig, get_peft_model

    learner: EncoderLearner = config["learner"]
    task: Task = config["task"]
    examples: tuple[Example, ...] = config["examples"]
    torch.manual_seed(config["seed"])
    classifier = CosineClassifier(Encoder(learner.model, learner.max_tokens).eval(), task, learner.template)
    lora = LoraConfig(
        r=learner.rank, lora_alpha=2 * learner.rank, target_modules=LORA_TARGETS, exclude_modules=UNUSED_MODULES
    )
    classifier.encoder.model = get_peft_model(classifier.encoder.model, lora)
    index = {name: i for i, name in enumerate(task.names)}
    targets = np.asarray([index[e.label] for e in examples], np.int64)
    course = Course(learner, classifier, classifier.encoder.tokenize([e.text for e in examples]), targets)
    temperature = course.run(np.random.default_rng(config["seed"]))
    training.deliver(
        lambda path: save(path, learner, task, classifier, temperature=temperature, examples=len(examples)),
        {"temperature": temperature},
    )


class Course:
    """One training: epochs without the held-back examples while these improve, then the last ones with them.

    ids are the token ids of the n texts, targets (n,) their classes.
    """

    def __init__(
        self, learner: EncoderLearner, classifier: CosineClassifier, ids: list[list[int]], targets: Indices
    ) -> None:
        self._learner, self._classifier, self._ids, self._targets = learner, classifier, ids, targets
        self._model = prepare_model(classifier)
        adapter = [p for p in classifier.encoder.parameters() if p.requires_grad]
        head = [classifier.head, classifier.log_scale]
        self._rates = (learner.learning_rate, 2 * learner.learning_rate)
        groups = [{"params": p, "lr": r} for p, r in zip((adapter, head), self._rates, strict=True)]
        self._optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
        counts = np.bincount(targets, minlength=classifier.classes)
        weights = counts[targets].astype(np.float32) ** -learner.class_balance
        self._weights = torch.from_numpy(weights / weights.mean())

    def run(self, rng: np.random.Generator) -> float:
        """Train, and return the temperature fitted on the held-back examples; 1.0 if there were too few."""
        epochs = self._learner.epochs
        held = _hold_back(self._targets, self._learner.holdout, rng)
        kept = np.setdiff1d(np.arange(len(self._targets)), held)
        first = epochs - max(1, epochs // 5) if len(held) else 0
        losses: list[float] = []
        for epoch in range(first):
            self._epoch(kept, epoch / epochs, (epoch + 1) / epochs, rng)
            losses.append(self._loss(held))
            if min(losses) < min(losses[-PATIENCE:]):
                logger.info("held-back loss has not improved for %d epochs: %s", PATIENCE, losses)
                break
        temperature = fit_temperature(self._logits(held), self._targets[held], prior=PRIOR) if len(held) else 1.0
        for epoch in range(first, epochs):
            self._epoch(np.arange(len(self._targets)), epoch / epochs, (epoch + 1) / epochs, rng)
        self._model.eval()
        return temperature

    def _epoch(self, rows: Indices, start: float, end: float, rng: np.random.Generator) -> None:
        """Go over the rows once; progress runs from start to end of the whole course."""
        self._model.train()
        batches = list(_batches([len(self._ids[i]) for i in rows], self._learner.batch, rng))
        for step, positions in enumerate(batches):
            progress = start + (end - start) * step / len(batches)
            for group, highest in zip(self._optimizer.param_groups, self._rates, strict=True):
                group["lr"] = training.rate(progress, highest)
            self._step(rows[positions])

    def _step(self, rows: Indices) -> None:
        here, weight = training.or_stand_in(training.shares(rows)[training.rank()], rows)
        self._optimizer.zero_grad()
        logits = self._model(*self._classifier.encoder.pad([self._ids[i] for i in here]))
        targets = torch.from_numpy(self._targets[here]).to(logits.device)
        weights = self._weights[here].to(logits.device) * weight
        losses = cross_entropy(logits, targets, reduction="none")
        # The exchange averages over ranks; times their number, it is the mean over the whole batch.
        loss = (losses * weights).sum() * training.world_size() / self._weights[rows].sum().to(logits.device)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    @torch.inference_mode()
    def _logits(self, rows: Indices) -> Floats:
        self._model.eval()
        batches = [self._ids[i] for i in rows]
        parts = [self._classifier(*self._classifier.encoder.pad(batches[i : i + 64])) for i in range(0, len(rows), 64)]
        logits: Floats = torch.cat(parts).float().cpu().numpy()
        return logits

    def _loss(self, rows: Indices) -> float:
        return float(cross_entropy(torch.from_numpy(self._logits(rows)), torch.from_numpy(self._targets[rows])))


def _hold_back(targets: Indices, share: float, rng: np.random.Generator) -> Indices:
    """Draw examples to hold back, never the last one of a class; none if they would be too few."""
    order = rng.permutation(len(targets))
    left = np.bincount(targets)
    held: list[int] = []
    for i in order:
        if len(held) < round(share * len(targets)) and left[targets[i]] > 1:
            held.append(int(i))
            left[targets[i]] -= 1
    return np.sort(np.asarray(held, np.int64)) if len(held) >= MIN_HOLDOUT else np.empty(0, np.int64)


def _batches(lengths: Sequence[int], size: int, rng: np.random.Generator) -> Iterator[Indices]:
    """Shuffle, sort by length within chunks of a few batches, and yield the batches in random order."""
    order = rng.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), 8 * size):
        chunk = order[start : start + 8 * size]
        chunk = chunk[np.argsort(np.asarray(lengths)[chunk], kind="stable")]
        batches += [chunk[i : i + size] for i in range(0, len(chunk), size)]
    yield from (batches[i] for i in rng.permutation(len(batches)))


def save(
    path: Path,
    learner: EncoderLearner,
    task: Task,
    classifier: CosineClassifier,
    *,
    temperature: float,
    examples: int,
) -> None:
    """Write adapter, head and model.json into an existing folder."""
    from peft import PeftModel

    if isinstance(classifier.encoder.model, PeftModel):
        classifier.encoder.model.save_pretrained(str(path / "adapter"))
    head = normalize(classifier.head.detach(), dim=-1).cpu().contiguous()
    save_file({"weight": head, "owners": classifier.owners.cpu()}, path / "head.safetensors")
    description = {
        "kind": "encoder",
        "base": learner.model,
        "template": learner.template,
        "max_tokens": learner.max_tokens,
        "labels": list(task.names),
        "scale": float(classifier.log_scale.detach().exp()),
        "temperature": temperature,
        "examples": examples,
    }
    seal(path, description)
