"""Relabels without Ray: a catalog that is cut, and ranges that are labelled in this process by a scorer that hashes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from laud_ray.relabel.inputs import cutting
from laud_ray.relabel.inputs.catalog import Catalog, Columns
from laud_ray.relabel.ranges.rows import Job
from laud_ray.relabel.ranges.work import label_range
from laud_ray.storage.folder import Folder
from laud_ray.types import Floats, Scorer

NAMED = Columns("text", "id")
LABELS = ("Tea", "Coffee", "Juice")


class Hashing:
    """Probabilities that depend on a text alone; a text with `poison` in it cannot be scored."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels = labels
        self.seen: list[str] = []

    def score(self, texts: Sequence[str]) -> Floats:
        if any("poison" in text for text in texts):
            raise ValueError("cannot read this")
        self.seen += texts
        primes = (3, 7, 31, 57, 91, 93)[: len(self.labels)]
        numbers = np.asarray([[sum(map(ord, t)) * p % 97 + 1 for p in primes] for t in texts], np.float32)
        proba: Floats = numbers / numbers.sum(1, keepdims=True)
        return proba


def hashing(_: str) -> Scorer:
    return Hashing(LABELS)


def hashing_two(_: str) -> Scorer:
    return Hashing(LABELS[:2])


def cut(data: Path, work: Path, columns: Columns = NAMED, size: int = 100) -> Catalog:
    return cutting.cut(cutting.inventory(str(data), columns), columns, size, Folder(str(work)))


def job(found: Catalog, out: Path) -> Job:
    """A relabel of a catalog, of the plainest kind."""
    model = Folder(str(out.parent / f"model-of-{out.name}"))  # a place of its own: scorers are kept by place
    return Job(found, model, "round-0001", Folder(str(out)), 2000, 0.0, None, None, None, hashing)


def relabel(found: Catalog, out: Path, **changed: object) -> pa.Table:
    """Label all ranges; return all rows, in the order of their input."""
    todo = replace(job(found, out), **changed)  # type: ignore[arg-type]
    for part in found.ranges:
        label_range(part.name, todo)
    return rows(out)


def rows(out: Path) -> pa.Table:
    """The rows of an output as any reader sees them, in the order of their input."""
    whole = ds.dataset(str(out), format="parquet", partitioning="hive").to_table()
    plain = whole.cast(pa.schema([(field.name, _plain(field.type)) for field in whole.schema]))
    return plain.sort_by([("source", "ascending"), ("source_row", "ascending")])


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type without dictionaries, so that tables can be compared and sorted."""
    if pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def write(path: Path, table: dict[str, object], **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table), path, **options)
    return path
