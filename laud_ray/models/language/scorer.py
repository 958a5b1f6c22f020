"""Class probabilities read off a language model: one prefill per document and label order.

n texts, k classes, m options in a prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch

from laud_ray.models.encoder.neighbours import Neighbours
from laud_ray.models.language.engine import EngineSettings, LabelEngine
from laud_ray.models.language.label_prompt import LabelPrompt
from laud_ray.stats.calibration import softmax
from laud_ray.types import Example, Floats, Indices

# Content that says nothing would shift a label by less than this; beyond it the division would only amplify noise.
LEAST_PRIOR = 1e-4


class Reads(Protocol):
    """Prompts in token ids -> (n, m) log-probabilities of the codes, and (n,) their mass if it is known."""

    def read(self, prompts: Sequence[Sequence[int]]) -> tuple[Floats, Floats | None]: ...


@dataclass(frozen=True)
class PromptedScorer:
    """A scorer whose probabilities are those of the label codes as a language model's next token.

    Attributes:
        neighbours: needed where documents have options or examples of their own.
        nearest: how many examples of its own a document gets, within max_example_tokens.
        prior: (k,) mean probabilities that label bias alone gives; scores are divided by them (Zhou et al.
            2023, "Batch Calibration", arXiv 2309.17249).
        health: what was measured when the scorer was opened: label_mass, order_flips.
    """

    prompt: LabelPrompt
    tokenizer: Any
    engine: Reads
    neighbours: Neighbours | None = None
    nearest: int = 0
    max_example_tokens: int = 0
    temperature: float = 1.0
    prior: Floats | None = None
    health: dict[str, float] = field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.prompt.labels)

    def score(self, texts: Sequence[str]) -> Floats:
        """Map n texts to (n, k) probabilities, float32."""
        if not len(texts):
            return np.empty((0, len(self.labels)), np.float32)
        proba = self._narrow(texts) if self.prompt.narrow else self._whole(texts)
        if self.prior is not None:
            proba = proba / np.maximum(self.prior, LEAST_PRIOR)
            proba /= proba.sum(1, keepdims=True)
        if self.temperature != 1:
            proba = softmax(np.log(np.maximum(proba, 1e-12)) / self.temperature)
        return proba.astype(np.float32)

    def by_order(self, texts: Sequence[str], orders: int) -> tuple[Floats, Floats | None]:
        """Read n texts in the first label orders, each once.

        Returns:
            (orders, n, k) probabilities, before they are averaged, and the (n,) probability of all codes together
            in the first order if the reader knows it.
        """
        examples = self._examples(texts)
        parts = np.zeros((min(orders, len(self.prompt.orders)), len(texts), len(self.labels)), np.float32)
        masses = []
        for i, part in enumerate(parts):
            openings = self._openings(examples, i)
            logprobs, mass = self.engine.read(self.prompt.ids(self.tokenizer, texts, openings, i))
            part[:, list(self.prompt.orders[i])] = softmax(logprobs)
            masses.append(mass)
        return parts, masses[0]

    def averaged(self, parts: Floats) -> Floats:
        """Map (orders, n, k) probabilities to the (n, k) that settings.orders of them give together.

        Log-probabilities are averaged: what a place adds to any label's cancels over all rotations.
        """
        return softmax(np.log(np.maximum(parts[: self.prompt.settings.orders], 1e-12)).mean(0))

    def _whole(self, texts: Sequence[str]) -> Floats:
        return self.averaged(self.by_order(texts, self.prompt.settings.orders)[0])

    def _narrow(self, texts: Sequence[str]) -> Floats:
        """Offer each text its m likeliest labels by the encoder; the others share what the encoder gave them."""
        assert self.neighbours is not None
        proba = self.neighbours.label_probabilities(texts)
        m = len(self.prompt.codes)
        likeliest: Indices = np.argsort(-proba, axis=1, kind="stable")[:, :m]
        examples = self._examples(texts)
        openings = [
            self._with_examples(self.prompt.opening(self.tokenizer, classes=row), some, classes=row)
            for row, some in zip(likeliest.tolist(), examples, strict=True)
        ]
        logprobs, _ = self.engine.read(self.prompt.ids(self.tokenizer, texts, openings))
        mass = np.take_along_axis(proba, likeliest, 1).sum(1, keepdims=True)
        np.put_along_axis(proba, likeliest, mass * softmax(logprobs[:, :m]), 1)
        return proba

    def _examples(self, texts: Sequence[str]) -> list[tuple[Example, ...]]:
        if not self.nearest:
            return [() for _ in texts]
        assert self.neighbours is not None
        return self.neighbours.nearest(texts, self.nearest, itself=False)

    def _openings(self, examples: Sequence[Sequence[Example]], order: int) -> list[list[int]]:
        plain = self.prompt.opening(self.tokenizer, order)
        return [self._with_examples(plain, some, order) for some in examples]

    def _with_examples(
        self, plain: list[int], examples: Sequence[Example], order: int = 0, classes: Sequence[int] = ()
    ) -> list[int]:
        """An opening with as many of the examples as max_example_tokens hold; the farthest are left out first."""
        for start in range(len(examples)):
            ids = self.prompt.opening(self.tokenizer, order, classes=classes, examples=examples[start:])
            if len(ids) - len(plain) <= self.max_example_tokens:
                return ids
        return plain


def engine_settings(prompt: LabelPrompt, weights: str) -> EngineSettings:
    """What an engine is started with on the weights for a prompt, over all GPUs that this process was given."""
    return EngineSettings(
        model=weights,
        tokenizer=prompt.settings.model,
        max_context=prompt.settings.max_context,
        reader=prompt.settings.reader,
        dtype=prompt.settings.dtype,
        memory=prompt.settings.memory,
        gpus=max(1, torch.cuda.device_count()),
    )


def engine(prompt: LabelPrompt, tokenizer: Any, weights: str) -> LabelEngine:
    """Start vLLM on the weights for a prompt's codes."""
    settings = engine_settings(prompt, weights)
    return LabelEngine(settings, prompt.token_ids, tokenizer.convert_ids_to_tokens(list(prompt.token_ids)))


def calibrated(scorer: PromptedScorer, probe: Sequence[str], calibrate: bool) -> PromptedScorer:
    """Measure a scorer on a random sample of the corpus, and divide by the label bias found there if asked to.

    health gets `label_mass`, the mean probability of all codes together where the reader knows it, and
    `order_flips`, the share of documents whose label is another when the labels stand in another order.
    """
    # With options of its own for each document a label has no fixed place, and its bias no fixed size.
    if not probe or scorer.prompt.narrow:
        return scorer
    parts, mass = scorer.by_order(probe, len(scorer.prompt.orders))
    health = {} if mass is None else {"label_mass": float(mass.mean())}
    if len(parts) > 1:
        best = parts.argmax(2)
        health["order_flips"] = float((best != best[0]).any(0).mean())
    prior = scorer.averaged(parts).mean(0)
    return replace(scorer, health=health, prior=prior / prior.mean() if calibrate else None)
