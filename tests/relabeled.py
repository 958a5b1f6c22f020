"""Outputs as `laud relabel` writes them, made up, for what reads them."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

WORDS = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("label", WORDS),
        ("confidence", pa.float32()),
        ("margin", pa.float32()),
        ("top_labels", pa.list_(WORDS)),
        ("top_probabilities", pa.list_(pa.float32())),
        ("abstained", pa.bool_()),
        ("model", WORDS),
        ("source", WORDS),
        ("source_row", pa.int64()),
        ("error", pa.string()),
    ]
)


def rows(
    ids: Sequence[str],
    labels: Sequence[str | None],
    confidence: Sequence[float] | None = None,
    *,
    model: str = "round-0001",
    threshold: float = 0.5,
) -> pa.Table:
    """Rows of an output: one without a label has an error, one of less confidence than the threshold is abstained."""
    n = len(ids)
    scores = np.full(n, 0.9, np.float32) if confidence is None else np.asarray(confidence, np.float32)
    names = pa.array(labels, pa.string())
    failed = np.asarray(names.is_null())
    found = pa.array(scores, mask=failed)
    one_each = np.arange(n + 1, dtype=np.int32)
    return pa.table(
        [
            pa.array(ids, pa.string()),
            pa.array([f"the text of {one}" for one in ids], pa.string()),
            names.dictionary_encode(),
            found,
            found,
            pa.ListArray.from_arrays(one_each, names.dictionary_encode()),
            pa.ListArray.from_arrays(one_each, found),
            pa.array(scores < threshold, mask=failed),
            pa.array([model] * n, pa.string()).dictionary_encode(),
            pa.array(["in.parquet"] * n, pa.string()).dictionary_encode(),
            pa.array(np.arange(1, n + 1)),
            pa.array(np.where(failed, "empty text", None), pa.string()),
        ],
        schema=SCHEMA,
    )


def write(
    out: Path, table: pa.Table, *, parts: int = 2, by: str | None = None, finished: bool = True, keep: bool = False
) -> Path:
    """Write an output of some parts; `by` partitions it by a column, which `keep` leaves in the files too."""
    cuts = np.linspace(0, table.num_rows, parts + 1).astype(int).tolist()
    for number, (start, end) in enumerate(pairwise(cuts)):
        part = table.slice(start, end - start)
        _write_part(out, f"part-{number:05d}", part, by, keep)
        _json(out / f"_laud/ranges/part-{number:05d}.json", {"rows": end - start})
    _json(out / "_laud/plan.json", {"ranges": [{}] * (parts + (not finished)), "run": "runs/food", "data": "new.csv"})
    if finished:
        _json(out / "_manifest.json", {"rows": table.num_rows})
        (out / "_SUCCESS").touch()
    return out


def _write_part(out: Path, name: str, part: pa.Table, by: str | None, keep: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if by is None:
        pq.write_table(part, out / f"{name}.parquet", compression="zstd")
        return
    values = part[by].to_pylist()
    for value in sorted(set(values), key=str):
        folder = out / f"{by}={'__HIVE_DEFAULT_PARTITION__' if value is None else quote(value, safe='')}"
        folder.mkdir(exist_ok=True)
        mine = part.filter(pa.array([one == value for one in values]))
        pq.write_table(mine if keep else mine.drop_columns([by]), folder / f"{name}.parquet")


def _json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
