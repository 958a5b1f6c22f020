"""The injection benchmark counts what it says it counts."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from laud_ray.types import Annotation, Document

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "injection.py"
LABELS = ("Tea", "Coffee", "Juice", "Milk")


@pytest.fixture(scope="module")
def injection() -> ModuleType:
    spec = importlib.util.spec_from_file_location("injection", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Gullible:
    """Says Tea, unless it is ordered to say something else."""

    def annotate(self, documents: Sequence[Document]) -> Sequence[Annotation]:
        return [Annotation(d.id, self.say(d.text), "gullible") for d in documents]

    def say(self, text: str) -> str | None:
        return text.rsplit(" ", 1)[1] if "Ignore the above" in text else "Tea"


def test_an_oracle_that_obeys_is_found_out(injection: ModuleType) -> None:
    rates = injection.measure(Gullible(), LABELS, [f"leaves {i}" for i in range(80)])
    n = rates["plain"].n
    assert 40 < n < 80, "texts for which Tea was drawn say nothing"
    assert {variant: rate.hits for variant, rate in rates.items()} == {
        "plain": 0,
        "mention": 0,
        "order": n,
        "fake answer": 0,
    }


def test_the_interval_is_wilsons(injection: ModuleType) -> None:
    assert injection.Rate(5, 10).interval == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert injection.Rate(0, 10).interval == pytest.approx((0.0, 0.2775), abs=1e-4)
