"""A catalog with a rare class, and what made-up models say of it: enough of a run to evaluate, in a moment."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import expit

from laud_ray.data.corpus import Corpus
from laud_ray.passes.scoring import score_table
from laud_ray.passes.summary import summarise
from laud_ray.storage.folder import Folder

NAMES = ("Tea", "other")
DOCUMENTS = 900


def truth(number: int) -> bool:
    return number % 15 == 0


def score_of(number: int, round: int) -> float:
    """A model that gets better by the round, and is never sure."""
    noise = np.random.default_rng([number, round]).normal()
    return float(expit((2 + round) * truth(number) - 3 + noise))


def write_scores(corpus: Corpus, folder: Folder, round: int, names: Sequence[str] = NAMES) -> None:
    for part in corpus.ranges:
        ids = corpus.read(part.name, ["id"]).column("id").to_pylist()
        tea = np.array([score_of(int(one.removeprefix("d")), round) for one in ids])
        two = np.stack([tea, 1 - tea], 1).astype(np.float32)
        usable = np.ones(len(ids), np.bool_)
        table = score_table(
            ids, summarise(two), np.arange(len(ids)), usable, [None] * len(ids), tuple(names), f"round-{round}"
        )
        folder.write_table(part.name, table)


def write_catalog(path: Path) -> None:
    numbers = range(DOCUMENTS)
    # Every tenth text stands twice.
    texts = [f"product {n - 1 if n % 10 == 1 and not truth(n) and not truth(n - 1) else n}" for n in numbers]
    labels = ["Tea" if truth(n) else "Soap" for n in numbers]
    pq.write_table(pa.table({"id": [f"d{n}" for n in numbers], "text": texts, "label": labels}), path)
