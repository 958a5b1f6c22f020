"""A regularised head of independent labels on vectors that stay as they are. n examples, k labels, d dimensions."""

from dataclasses import dataclass

import numpy as np
import torch

from laud_ray.models.encoder.solver import Solution, minimise
from laud_ray.models.multilabel.answers import Answers
from laud_ray.models.multilabel.head import SetHead
from laud_ray.models.multilabel.targets import Mask, asked_losses, base_logit, tensors
from laud_ray.stats.multilabel.calibration import Scaling, fit_scaling, set_loss, sigmoid
from laud_ray.stats.multilabel.thresholds import UNFITTED, fit_thresholds, untrained_threshold
from laud_ray.types import Floats, Indices

STRENGTHS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
FOLDS = 5
# With fewer examples than this, strength, scaling and thresholds are not fitted to folds.
FEWEST = 20
# The tolerance of the solver while strengths are compared.
ROUGHLY = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A fitted head with its calibration included.

    Attributes:
        head: maps vectors to calibrated probabilities.
        thresholds: (k,), from out-of-fold probabilities.
        strength: the chosen strength of regularisation.
        answers: those of the examples, which are mixed into the probabilities; None without examples.
    """

    head: SetHead
    thresholds: Floats
    strength: float
    answers: Answers | None = None

    def proba(self, x: Floats) -> Floats:
        """Map (n, d) unit vectors to (n, k) probabilities, float32."""
        rows = self.head.proba(x)
        return rows if self.answers is None else self.answers.mix(x, rows)


def fit(x: Floats, mask: Mask, prior: Floats, *, seed: int) -> Fitted:
    """Fit the head; choose its strength of regularisation, its scaling and its thresholds out of fold.

    The weights are regularised towards `prior`, the scaled embeddings of the labels, so that a label without examples
    is found by its name.

    Args:
        x: (n, d) unit vectors.
        mask: (n, k) the answers.
        prior: (k, d).
        seed: assigns examples to folds.
    """
    k = len(prior)
    if not len(mask):
        head = SetHead(prior, np.zeros(k, np.float32), untrained=True)
        return Fitted(head, np.full(k, untrained_threshold(k)), STRENGTHS[-1])
    strength, scaling, thresholds = _validated(x, mask, prior, seed)
    centre = _centre(x, mask, prior)
    weight, bias = _solve(x, mask, centre, strength, centre)
    head = SetHead(weight.numpy(), bias.numpy()).scaled(scaling)
    return Fitted(head, thresholds, strength, Answers.of(x, mask))


def _validated(x: Floats, mask: Mask, prior: Floats, seed: int) -> tuple[float, Scaling, Floats]:
    """Return the strength with the smallest out-of-fold loss, and the scaling and the thresholds for its logits."""
    k = len(prior)
    if len(mask) < FEWEST or not (mask == 1).any():
        return STRENGTHS[-1], Scaling.none(k), np.full(k, UNFITTED)
    folds = np.random.default_rng(seed).permutation(len(mask)) % FOLDS
    best: tuple[float, float, Floats] | None = None
    centres = [_centre(x[folds != fold], mask[folds != fold], prior) for fold in range(FOLDS)]
    starts = list(centres)
    for strength in sorted(STRENGTHS, reverse=True):
        logits = _held_out_logits(x, mask, centres, strength, folds, starts)
        loss = set_loss(logits, mask)
        if best is None or loss < best[0]:
            best = (loss, strength, logits)
        elif loss > 1.02 * best[0]:  # it only grows from here
            break
    assert best is not None
    scaling = fit_scaling(best[2], mask)
    proba = sigmoid(scaling(best[2]))
    for fold in range(FOLDS):
        out = folds == fold
        proba[out] = Answers(x[~out], mask[~out]).mix(x[out], proba[out])
    return best[1], scaling, fit_thresholds(proba, mask)


def _held_out_logits(
    x: Floats, mask: Mask, centres: list[Solution], strength: float, folds: Indices, starts: list[Solution]
) -> Floats:
    """Return (n, k) logits, each row from a head trained without its fold; `starts` holds the folds' last solutions."""
    logits = np.empty(mask.shape, np.float32)
    for fold in range(FOLDS):
        out = folds == fold
        weight, bias = starts[fold] = _solve(
            x[~out], mask[~out], centres[fold], strength, starts[fold], precision=ROUGHLY
        )
        logits[out] = x[out] @ weight.numpy().T + bias.numpy()
    return logits


def _centre(x: Floats, mask: Mask, prior: Floats) -> Solution:
    """Return the weights and biases towards which a head is regularised."""
    return torch.from_numpy(prior), torch.from_numpy(offset(x, mask, prior))


def _solve(
    x: Floats, mask: Mask, centre: Solution, strength: float, start: Solution, *, precision: float = 1e-9
) -> Solution:
    """Minimise mean loss + strength * squared distance from the centre; it is convex with one minimum."""
    inputs, (asked, applies) = torch.from_numpy(x), tensors(mask)

    def loss(weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        value = asked_losses(torch.addmm(bias, inputs, weight.T), asked, applies).mean()
        return value + strength * (((weight - centre[0]) ** 2).sum() + ((bias - centre[1]) ** 2).sum())

    return minimise(loss, start, precision, examples=len(x))


def offset(x: Floats, mask: Mask, prior: Floats) -> Floats:
    """Return the (k,) biases, all equal, at which the untrained head predicts as many labels as the answers have."""
    wanted, logits = 1 / (1 + np.exp(-base_logit(mask))), (x @ prior.T).astype(np.float64)
    low, high = -40.0, 40.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if sigmoid(logits + middle)[mask >= 0].mean() < wanted else (low, middle)
    return np.full(len(prior), (low + high) / 2, np.float32)
