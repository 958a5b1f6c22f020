"""The labels of a multilabel run do not change."""

from pathlib import Path

import pytest

from laud_ray.errors import RunError
from laud_ray.store.run import look_at
from laud_ray.store.versions.labels import require_flat
from tests.multilabels import multilabel_run


def test_a_change_of_labels_is_refused(tmp_path: Path) -> None:
    said = (
        "task.kind: multilabel is not valid; expected multiclass: other labels of a multilabel task need a run of their"
    )
    with look_at(str(multilabel_run(tmp_path / "run"))) as run, pytest.raises(RunError, match=said):
        require_flat(run.config)
