"""Large catalogs of invented names and a cheap model for them, shared by the benchmarks of relabeling."""

import importlib.util
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from laud_ray.models.student.model import Network, Recipe, Student, distil

DEMO = Path(__file__).parents[1] / "examples" / "demo" / "catalog.py"
SEEDS = 20_000  # names from the demo's grammar; further names are these with a number
TAUGHT = 3_000
ROW_GROUP = 100_000


@lru_cache
def demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo_catalog", DEMO)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["demo_catalog"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@lru_cache
def seeds() -> tuple[list[str], list[str]]:
    """Distinct names, and their labels."""
    known = {document.text: document.label for document in demo().catalog(SEEDS)[0]}
    return list(known), list(known.values())


def write_catalog(path: Path, rows: int, *, repeated: float, seed: int = 0) -> Path:
    """Write `rows` names with ids in random order; the share `repeated` of them repeats the name of an earlier row."""
    rng, known = np.random.default_rng(seed), pa.array(seeds()[0])
    fresh = rows - round(repeated * rows)
    source = np.concatenate([np.arange(fresh), rng.integers(fresh, size=rows - fresh)])
    rng.shuffle(source)
    writer = pq.ParquetWriter(path, pa.schema([("id", pa.string()), ("text", pa.string())]))
    for start in range(0, rows, ROW_GROUP):
        part = source[start : start + ROW_GROUP]
        names = known.take(pa.array(part % len(known))).to_pylist()
        texts = [f"{name} {i}" if i else name for name, i in zip(names, part // len(known), strict=True)]
        ids = [f"SKU-{start + i:09d}" for i in range(len(part))]
        writer.write_table(pa.table({"id": ids, "text": texts}))
    writer.close()
    return path


def write_model(place: Path, *, hidden: int | None = None) -> Path:
    """Write a student with the demo's labels. More `hidden` units make it slower without changing its answers."""
    texts, filed = (part[:TAUGHT] for part in seeds())
    labels = list(demo().LABELS)
    taught = np.full((len(texts), len(labels)), 0.1 / len(labels), np.float32)
    taught[np.arange(len(texts)), [labels.index(name) for name in filed]] += 0.9
    student = distil(labels, texts, taught, seed=0, recipe=Recipe(epochs=4))
    (student if hidden is None else _widened(student, hidden)).save(str(place))
    return place


def _widened(student: Student, hidden: int) -> Student:
    recipe = Recipe(student.recipe.buckets, student.recipe.dimensions, hidden)
    network = Network(len(student.labels), recipe, torch.Generator())
    with torch.no_grad():
        for name, value in student.network.named_parameters():
            wide = network.get_parameter(name)
            wide.zero_()
            wide[tuple(slice(size) for size in value.shape)] = value
    return Student(student.labels, network.eval(), recipe, student.temperature, student.texts)
