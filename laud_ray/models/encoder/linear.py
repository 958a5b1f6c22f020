"""A regularised linear head on frozen embeddings: the cheap baseline.

The head is a multinomial logistic regression whose weights are regularised towards the zero-shot head instead of
towards zero, so that a class without examples keeps its zero-shot weights. n examples, k classes, d dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from laud_ray.models.encoder.describing import description_with
from laud_ray.models.encoder.encoding import Encoder, label_vectors
from laud_ray.models.encoder.scoring import VectorScorer
from laud_ray.models.encoder.solver import Solution, minimise
from laud_ray.models.multilabel import linear as independent
from laud_ray.models.multilabel.answers import open_answers, save_answers
from laud_ray.models.multilabel.head import described, description_of, open_head, save_head
from laud_ray.models.multilabel.scorer import SetScorer
from laud_ray.models.multilabel.targets import Mask, mask_of
from laud_ray.models.targets import Targets, losses, targets_of
from laud_ray.stats.calibration import COSINE_SCALE, fit_temperature, softmax
from laud_ray.stats.multilabel.rules import Rules
from laud_ray.storage.model_folder import describe, seal
from laud_ray.taxonomy.groups import Groups
from laud_ray.types import Example, Floats, Indices, Task

STRENGTHS = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
FOLDS = 5
# With more classes, a fit takes half a minute and more, so that strengths are compared by fewer fits.
MANY = 1000
# The tolerance of the solver while strengths are compared: the out-of-fold loss is then exact to three digits.
ROUGHLY = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A fitted head.

    Attributes:
        weight: (k, d).
        bias: (k,).
        strength: the chosen strength of regularisation.
        temperature: divides the logits x @ weight.T + bias.
    """

    weight: Floats
    bias: Floats
    strength: float
    temperature: float

    def proba(self, x: Floats) -> Floats:
        """Map (n, d) unit vectors to (n, k) probabilities, float32."""
        return softmax(x @ (self.weight.T / self.temperature) + self.bias / self.temperature)


@dataclass(frozen=True, slots=True)
class LinearLearner:
    """Fits the head by L-BFGS; chooses the strength of regularisation and the temperature by cross-validation.

    Attributes:
        class_balance: the weight of an example is (class frequency) ** -class_balance; 0 weights all equally.
        smoothing: label smoothing, the share of each label's mass that is spread evenly over all classes; it limits
            the effect of wrong labels.
    """

    model: str = "bundled"
    template: str = "{label}"
    max_tokens: int = 64
    class_balance: float = 0.0
    smoothing: float = 0.0

    def fit(self, task: Task, examples: Sequence[Example], *, out: str, seed: int) -> None:
        """Write a model to the local folder `out`."""
        encoder = Encoder(self.model, self.max_tokens).freeze()
        vectors, prior = encoder.embed([e.text for e in examples]), self.prior(encoder, task)
        if task.multilabel:
            self._fit_sets(task, vectors, mask_of(task, examples), prior, Path(out), seed)
            return
        head = self.solve(vectors, targets_of(task, examples), prior, seed=seed)
        path = Path(out)
        path.mkdir(parents=True, exist_ok=True)
        tensors = {"weight": torch.from_numpy(head.weight), "bias": torch.from_numpy(head.bias)}
        save_file(tensors, path / "head.safetensors")
        description = {
            **description_with("linear", self, task),
            "strength": head.strength,
            "temperature": head.temperature,
            "examples": len(examples),
        }
        seal(path, description)

    def _fit_sets(self, task: Task, vectors: Floats, mask: Mask, prior: Floats, path: Path, seed: int) -> None:
        """Write a multilabel model to a local folder."""
        fitted = independent.fit(vectors, mask, prior, seed=seed)
        path.mkdir(parents=True, exist_ok=True)
        save_head(fitted.head, path)
        save_answers(fitted.answers, path)
        description = {
            **description_with("linear", self, task),
            "strength": fitted.strength,
            "examples": len(mask),
            **described(fitted.head),
            **description_of(task, fitted.thresholds),
        }
        seal(path, description)

    @staticmethod
    def open(model: str) -> "LinearScorer | SetScorer":
        """Open a model folder. Its model.json names the base model and the settings."""
        path, description = describe(model)
        encoder = Encoder(description["base"], description["max_tokens"]).freeze()
        if (rules := Rules.of(description)) is not None:
            head, answers = open_head(path, description), open_answers(path)
            return SetScorer(tuple(description["labels"]), encoder, head, rules.thresholds, answers=answers)
        head = load_file(path / "head.safetensors")
        temperature = float(description["temperature"])
        return LinearScorer(
            labels=tuple(description["labels"]),
            encoder=encoder,
            weight=head["weight"].numpy() / temperature,
            bias=head["bias"].numpy() / temperature,
        )

    def prior(self, encoder: Encoder, task: Task) -> Floats:
        """Return the (k, d) zero-shot head towards which the weights are regularised."""
        vectors, owners = label_vectors(encoder, task.labels, self.template)
        prior: Floats = np.stack([vectors[owners == c].mean(0) for c in range(len(task.labels))]) * COSINE_SCALE
        return prior

    def solve(self, x: Floats, targets: Targets, prior: Floats, *, seed: int) -> Head:
        """Fit the head to (n, d) unit vectors and what they train towards; the seed assigns examples to folds."""
        strength, temperature = self._validate(x, targets, prior, np.random.default_rng(seed))
        weight, bias = self._solve(x, targets, prior, strength)
        return Head(weight.numpy(), bias.numpy(), strength, temperature)

    def out_of_fold(
        self, task: Task, texts: Sequence[str], labels: Sequence[str], *, seed: int, groups: Groups
    ) -> Floats:
        """Return (n, g) calibrated out-of-fold probabilities of n examples: each from a head trained without it.

        Args:
            groups: g groups of the classes. The prior of a group is the mean of its classes'.
        """
        encoder = Encoder(self.model, self.max_tokens).freeze()
        targets = Targets.of_classes(np.array([groups.places[label] for label in labels], np.int64))
        sums = np.add.reduceat(self.prior(encoder, task), groups.starts)
        prior = sums / groups.sizes[:, None].astype(np.float32)
        return self.cross_validate(encoder.embed(texts), targets, prior, seed=seed)

    def cross_validate(self, x: Floats, targets: Targets, prior: Floats, *, seed: int) -> Floats:
        """Return the same for (n, d) unit vectors and n targets; with fewer than 10, zero-shot probabilities."""
        if len(targets) < 2 * FOLDS:
            return softmax(x @ prior.T)
        strength, temperature = self._validate(x, targets, prior, np.random.default_rng(seed))
        folds = np.random.default_rng(seed).permutation(len(targets)) % FOLDS
        logits = self._held_out_logits(x, targets, prior, strength, folds, [None] * FOLDS)
        return softmax(logits / temperature)

    def _validate(self, x: Floats, targets: Targets, prior: Floats, rng: np.random.Generator) -> tuple[float, float]:
        """Return the strength with the smallest out-of-fold loss, and the temperature for its logits.

        Examples that are labelled with an inner node of a taxonomy are never held out: the temperature is that of
        leaves. With more than MANY classes, only every other strength is compared, on one fold.
        """
        if len(targets) < 2 * FOLDS:
            return STRENGTHS[-1], 1.0
        folds = rng.permutation(len(targets)) % FOLDS
        # The only example of a class is never held out: only the prior could predict it, so that its loss would always
        # favour the strongest regularisation.
        folds[(targets.frequencies == 1) | ~targets.exact] = FOLDS
        strengths, tried = (STRENGTHS, FOLDS) if len(prior) <= MANY else (STRENGTHS[::2], 1)
        folds[folds >= tried] = FOLDS
        held = folds < FOLDS
        if not held.any():
            return STRENGTHS[-1], 1.0
        best = (np.inf, STRENGTHS[-1], 1.0)
        starts: list[Solution | None] = [None] * FOLDS
        for strength in sorted(strengths, reverse=True):
            logits = self._held_out_logits(x, targets, prior, strength, folds, starts)
            temperature = fit_temperature(logits[held], targets.starts[held])
            scaled = torch.from_numpy(logits[held] / temperature)
            loss = float(losses(scaled, targets[held]).mean())
            best = min(best, (loss, strength, temperature))
        return best[1], best[2]

    def _held_out_logits(
        self,
        x: Floats,
        targets: Targets,
        prior: Floats,
        strength: float,
        folds: Indices,
        starts: list[Solution | None],
    ) -> Floats:
        """Return (n, k) logits of the rows in folds 0 to FOLDS - 1, each from a head trained without its fold.

        `starts` holds each fold's initial solution, and is updated. The solution for a stronger regularisation is
        close, so that starting from it takes half as many steps.
        """
        logits = np.empty((len(targets), len(prior)), np.float32)
        for fold in np.unique(folds[folds < FOLDS]).tolist():
            out = folds == fold
            solution = self._solve(x[~out], targets[~out], prior, strength, starts[fold], precision=ROUGHLY)
            starts[fold] = solution
            logits[out] = x[out] @ solution[0].numpy().T + solution[1].numpy()
        return logits

    def _solve(
        self,
        x: Floats,
        targets: Targets,
        prior: Floats,
        strength: float,
        start: Solution | None = None,
        *,
        precision: float = 1e-9,
    ) -> Solution:
        """Minimise mean cross-entropy + strength * squared distance from the prior; it is convex with one minimum."""
        centre = torch.from_numpy(prior)
        inputs = torch.from_numpy(x)
        each = torch.from_numpy(targets.frequencies.astype(np.float32) ** -self.class_balance)

        def loss(weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
            missed = losses(inputs @ weight.T + bias, targets, smoothing=self.smoothing)
            value = (missed * each).sum() / each.sum() if len(targets) else torch.zeros(())
            return value + strength * (((weight - centre) ** 2).sum() + (bias**2).sum())

        return minimise(loss, start or (centre, torch.zeros(len(prior))), precision, examples=len(x))


@dataclass(frozen=True, slots=True)
class LinearScorer(VectorScorer):
    """Class probabilities from frozen embeddings. weight is (k, d), bias (k,)."""

    weight: Floats
    bias: Floats

    def proba(self, vectors: Floats) -> Floats:
        """Map (n, d) unit vectors to (n, k) probabilities, float32."""
        return softmax(vectors @ self.weight.T + self.bias)
