"""Detect drift: compare served labels and confidences with those of the same model on documents of its run.

An index compares recent texts with the evaluation sample. Tests by betting compare all texts with the scored corpus.
n texts, k classes.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from laud_ray.errors import DamageError
from laud_ray.passes import stored
from laud_ray.stats.betting import Batch, Reference, Watch
from laud_ray.stats.drift import LEAST as LEAST
from laud_ray.stats.drift import THRESHOLD as THRESHOLD
from laud_ray.stats.drift import Baseline as Baseline
from laud_ray.stats.drift import baseline as baseline
from laud_ray.store import model_records
from laud_ray.store.run import RunFolder

# The number of recent texts that are compared.
WINDOW = 5000
# The number of texts that a test looks at at once.
BATCH = 1000
# The tests that served texts allow; for novelty they would have to be embedded once more.
TESTS = ("confidence", "labels")
# The probability of a false alarm of a replica in a year.
ALPHA = 0.05
YEAR_S = 365 * 24 * 3600.0
# Of a larger corpus, this many documents are read: a range is a random sample.
ENOUGH = 500_000


class Drift:
    """The predictions of one model for the texts that it served."""

    def __init__(
        self, expected: Baseline | None, known: Reference | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Create it; without `expected` there are no indices, and without `known` no alarms."""
        self._expected, self._known, self._clock = expected, known, clock
        self._best: deque[int] = deque(maxlen=WINDOW)
        self._confidences: deque[float] = deque(maxlen=WINDOW)
        self._waiting: list[tuple[int, float]] = []
        self._watch, self._since = None if known is None else Watch.start(known, ALPHA), clock()

    def add(self, best: Sequence[int], confidence: Sequence[float]) -> None:
        """Add the label indices and confidences of n served texts."""
        self._best.extend(best)
        self._confidences.extend(confidence)
        if self._watch is not None:
            self._waiting.extend(zip(best, confidence, strict=True))

    def indices(self) -> tuple[float, float] | None:
        """Return the population stability indices of labels and confidences; None before enough texts were served."""
        if self._expected is None:
            return None
        return self._expected.indices(np.asarray(self._best, np.int64), np.asarray(self._confidences))

    def alarms(self) -> dict[str, bool] | None:
        """Return whether each test has an alarm, after the texts since the last call; None without a reference.

        The tests start anew after a year.
        """
        if self._watch is None or self._known is None:
            return None
        if self._clock() - self._since >= YEAR_S:
            self._watch, self._since = Watch.start(self._known, ALPHA), self._clock()
        # Up to BATCH - 1 texts wait for the next call.
        n = len(self._waiting) // BATCH * BATCH
        if n:
            best, confidence = zip(*self._waiting[:n], strict=True)
            del self._waiting[:n]
            scores = np.clip(np.asarray(confidence, np.float64), 0, 1)
            self._watch = self._watch.after(Batch(np.asarray(best, np.int64), scores))
        return {test: test in self._watch.alarms for test in TESTS}


def reference(run: RunFolder, model: str, names: Sequence[str]) -> Reference | None:
    """Return what a model found in the corpus of its run; None if its scores are missing or damaged.

    Documents that the model was trained on are counted apart. Blocks.

    Args:
        names: of the k labels.
    """
    number = next((one.round for one in model_records.models(run.store.engine) if one.name == model), None)
    if number is None:
        return None
    trained = [one.query.document.id for one in run.store.queries() if one.purpose != "evaluation"]
    scores = run.scores(number)
    try:
        ranges = sorted(name for name in scores.names() if name.endswith(".parquet"))
        found = stored.reference(scores, ranges, names, trained, ENOUGH)
    except (FileNotFoundError, DamageError, pa.ArrowException):
        return None
    return found if found.n else None
