"""A student: a small, fast model that learned to answer like another one, its teacher.

Hashed words, pairs of words and runs of characters, an embedding each, summed; one hidden layer; a softmax. It costs
a few microseconds a text, and knows how sure it is. n texts, k classes, b buckets, d dimensions, h hidden units.
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
# A change of what a feature is makes old students wrong: they are refused.
FEATURES = 1
HOLDOUT = 0.1
DRAWS = 10
MIN_TEXTS = 50
_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a student is made; changes within a factor of two moved coverage by 2 % at most (docs/LOG.md).

    Attributes:
        keep: share of a text's features that stay in a training step.
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
    """Bags of features -> logits. The table is (b, d), all kinds of features share it."""

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
        """Sums over the root of the counts: (n, d), as large for long texts as for short ones."""
        ids, starts = torch.from_numpy(bags.ids), torch.from_numpy(bags.starts)
        sums = embedding_bag(ids, self.table, starts[:-1], mode="sum", sparse=torch.is_grad_enabled())
        return sums / starts.diff().clamp(min=1).sqrt()[:, None]


def _zeros(n: int) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.zeros(n))


@dataclass(frozen=True, slots=True)
class Student:
    """Class probabilities from hashed features; the same Scorer contract as its teacher's."""

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
        """Write the model folder; `about` is kept in its description."""
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
            ModelError: if it is broken, or from another version's features.
        """
        path, found = describe(model)
        if (found.get("kind"), found.get("features")) != (KIND, FEATURES):
            raise ModelError(
                f"{path}: kind {found.get('kind')!r} with features {found.get('features')!r}; "
                f"expected {KIND!r} with {FEATURES}"
            )
        recipe = Recipe(found["buckets"], found["dimensions"], found["hidden"])
        network = Network(len(found["labels"]), recipe, torch.Generator())
        network.load_state_dict(load_file(path / "network.safetensors"))
        return Student(tuple(found["labels"]), network.eval(), recipe, float(found["temperature"]), found["texts"])


def distil(
    labels: Sequence[str], texts: Sequence[str], taught: Floats, *, seed: int, recipe: Recipe = RECIPE
) -> Student:
    """Train a student on a teacher's probabilities; the same arguments give the same student.

    It minimises the Kullback-Leibler divergence from the teacher (Hinton, Vinyals and Dean 2015, arXiv 1503.02531, at
    temperature 1). A tenth of the texts is held out: on it the student's temperature is fitted.

    Args:
        texts: n >= 50 texts like those it will meet.
        taught: (n, k) the teacher's probabilities of them.

    Raises:
        ValueError: if there are too few texts, or the shapes differ.
    """
    if len(texts) < MIN_TEXTS or taught.shape != (len(texts), len(labels)):
        raise ValueError(
            f"got {len(texts)} texts, {len(labels)} labels and probabilities {taught.shape}; "
            f"expected at least {MIN_TEXTS} texts and a row for each"
        )
    rng = np.random.default_rng(seed)
    network = Network(len(labels), recipe, torch.Generator().manual_seed(seed))
    order = rng.permutation(len(texts))
    held, rows = np.split(order, [max(1, round(HOLDOUT * len(texts)))])
    kinds = features(texts, recipe.buckets)
    _train(network, kinds, torch.from_numpy(np.asarray(taught, np.float32)), rows, recipe, rng)
    logits = _logits(network, [bags.take(held) for bags in kinds])
    # Labels drawn as the teacher believes in them, so that the student is as sure as it: its labels alone would make
    # the student's confidence that of agreeing, and a row's confidence would depend on who answered.
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
    """Adam, its rate linearly up for a tenth of the steps and down to 0; only rows of the table that occur move."""
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
