"""The tiny language model of examples/tiny_lm, and product names with the categories that it was made for."""

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

from laud_ray.texts import normalise_text
from laud_ray.types import Example

ROOT = Path(__file__).parents[1]
TINY = ROOT / "examples/tiny_lm/model"
LABELS = tuple((ROOT / "examples/tiny_lm/labels.txt").read_text().split("\n")[:12])


@cache
def _catalog() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo_catalog", ROOT / "examples/demo/catalog.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo_catalog"] = module
    spec.loader.exec_module(module)
    return module


def products(n: int, seed: int = 7) -> list[Example]:
    """n distinct product names of the tiny model's categories."""
    rows, _ = _catalog().catalog(3 * n + 100, seed=seed)
    distinct = {normalise_text(row.text): row.label for row in rows if row.label in LABELS}
    return [Example(text, label) for text, label in distinct.items()][:n]
