"""Turn logits into probabilities that mean what they say. Pure NumPy. n documents, k classes."""

from math import log

import numpy as np

from laud_ray.types import Floats, Indices

# The scale of cosine logits at which zero-shot confidence matches its accuracy: docs/LOG.md says how it was fitted.
COSINE_SCALE = 20.0
_COLDEST, _HOTTEST = 0.05, 20.0
_HALVINGS = 40  # of log(20 / 0.05): an error of 5e-12


def softmax(logits: Floats) -> Floats:
    """Map (n, k) logits to (n, k) probabilities whose rows sum to 1, in the dtype of the logits."""
    powers: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def fit_temperature(logits: Floats, targets: Indices, *, prior: float | None = None) -> float:
    """Return the temperature T in [0.05, 20] at which softmax(logits / T) is likeliest to give the targets.

    The negative log-likelihood is convex in 1 / T, so its slope changes sign once: that place is found by
    halving log T. If every target is the likeliest label, nothing holds T back and it is 0.05. If T changes
    nothing, because each row's logits are all equal, it is 1.

    Guo et al. (2017), "On Calibration of Modern Neural Networks".

    Args:
        logits: (n, k) finite, n >= 1.
        targets: (n,) labels in [0, k).
        prior: the standard deviation of a normal prior on log T around 0, for a sample that is small or
            harder than what the model will meet; None for the maximum likelihood.

    Raises:
        ValueError: if the logits are empty or not finite, or a target is outside [0, k).
    """
    _require_logits(logits, targets)
    targeted = np.take_along_axis(logits, targets[:, None], axis=1)
    lead = logits.astype(np.float64) - targeted  # (n, k), how far each label is ahead of the target
    if not lead.any():
        return 1.0
    low, high = log(_COLDEST), log(_HOTTEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        # A positive mean lead: the model is surer than it is right, and T must grow.
        surplus = (softmax(lead / np.exp(middle)) * lead).sum() / np.exp(middle)
        if surplus > (0 if prior is None else middle / prior**2):
            low = middle
        else:
            high = middle
    return float(np.clip(np.exp((low + high) / 2), _COLDEST, _HOTTEST))


def _require_logits(logits: Floats, targets: Indices) -> None:
    n, k = logits.shape
    if n != len(targets) or n == 0:
        raise ValueError(f"got {n} rows of logits and {len(targets)} targets, expected as many, at least 1")
    if not np.isfinite(logits).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(logits))} logits are not finite")
    outside = (targets < 0) | (targets >= k)
    if outside.any():
        raise ValueError(f"target {targets[outside][0]} is outside [0, {k})")
