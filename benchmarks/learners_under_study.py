"""Learners for studies: train on some rows of a set's pool, and predict the whole pool and the test file.

n pool documents, m test documents, k classes, d dimensions.
"""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from labelled_sets import LabelledSet

from laud_ray.models.encoder.learner import EncoderLearner, EncoderScorer
from laud_ray.models.encoder.linear import FOLDS, LinearLearner
from laud_ray.steps.training.model import memory_size
from laud_ray.types import Example, Floats, Indices


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A model's (n, k) and (m, k) probabilities of pool and test, and its (n, d) unit vectors of the pool."""

    proba: Floats
    test: Floats
    vectors: Floats


class StudiedLearner(Protocol):
    """A learner bound to a pool; it is trained on rows with answers, which may differ from the gold labels."""

    @property
    def zero_shot(self) -> View:
        """What it says before any answer."""
        ...

    @property
    def test_vectors(self) -> Floats:
        """The (m, d) unit vectors of the test documents before any answer."""
        ...

    def fit(self, rows: Indices, targets: Indices, *, seed: int) -> View:
        """Train from scratch on rows of the pool and the classes that were answered for them."""
        ...

    def held_out(self, rows: Indices, targets: Indices, *, seed: int) -> Floats:
        """What models that did not see a row say of it: (a, k) probabilities of a rows."""
        ...


class FrozenLinear:
    """The linear learner on vectors that are computed once for a set, so that a round takes seconds."""

    def __init__(self, data: LabelledSet, class_balance: float = 0.0) -> None:
        scorer = open_zero_shot(data)
        self._learner = LinearLearner(class_balance=class_balance)
        self.vectors, self.test_vectors = (cached_vectors(scorer, texts) for texts in (data.texts, data.test_texts))
        self._prior = self._learner.prior(scorer.encoder, data.task)
        self.zero_shot = View(scorer.proba(self.vectors), scorer.proba(self.test_vectors), self.vectors)

    def fit(self, rows: Indices, targets: Indices, *, seed: int) -> View:
        head = self._learner.solve(self.vectors[rows], targets, self._prior, seed=seed)
        return View(head.proba(self.vectors), head.proba(self.test_vectors), self.vectors)

    def held_out(self, rows: Indices, targets: Indices, *, seed: int) -> Floats:
        return self._learner.cross_validate(self.vectors[rows], targets, self._prior, seed=seed)


class LoraEncoder:
    """The unchanged encoder learner: each round takes a LoRA fit and a pass over pool and test."""

    def __init__(self, data: LabelledSet) -> None:
        size = memory_size(None, data.task, len(data.texts))
        rows = np.random.default_rng(0).permutation(len(data.texts))[:size]
        self._data, self._learner = data, EncoderLearner(texts=tuple(data.texts[i] for i in rows))
        scorer = open_zero_shot(data)
        pool, self.test_vectors = (cached_vectors(scorer, texts) for texts in (data.texts, data.test_texts))
        self.zero_shot = View(scorer.proba(pool), scorer.proba(self.test_vectors), pool)

    def fit(self, rows: Indices, targets: Indices, *, seed: int) -> View:
        names = self._data.task.names
        examples = [Example(self._data.texts[i], names[c]) for i, c in zip(rows, targets, strict=True)]
        with tempfile.TemporaryDirectory(prefix="laud-study-") as out:
            self._learner.fit(self._data.task, examples, out=out, seed=seed)
            scorer = self._learner.open(out)
        pool, test = (scorer.encoder.embed(texts) for texts in (self._data.texts, self._data.test_texts))
        return View(scorer.proba(pool), scorer.proba(test), pool)

    def held_out(self, rows: Indices, targets: Indices, *, seed: int) -> Floats:
        folds = np.random.default_rng([seed, 4]).permutation(len(rows)) % FOLDS
        proba = np.empty((len(rows), len(self._data.task.labels)), np.float32)
        for fold in np.unique(folds):
            out = folds == fold
            proba[out] = self.fit(rows[~out], targets[~out], seed=seed).proba[rows[out]]
        return proba


LEARNERS = {"linear": FrozenLinear, "encoder": LoraEncoder}


def open_zero_shot(data: LabelledSet) -> EncoderScorer:
    """Return the product's zero-shot classifier: an encoder learner fitted without examples."""
    with tempfile.TemporaryDirectory(prefix="laud-study-") as out:
        EncoderLearner().fit(data.task, [], out=out, seed=0)
        return EncoderLearner.open(out)


def cached_vectors(scorer: EncoderScorer, texts: list[str]) -> Floats:
    """Embed texts with a frozen encoder; the vectors are cached on this machine."""
    key = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / "laud-study-vectors" / f"{key}-{len(texts)}-{scorer.encoder.dimensions}.npy"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npy", delete=False) as file:
            np.save(file, scorer.encoder.embed(texts))
        Path(file.name).replace(path)
    vectors: Floats = np.load(path)
    return vectors
