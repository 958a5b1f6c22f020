"""Class probabilities from a language model's next-token probabilities.

The answers are codes, with one prefill per document and label order, or words, with one for each choice among them.

n texts, k classes, m options in a prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch

from laud_ray.models.encoder.neighbours import Neighbours
from laud_ray.models.language.answers import words
from laud_ray.models.language.engine import EngineSettings, LabelEngine, number_format
from laud_ray.models.language.label_prompt import LabelPrompt
from laud_ray.stats.calibration import softmax
from laud_ray.taxonomy.candidates import candidate_leaves
from laud_ray.types import Example, Floats, Indices

# Priors below this count as this; division by a smaller one would mostly amplify noise.
LEAST_PRIOR = 1e-4


class Reads(words.ReadsTokens, Protocol):
    """An engine that computes the probabilities of the codes, or of any tokens, after prompts."""

    def read(self, prompts: Sequence[Sequence[int]]) -> tuple[Floats, Floats | None]:
        """Map n prompts of token ids to (n, m) log-probabilities of the codes, and their (n,) total mass if known."""
        ...


@dataclass(frozen=True)
class PromptedScorer:
    """A scorer whose probabilities are those of the label codes or words as the answer of a language model.

    Attributes:
        prompt: the prompt of the task.
        tokenizer: the model's tokenizer.
        engine: computes the probabilities of the codes.
        neighbours: the encoder that chooses a document's own options or examples; None if it has neither.
        nearest: how many of its nearest examples a document gets, as far as max_example_tokens allows.
        temperature: divides the log-probabilities of the classes.
        prior: (k,) label bias, as the mean probability of each label on a random sample divided by the mean of these.
            Scores are divided by it (Zhou et al. 2023, "Batch Calibration", arXiv 2309.17249). None: no division.
        health: `label_mass` and `order_flips`, as `measured` when the model was made or the scorer was opened, and the
            figures of the choice of the answers (laud_ray.models.language.answers).
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
        return self.finished(self._narrow(texts) if self.prompt.narrow else self._whole(texts))

    def finished(self, proba: Floats) -> Floats:
        """Divide (n, k) probabilities by the label bias, and apply the temperature."""
        if self.prior is not None:
            proba = proba / np.maximum(self.prior, LEAST_PRIOR)
            proba /= proba.sum(1, keepdims=True)
        if self.temperature != 1:
            proba = softmax(np.log(np.maximum(proba, 1e-12)) / self.temperature)
        return proba.astype(np.float32)

    def by_order(self, texts: Sequence[str], orders: int) -> tuple[Floats, Floats | None]:
        """Score n texts with each of the first `orders` label orders.

        Returns:
            (orders, n, k) probabilities before averaging, and the (n,) total probability of the tokens with which an
            answer begins in the first order; None if the engine does not report it.
        """
        examples = self._examples(texts)
        parts = np.zeros((min(orders, len(self.prompt.orders)), len(texts), len(self.labels)), np.float32)
        masses = []
        for i, part in enumerate(parts):
            prompts = self.prompt.ids(self.tokenizer, texts, self._openings(examples, i), i)
            classes = self.prompt.classes(i)
            logprobs, mass = self._read(prompts, [classes] * len(texts))
            part[:, list(classes)] = softmax(logprobs)
            masses.append(mass)
        return parts, masses[0]

    def _read(self, prompts: Sequence[Sequence[int]], classes: Sequence[Sequence[int]]) -> tuple[Floats, Floats | None]:
        """Map n prompts, each with m classes as its options, to their (n, m) log-probabilities, and the (n,) mass."""
        if not self.prompt.words:
            logprobs, mass = self.engine.read(prompts)
            return logprobs[:, : len(classes[0])], mass
        tries = {one: words.build([self.prompt.sequences[c] for c in one]) for one in set(map(tuple, classes))}
        return words.read(self.engine, prompts, [tries[tuple(one)] for one in classes])

    def averaged(self, parts: Floats) -> Floats:
        """Average (orders, n, k) probabilities over the first settings.orders label orders to (n, k).

        Log-probabilities are averaged, because an additive bias of a position cancels over all rotations.
        """
        return softmax(np.log(np.maximum(parts[: self.prompt.settings.orders], 1e-12)).mean(0))

    def _whole(self, texts: Sequence[str]) -> Floats:
        return self.averaged(self.by_order(texts, self.prompt.settings.orders)[0])

    def _narrow(self, texts: Sequence[str]) -> Floats:
        """Let the model choose among each text's own m labels.

        The model divides the probability mass of these m labels; the other labels keep the encoder's probabilities.
        """
        assert self.neighbours is not None
        proba, likeliest = own_options(self.prompt, self.neighbours, texts)
        examples = self._examples(texts)
        openings = [
            self._with_examples(self.prompt.opening(self.tokenizer, classes=row), some, classes=row)
            for row, some in zip(likeliest.tolist(), examples, strict=True)
        ]
        logprobs, _ = self._read(self.prompt.ids(self.tokenizer, texts, openings), likeliest.tolist())
        mass = np.take_along_axis(proba, likeliest, 1).sum(1, keepdims=True)
        np.put_along_axis(proba, likeliest, mass * softmax(logprobs), 1)
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
        """Return an opening with as many examples as fit max_example_tokens; the farthest are left out first."""
        for start in range(len(examples)):
            ids = self.prompt.opening(self.tokenizer, order, classes=classes, examples=examples[start:])
            if len(ids) - len(plain) <= self.max_example_tokens:
                return ids
        return plain


def own_options(prompt: LabelPrompt, neighbours: Neighbours, texts: Sequence[str]) -> tuple[Floats, Indices]:
    """Return (n, k) probabilities of all labels by the encoder, and the (n, m) labels that a narrow prompt lists.

    These are the likeliest ones; in a taxonomy they alternate with those of the nearest annotated documents, the text
    itself left out.
    """
    proba, m = neighbours.label_probabilities(texts), len(prompt.codes)
    if not prompt.tree:
        return proba, np.argsort(-proba, axis=1, kind="stable")[:, :m]
    classes = {label.name: c for c, label in enumerate(prompt.labels)}
    near = [
        [classes[one.label] for one in reversed(some) if one.label in classes]
        for some in neighbours.nearest(texts, m, itself=False)
    ]
    return proba, np.asarray(candidate_leaves(proba, m, near), np.int64).reshape(len(texts), m)


def engine_settings(prompt: LabelPrompt, weights: str) -> EngineSettings:
    """Return the settings of an engine for a prompt; it uses all GPUs that this process may use.

    Args:
        prompt: the prompt of the model.
        weights: folder or hub name of the weights.
    """
    return EngineSettings(
        model=weights,
        tokenizer=prompt.settings.model,
        max_context=prompt.settings.max_context,
        reader="logprobs" if prompt.words else prompt.settings.reader,
        # Weights with a merged adapter are read in the format of the base model, as when both are served side by side.
        dtype=number_format(prompt.settings.model, prompt.settings.dtype, on_cpu=not torch.cuda.is_available()),
        memory=prompt.settings.memory,
        gpus=max(1, torch.cuda.device_count()),
    )


def engine(prompt: LabelPrompt, tokenizer: Any, weights: str) -> LabelEngine:
    """Start vLLM with the given weights, to compute the probabilities of a prompt's codes."""
    settings = engine_settings(prompt, weights)
    return LabelEngine(settings, prompt.token_ids, tokenizer.convert_ids_to_tokens(list(prompt.token_ids)))


def measured(scorer: PromptedScorer, probe: Sequence[str], calibrate: bool) -> tuple[PromptedScorer, Floats]:
    """Measure a scorer on a random sample of the corpus of n texts.

    Health has `label_mass`, the mean total probability of the codes (only if the engine reports it), and `order_flips`,
    the share of documents whose label changes with the order of the labels (only of codes).

    Args:
        scorer: the scorer to measure.
        probe: the random sample.
        calibrate: whether scores are divided by the label bias measured on the probe.

    Returns:
        The scorer with its health, and with its label bias if wanted, and its (n, k) probabilities of the sample.
    """
    # In a narrow prompt the options differ between documents, so that a label has no constant bias.
    if scorer.prompt.narrow:
        return scorer, scorer.score(probe)
    parts, mass = scorer.by_order(probe, len(scorer.prompt.orders))
    health = {} if mass is None or scorer.prompt.words else {"label_mass": float(mass.mean())}
    if len(parts) > 1:
        best = parts.argmax(2)
        health["order_flips"] = float((best != best[0]).any(0).mean())
    proba = scorer.averaged(parts)
    prior = proba.mean(0)
    found = replace(scorer, health=health, prior=prior / prior.mean() if calibrate else None)
    return found, found.finished(proba)


def calibrated(scorer: PromptedScorer, probe: Sequence[str], calibrate: bool) -> PromptedScorer:
    """Return the scorer as `measured` does; nothing is measured if there is no sample, or the prompt is narrow."""
    return scorer if not probe or scorer.prompt.narrow else measured(scorer, probe, calibrate)[0]
