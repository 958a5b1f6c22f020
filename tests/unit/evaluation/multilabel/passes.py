"""Passes of a multilabel model for tests."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from laud_ray.passes.scoring import score_table
from laud_ray.passes.summary import summarise
from laud_ray.stats.multilabel.rules import Rules
from laud_ray.storage.folder import Folder
from laud_ray.store.store import Sampled
from laud_ray.types import Floats, Label, Task

NAMES = ("Coffee", "Milk", "Tea")
TASK = Task("drinks", "multilabel", tuple(map(Label, NAMES)))
RANGE = "part-00000.parquet"


def scored(place: Path, proba: Floats, errors: Sequence[int] = ()) -> Folder:
    """The pass of a model with the thresholds 0.5 over documents d0, d1, ...; some of them could not be scored."""
    n = len(proba)
    usable = np.array([i not in errors for i in range(n)])
    found = summarise(proba.astype(np.float32), rules=Rules(np.full(len(NAMES), 0.5)))
    why = [None if fine else "too long" for fine in usable]
    folder = Folder(str(place))
    folder.write_table(RANGE, score_table([f"d{i}" for i in range(n)], found, np.arange(n), usable, why, NAMES, "m"))
    return folder


def drawn(n: int, *, size: int | None = None) -> list[Sampled]:
    """A sample of the first n documents, of a corpus of this size."""
    return [Sampled(RANGE, i, f"d{i}", 0, size or n) for i in range(n)]
