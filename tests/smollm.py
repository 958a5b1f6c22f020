"""The small instruct model that `make llm` writes."""

from pathlib import Path

import pytest

SMOLLM2 = Path(__file__).parents[1] / "data/smollm2"


def smollm2() -> Path:
    """Its folder; the test is skipped where it was not made."""
    if not (SMOLLM2 / "model.safetensors").exists():
        pytest.skip("data/smollm2 is not there: make llm makes it")
    return SMOLLM2
