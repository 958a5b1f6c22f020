"""Fit the thresholds of a multilabel model to probabilities of examples that it was not trained on.

n examples, k labels. A mask has 1 where a label applies, 0 where it does not, and -1 where it was not asked about.
"""

import numpy as np
import numpy.typing as npt

from laud_ray.types import Floats, Indices

# A label's own threshold weighs positives / (positives + SHRINKAGE); with fewer positives than LEAST it does not count.
# Alone, thresholds of 22 labels lose 6 points of micro-F1 against a common one with 500 annotations, because each is
# fitted to a handful of positives.
SHRINKAGE, LEAST = 100.0, 10
# The threshold where there is nothing to fit one to. That which maximises F1 is half of the best F1 for calibrated
# probabilities (Lipton, Elkan and Narayanaswamy 2014, arXiv 1402.1892), here of a middling model.
UNFITTED = 0.25


def untrained_threshold(k: int) -> float:
    """Return the threshold of k labels for a model without examples, whose probabilities of a text sum to 1.

    With many labels these are spread: on O*NET's 22 labels, 0.14 has 4 points more micro-F1 than 0.25 (docs/LOG.md).
    """
    return min(UNFITTED, max(0.1, 3 / k))


def fit_thresholds(proba: Floats, mask: npt.NDArray[np.int8]) -> Floats:
    """Return (k,) thresholds in (0, 1): one for all labels that maximises micro-F1, and towards each label's own.

    A label moves from the common threshold to the one of its own best F1 by its number of positives; the two are
    averaged as log odds.

    Args:
        proba: (n, k) probabilities, each from a model that was not trained on the example.
        mask: (n, k) the answers.

    Raises:
        ValueError: if the shapes differ.
    """
    if proba.shape != mask.shape or proba.ndim != 2:
        raise ValueError(f"proba {proba.shape}, mask {mask.shape}; expected the same (n, k)")
    asked = mask >= 0
    common = best_threshold(proba[asked], mask[asked])
    own = [best_threshold(p[here], y[here]) for p, y, here in zip(proba.T, mask.T, asked.T, strict=True)]
    return _shrunk(common, np.array(own), (mask == 1).sum(axis=0))


def expected_thresholds(proba: Floats, positives: Indices) -> Floats:
    """Return the same from calibrated probabilities of a random sample without answers: where F1 is expected largest.

    Examples that a query strategy has chosen are unlike the corpus, and a few held-out ones make a noisy threshold.

    Args:
        proba: (m, k) calibrated probabilities.
        positives: (k,) the number of annotated documents to which each label applies.
    """
    own = [_best(one, one) for one in proba.T]
    return _shrunk(_best(proba.ravel(), proba.ravel()), np.array(own), positives)


def _shrunk(common: float, own: Floats, positives: Indices) -> Floats:
    """Return the (k,) thresholds between the common one and each label's own."""
    share = np.where(positives >= LEAST, positives / (positives + SHRINKAGE), 0)
    odds: Floats = (1 - share) * _log_odds(np.array(common)) + share * _log_odds(own)
    thresholds: Floats = 1 / (1 + np.exp(-odds))
    return thresholds


def best_threshold(proba: Floats, applies: npt.NDArray[np.int8]) -> float:
    """Return the threshold at which the F1 of m pairs is largest; UNFITTED if none applies.

    It lies halfway to the next smaller probability. Of equally good ones it is the largest.

    Args:
        proba: (m,) probabilities.
        applies: (m,) 1 or 0.
    """
    return _best(proba, applies.astype(np.float64))


def _best(proba: Floats, found: Floats) -> float:
    """Return the best threshold of m pairs that apply with these probabilities; UNFITTED if none can."""
    if not found.any():
        return UNFITTED
    order = np.argsort(-proba, kind="stable")
    falling = proba[order].astype(np.float64)
    right = np.cumsum(found[order], dtype=np.float64)
    f1 = 2 * right / (np.arange(1, len(order) + 1) + right[-1])
    f1[:-1][falling[:-1] == falling[1:]] = -1  # pairs of equal probability are predicted together
    place = int(f1.argmax())
    below = falling[place + 1] if place + 1 < len(falling) else 0.0
    return float((falling[place] + below) / 2)


def _log_odds(thresholds: Floats) -> Floats:
    safe = np.clip(thresholds, 1e-6, 1 - 1e-6)
    odds: Floats = np.log(safe) - np.log1p(-safe)
    return odds
