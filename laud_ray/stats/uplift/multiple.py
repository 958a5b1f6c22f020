"""Several tests of one experiment. Pure NumPy."""

from collections.abc import Sequence

import numpy as np


def holm(p: Sequence[float]) -> tuple[float, ...]:
    """Return p-values adjusted so that any false discovery among them has a probability of 5 % at most, at 0.05.

    Holm (1979), "A Simple Sequentially Rejective Multiple Test Procedure".

    Example:
        >>> holm([0.01, 0.04, 0.03])
        (0.03, 0.06, 0.06)

    Raises:
        ValueError: if a value is outside [0, 1].
    """
    values = np.asarray(p, np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"p = {list(p)}; expected values in [0, 1]")
    order = np.argsort(values, kind="stable")
    scaled = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    found = np.empty(len(values))
    found[order] = np.minimum(scaled, 1.0)
    return tuple(found.tolist())
