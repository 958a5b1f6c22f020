"""Calibrate the logits of labels: one factor and offset for all, an offset for frequent labels, and their rivalry.

n examples, k labels. A mask has 1 where a label applies, 0 where it does not, and -1 where it was not asked about.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from laud_ray.types import Bools, Floats, Indices

# With fewer positives than this, a label has no offset of its own.
OWN = 30
# Standard deviations of the normal priors on log factor, on the common offset, and on a label's own beyond it.
FACTOR, OFFSET, OWN_OFFSET = 0.5, 3.0, 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Maps logits z of a document to calibrated logits u - rivalry * logsumexp(u) + offset, with u = factor * z + own.

    Without rivalry, labels are independent; with a rivalry of 1, a label takes from the others what it gains, as in a
    softmax. Most texts have few labels, so that the truth lies between (docs/LOG.md).

    Attributes:
        factor: above 0.
        own: (k,) offsets of the labels.
        rivalry: in [0, 1].
        offset: the common offset.
    """

    factor: float
    own: Floats
    rivalry: float = 0.0
    offset: float = 0.0

    def __call__(self, logits: Floats) -> Floats:
        """Map (n, k) logits to (n, k) calibrated ones."""
        return rival(self.factor * logits + self.own, self.rivalry) + self.offset

    @staticmethod
    def none(k: int) -> "Scaling":
        """Return the scaling that changes nothing."""
        return Scaling(1.0, np.zeros(k))


def rival(logits: Floats, rivalry: float) -> Floats:
    """Map (n, k) logits u to (n, k) u - rivalry * logsumexp(u)."""
    if not rivalry:
        return logits
    return logits - np.asarray(rivalry, logits.dtype) * _log_sum(logits)


def _log_sum(logits: Floats) -> Floats:
    """Return the (n, 1) log-sum-exp of each row."""
    highest = logits.max(axis=1, keepdims=True)
    total: Floats = highest + np.log(np.exp(logits - highest).sum(axis=1, keepdims=True))
    return total


def sigmoid(logits: Floats) -> Floats:
    """Map logits to probabilities, elementwise, in the dtype of the logits."""
    with np.errstate(over="ignore"):
        proba: Floats = 1 / (1 + np.exp(-logits))
    return proba


def set_loss(logits: Floats, mask: npt.NDArray[np.int8]) -> float:
    """Return the mean over examples of the negative log-likelihood of what was asked, in nats."""
    z = logits.astype(np.float64)
    each = np.logaddexp(0, z) - z * (mask == 1)
    return float(np.where(mask >= 0, each, 0).sum() / max(len(z), 1))


def fit_scaling(logits: Floats, mask: npt.NDArray[np.int8]) -> Scaling:
    """Fit the scaling to logits of examples that a model was not trained on, by penalised maximum likelihood.

    Platt (1999), "Probabilistic Outputs for Support Vector Machines", over all labels together, with rivalry. The
    offset of a label with at least OWN positives may differ from the common one.

    Raises:
        ValueError: if the shapes differ, or a logit is not finite.
    """
    from scipy.optimize import minimize  # the import takes 0.6 s, and only training needs it

    if logits.shape != mask.shape or logits.ndim != 2:
        raise ValueError(f"logits {logits.shape}, mask {mask.shape}; expected the same (n, k)")
    if not np.isfinite(logits).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(logits))} logits are not finite")
    own = np.flatnonzero((mask == 1).sum(axis=0) >= OWN)
    sigmas = np.concatenate([[FACTOR, np.inf, OFFSET], np.full(len(own), OWN_OFFSET)])
    z, applies, asked = logits.astype(np.float64), mask == 1, mask >= 0

    def loss(theta: Floats) -> tuple[float, Floats]:
        value, slope = _negative_likelihood(theta, z, applies, asked, own)
        return value + float((theta**2 / sigmas**2).sum()) / 2, slope + theta / sigmas**2

    bounds = [(-3.0, 3.0), (0.0, 1.0), (None, None), *[(None, None)] * len(own)]
    theta = minimize(loss, np.zeros(len(sigmas)), jac=True, method="L-BFGS-B", bounds=bounds).x
    return _scaling_of(theta, own, logits.shape[1])


def _scaling_of(theta: Floats, own: Indices, k: int) -> Scaling:
    """Return the scaling of the parameters: log factor, rivalry, common offset, and the offsets of the labels `own`."""
    offsets = np.zeros(k)
    offsets[own] = theta[3:]
    return Scaling(float(np.exp(theta[0])), offsets, float(theta[1]), float(theta[2]))


def _negative_likelihood(theta: Floats, z: Floats, applies: Bools, asked: Bools, own: Indices) -> tuple[float, Floats]:
    """Return the negative log-likelihood of the scaling with these parameters, and its slope."""
    scaling = _scaling_of(theta, own, z.shape[1])
    scaled = scaling.factor * z + scaling.own
    total = _log_sum(scaled)
    shares = np.exp(scaled - total)
    found = scaled - scaling.rivalry * total + scaling.offset
    error = np.where(asked, sigmoid(found) - applies, 0)
    value = float(np.where(asked, np.logaddexp(0, found) - found * applies, 0).sum())
    # A logit changes by what its own label gains, less the rivalry times what the document's labels gain together.
    moved = error - scaling.rivalry * shares * error.sum(axis=1, keepdims=True)
    slope = [(moved * scaling.factor * z).sum(), -(error * total).sum(), error.sum(), *moved.sum(axis=0)[own]]
    return value, np.asarray(slope)
