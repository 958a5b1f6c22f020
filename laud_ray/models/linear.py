"""Frozen embeddings and a regularised linear head: the cheap baseline.

Multinomial logistic regression pulled not towards zero but towards the zero-shot head, so that a class
without examples keeps what its name says. n examples, k classes, d dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy

from laud_ray.calibration import COSINE_SCALE, fit_temperature, softmax
from laud_ray.encoding import Encoder, label_vectors
from laud_ray.model_folder import describe, seal
from laud_ray.types import Example, Floats, Indices, Task

STRENGTHS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
FOLDS = 5


@dataclass(frozen=True, slots=True)
class LinearLearner:
    """Fits the head by L-BFGS; its strength of regularisation and temperature by cross-validation."""

    model: str = "bundled"
    template: str = "{label}"
    max_tokens: int = 64
    class_balance: float = 0.0

    def fit(self, task: Task, examples: Sequence[Example], *, out: str, seed: int) -> None:
        x, targets, prior = self._embedded(task, [e.text for e in examples], [e.label for e in examples])
        strength, temperature, _ = self._validate(x, targets, prior, np.random.default_rng(seed))
        weight, bias = self._solve(x, targets, prior, strength)
        path = Path(out)
        path.mkdir(parents=True, exist_ok=True)
        save_file({"weight": weight, "bias": bias}, path / "head.safetensors")
        description = {
            "kind": "linear",
            "base": self.model,
            "template": self.template,
            "max_tokens": self.max_tokens,
            "labels": list(task.names),
            "strength": strength,
            "temperature": temperature,
            "examples": len(examples),
        }
        seal(path, description)

    def out_of_fold(self, task: Task, texts: Sequence[str], labels: Sequence[str], *, seed: int) -> Floats:
        """Return (n, k) calibrated probabilities of n examples, none of which taught the head that gave them.

        With too few examples for folds they are those of zero-shot.
        """
        x, targets, prior = self._embedded(task, texts, labels)
        return self.cross_validate(x, targets, prior, seed=seed)

    def cross_validate(self, x: Floats, targets: Indices, prior: Floats, *, seed: int) -> Floats:
        """The same of (n, d) embeddings, (n,) labels and the (k, d) zero-shot head."""
        _, temperature, logits = self._validate(x, targets, prior, np.random.default_rng(seed))
        return softmax(logits / temperature)

    def load(self, model: str) -> "LinearScorer":
        return self.open(model)

    @staticmethod
    def open(model: str) -> "LinearScorer":
        """Open a model folder; it knows its base model and settings."""
        path, description = describe(model)
        head = load_file(path / "head.safetensors")
        encoder = Encoder(description["base"], description["max_tokens"]).freeze()
        temperature = float(description["temperature"])
        return LinearScorer(
            labels=tuple(description["labels"]),
            encoder=encoder,
            weight=head["weight"].numpy() / temperature,
            bias=head["bias"].numpy() / temperature,
        )

    def _embedded(self, task: Task, texts: Sequence[str], labels: Sequence[str]) -> tuple[Floats, Indices, Floats]:
        """Return (n, d) embeddings, (n,) labels and the (k, d) zero-shot head."""
        encoder = Encoder(self.model, self.max_tokens).freeze()
        vectors, owners = label_vectors(encoder, task.labels, self.template)
        prior = np.stack([vectors[owners == c].mean(0) for c in range(len(task.labels))]) * COSINE_SCALE
        index = {name: i for i, name in enumerate(task.names)}
        return encoder.embed(texts), np.asarray([index[label] for label in labels], np.int64), prior

    def _validate(
        self, x: Floats, targets: Indices, prior: Floats, rng: np.random.Generator
    ) -> tuple[float, float, Floats]:
        """Return the strength with the least out-of-fold loss, the temperature for its logits, and these (n, k)."""
        if len(targets) < 2 * FOLDS:
            return STRENGTHS[-1], 1.0, x @ prior.T
        folds = rng.permutation(len(targets)) % FOLDS
        best = (np.inf, STRENGTHS[-1], 1.0)
        kept: Floats = x @ prior.T
        for strength in STRENGTHS:
            logits = np.empty((len(targets), len(prior)), np.float32)
            for fold in range(FOLDS):
                out = folds == fold
                weight, bias = self._solve(x[~out], targets[~out], prior, strength)
                logits[out] = x[out] @ weight.numpy().T + bias.numpy()
            temperature = fit_temperature(logits, targets)
            loss = float(cross_entropy(torch.from_numpy(logits / temperature), torch.from_numpy(targets)))
            if (loss, strength, temperature) < best:
                best, kept = (loss, strength, temperature), logits
        return best[1], best[2], kept

    def _solve(self, x: Floats, targets: Indices, prior: Floats, strength: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Minimise mean cross-entropy + strength * squared distance from the prior; convex, so unique."""
        start = torch.from_numpy(prior)
        weight, bias = start.clone().requires_grad_(), torch.zeros(len(prior), requires_grad=True)
        inputs, labels = torch.from_numpy(x), torch.from_numpy(targets)
        counts = np.bincount(targets, minlength=len(prior))
        each = torch.from_numpy(counts[targets].astype(np.float32) ** -self.class_balance)
        optimizer = torch.optim.LBFGS([weight, bias], max_iter=60, line_search_fn="strong_wolfe")

        def loss() -> torch.Tensor:
            optimizer.zero_grad()
            losses = cross_entropy(inputs @ weight.T + bias, labels, reduction="none")
            value = (losses * each).sum() / each.sum() if len(labels) else torch.zeros(())
            value = value + strength * (((weight - start) ** 2).sum() + (bias**2).sum())
            value.backward()  # type: ignore[no-untyped-call]
            return value

        optimizer.step(loss)  # type: ignore[no-untyped-call]
        return weight.detach(), bias.detach()


@dataclass(frozen=True, slots=True)
class LinearScorer:
    """Class probabilities from frozen embeddings. weight is (k, d), bias (k,)."""

    labels: tuple[str, ...]
    encoder: Encoder
    weight: Floats
    bias: Floats

    def score(self, texts: Sequence[str]) -> Floats:
        """Map n texts to (n, k) probabilities, float32."""
        return self.score_tokens(self.tokenize(texts))

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return self.encoder.tokenize(texts) if len(texts) else []

    def score_tokens(self, ids: Sequence[Sequence[int]]) -> Floats:
        """Map the token ids of n texts to (n, k) probabilities, float32."""
        return softmax(self.encoder.embed_tokens(ids) @ self.weight.T + self.bias)
