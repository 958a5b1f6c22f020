"""The example of an audience test is what its script makes."""

import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

FOLDER = Path(__file__).parents[3] / "examples" / "audience"


def test_the_exposures_are_those_of_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, "exposures", raising=False)
    import exposures

    assert exposures.make() == pq.read_table(FOLDER / "exposures.parquet")
