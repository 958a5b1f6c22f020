"""Labelled data sets for studies: Parquet files with texts and labels, normalised like a corpus."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from laud_ray.errors import CorpusError
from laud_ray.texts import normalise_text
from laud_ray.types import Indices, Label, Task

TEST_SHARE = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSet:
    """A pool with known labels for an oracle, and a test file that is not used in a run.

    gold and test_gold are the (n,) and (m,) classes of texts and test_texts. Duplicates in the pool are removed, as in
    a corpus; the first label counts. The test file keeps duplicates.
    """

    name: str
    task: Task
    texts: list[str]
    gold: Indices
    test_texts: list[str]
    test_gold: Indices


def read_set(path: Path, *, text: str = "text", label: str = "label", seed: int = 0) -> LabelledSet:
    """Read a folder with train.parquet and test.parquet, or one file, a random fifth of which is the test set.

    Raises:
        CorpusError: if a file or column is missing, or no row has both a text and a label.
    """
    if path.is_dir():
        pool, test = (_read(path / f"{part}.parquet", text, label) for part in ("train", "test"))
        pool = _distinct(pool)
    else:
        rows = _distinct(_read(path, text, label))  # before the split, so that no text is in both parts
        order = np.random.default_rng(seed).permutation(len(rows))
        cut = round(TEST_SHARE * len(rows))
        test, pool = ([rows[i] for i in sorted(part)] for part in (order[:cut], order[cut:]))
    names = sorted({gold for _, gold in [*pool, *test]})
    index = {name: i for i, name in enumerate(names)}
    return LabelledSet(
        path.stem,
        Task(path.stem, "multiclass", tuple(Label(name) for name in names)),
        [one for one, _ in pool],
        np.asarray([index[gold] for _, gold in pool], np.int64),
        [one for one, _ in test],
        np.asarray([index[gold] for _, gold in test], np.int64),
    )


def _read(path: Path, text: str, label: str) -> list[tuple[str, str]]:
    """Return the rows that have a text and a label, with normalised texts."""
    try:
        table = pq.read_table(path, columns=[text, label])
        cells = [table.column(name).to_pylist() for name in (text, label)]
    except (OSError, KeyError, ValueError) as error:
        raise CorpusError(f"{path}: {str(error).splitlines()[0]}; expected Parquet with {text!r}, {label!r}") from None
    rows = [(normalise_text(str(one)), str(gold)) for one, gold in zip(*cells, strict=True) if one and gold is not None]
    if not rows:
        raise CorpusError(f"{path}: no row has both {text!r} and {label!r}; expected at least one")
    return [(one, gold) for one, gold in rows if one]


def _distinct(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the first row of each text."""
    first: dict[str, str] = {}
    for one, gold in rows:
        first.setdefault(one, gold)
    return list(first.items())
