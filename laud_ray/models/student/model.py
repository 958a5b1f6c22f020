"""A student: a small, fast model distilled from a larger one, its teacher.

Hashed words, word bigrams and byte 4-grams are embedded and summed; one hidden layer and a softmax follow. Scoring
takes a few microseconds per text, and the probabilities are calibrated. n texts, k classes, b buckets, d dimensions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import embedding_bag, gelu, log_softmax

from laud_ray.errors import ModelError
from laud_ray.models.student.features import KINDS, Bags, features
from laud_ray.stats.calibration import fit_temperature, softmax
from laud_ray.storage.model_folder import STUDENT, describe, seal
from laud_ray.types import Floats, Indices

KIND = STUDENT
# The version of the features. Students of another version are refused, since they would give wrong answers.
FEATURES = 1
# Share of the texts on which the temperature is fitted.
HOLDOUT = 0.1
# Labels drawn for each of them from the teacher's probabilities.
DRAWS = 10
MIN_TEXTS = 50
_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Recipe:
    """The size and training of a student. Factors of two changed coverage by at most 2 % (docs/LOG.md).

    Attributes:
        buckets: the number of hashed features, b.
        dimensions: of the embeddings, d.
        hidden: units of the hidden layer.
        epochs: passes over the texts.
        batch: texts in a step.
        embedding_rate: the largest learning rate of the embeddings.
        rate: the largest learning rate of the other parameters.
        keep: share of a text's features that a training step keeps; the others are dropped at random.
    """

    buckets: int = 1 << 16
    dimensions: int = 128
    hidden: int = 256
    epochs: int = 20
    batch: int = 64
    embedding_rate: float = 1e-2
    rate: float = 3e-3
    keep: float = 0.8


RECIPE = Recipe()


class Network(torch.nn.Module):
    """Maps bags of features to logits. All kinds of features share one (b, d) table of embeddings."""

    def __init__(self, k: int, recipe: Recipe, generator: torch.Generator) -> None:
        super().__init__()
        inputs = KINDS * recipe.dimensions

        def drawn(rows: int, columns: int, spread: float) -> torch.nn.Parameter:
            return torch.nn.Parameter(torch.randn(rows, columns, generator=generator) * spread)

        self.table = drawn(recipe.buckets, recipe.dimensions, 0.1)
        self.inner, self.inner_bias = drawn(inputs, recipe.hidden, inputs**-0.5), _zeros(recipe.hidden)
        self.outer, self.outer_bias = drawn(recipe.hidden, k, recipe.hidden**-0.5), _zeros(k)

    def forward(self, kinds: Sequence[Bags]) -> torch.Tensor:
        """Map the bags of n texts to (n, k) logits."""
        pooled = torch.cat([self._pool(bags) for bags in kinds], 1)
        return gelu(pooled @ self.inner + self.inner_bias) @ self.outer + self.outer_bias

    def _pool(self, bags: Bags) -> torch.Tensor:
        """Return the (n, d) sums of embeddings, divided by the square roots of their numbers."""
        ids, starts = torch.from_numpy(bags.ids), torch.from_numpy(bags.starts)
        sums = embedding_bag(ids, self.table, starts[:-1], mode="sum", sparse=torch.is_grad_enabled())
        return sums / starts.diff().clamp(min=1).sqrt()[:, None]


def _zeros(n: int) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.zeros(n))


@dataclass(frozen=True, slots=True)
class Student:
    """A Scorer with hashed features.

    Attributes:
        labels: the k labels, as the teacher's.
        network: the trained network.
        recipe: how it was made.
        temperature: divides its logits.
        texts: the number of texts that it was distilled from.
    """

    labels: tuple[str, ...]
    network: Network
    recipe: Recipe
    temperature: float
    texts: int

    def score(self, texts: Sequence[str]) -> Floats:
        """Map n texts to (n, k) probabilities, float32."""
        proba = np.empty((len(texts), len(self.labels)), np.float32)
        for start in range(0, len(texts), _AT_ONCE):
            part = features(texts[start : start + _AT_ONCE], self.recipe.buckets)
            proba[start : start + _AT_ONCE] = softmax(_logits(self.network, part) / np.float32(self.temperature))
        return proba

    def save(self, out: str, about: Mapping[str, Any] | None = None) -> None:
        """Write the model folder; `about` is added to its model.json."""
        path = Path(out)
        path.mkdir(parents=True, exist_ok=True)
        save_file(
            {name: value.contiguous() for name, value in self.network.state_dict().items()},
            path / "network.safetensors",
        )
        recipe = {"buckets": self.recipe.buckets, "dimensions": self.recipe.dimensions, "hidden": self.recipe.hidden}
        description = {
            "kind": KIND,
            "features": FEATURES,
            "labels": list(self.labels),
            **recipe,
            "temperature": self.temperature,
            "texts": self.texts,
        }
        seal(path, {**description, **(about or {})})

    @staticmethod
    def open(model: str) -> "Student":
        """Open a model folder.

        Raises:
            ModelError: if it is broken, or was made with another version of the features.
        """
        path, found = describe(model)
        if (found.get("kind"), found.get("features")) != (KIND, FEATURES):
            raise ModelError(
                f"{path}/model.json: kind is {found.get('kind')!r} and features is {found.get('features')!r}; "
                f"expected {KIND!r} and {FEATURES}"
            )
        recipe = Recipe(found["buckets"], found["dimensions"], found["hidden"])
        network = Network(len(found["labels"]), recipe, torch.Generator())
        network.load_state_dict(load_file(path / "network.safetensors"))
        return Student(tuple(found["labels"]), network.eval(), recipe, float(found["temperature"]), found["texts"])


def distil(
    labels: Sequence[str], texts: Sequence[str], taught: Floats, *, seed: int, recipe: Recipe = RECIPE
) -> Student:
    """Train a student on a teacher's probabilities; the same arguments give the same student.

    Training minimises the Kullback-Leibler divergence from the teacher (Hinton, Vinyals and Dean 2015, arXiv
    1503.02531, at temperature 1). A tenth of the texts is held out to fit the student's temperature.

    Args:
        labels: the k labels of the teacher.
        texts: n >= 50 texts, similar to those that the student will score.
        taught: (n, k) the teacher's probabilities of them.
        seed: seeds the initialisation, the batches and the held-out texts.
        recipe: the size and training of the student.

    Raises:
        ValueError: if there are too few texts, or the shapes differ.
    """
    if len(texts) < MIN_TEXTS or taught.shape != (len(texts), len(labels)):
        raise ValueError(
            f"got {len(texts)} texts, {len(labels)} labels and probabilities {taught.shape}; "
            f"expected at least {MIN_TEXTS} texts, and probabilities of shape (texts, labels)"
        )
    rng = np.random.default_rng(seed)
    network = Network(len(labels), recipe, torch.Generator().manual_seed(seed))
    order = rng.permutation(len(texts))
    held, rows = np.split(order, [max(1, round(HOLDOUT * len(texts)))])
    kinds = features(texts, recipe.buckets)
    _train(network, kinds, torch.from_numpy(np.asarray(taught, np.float32)), rows, recipe, rng)
    logits = _logits(network, [bags.take(held) for bags in kinds])
    # Labels are drawn from the teacher's probabilities, so that the student's confidence is calibrated like the
    # teacher's. With the teacher's likeliest labels instead, its confidence would be the probability of agreement, and
    # the confidence of a row would depend on which model answered.
    drawn = [rng.choice(len(labels), size=DRAWS, p=row / row.sum()) for row in taught[held].astype(np.float64)]
    temperature = fit_temperature(np.repeat(logits, DRAWS, axis=0), np.concatenate(drawn))
    return Student(tuple(labels), network.eval(), recipe, temperature, len(texts))


def _train(
    network: Network,
    kinds: Sequence[Bags],
    taught: torch.Tensor,
    rows: Indices,
    recipe: Recipe,
    rng: np.random.Generator,
) -> None:
    """Train with Adam: linear warm-up over a tenth of the steps, then linear decay to 0; sparse for the embeddings."""
    dense = [value for name, value in network.named_parameters() if name != "table"]
    optimizers = {
        torch.optim.SparseAdam([network.table], lr=recipe.embedding_rate): recipe.embedding_rate,
        torch.optim.Adam(dense, lr=recipe.rate): recipe.rate,
    }
    steps = recipe.epochs * -(-len(rows) // recipe.batch)
    for step, batch in enumerate(_batches(rows, recipe, rng)):
        share = min(1.0, 10 * (step + 1) / steps) * (1 - step / steps)
        thinned = [bags.take(batch).thin(recipe.keep, rng) for bags in kinds]
        loss = -(taught[batch] * log_softmax(network(thinned), 1)).sum(1).mean()
        for optimizer, highest in optimizers.items():
            optimizer.param_groups[0]["lr"] = highest * share
            optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers:
            optimizer.step()


def _batches(rows: Indices, recipe: Recipe, rng: np.random.Generator) -> list[Indices]:
    shuffled = [rng.permutation(rows) for _ in range(recipe.epochs)]
    return [epoch[i : i + recipe.batch] for epoch in shuffled for i in range(0, len(rows), recipe.batch)]


@torch.inference_mode()
def _logits(network: Network, kinds: Sequence[Bags]) -> Floats:
    logits: Floats = network(kinds).numpy()
    return logits
