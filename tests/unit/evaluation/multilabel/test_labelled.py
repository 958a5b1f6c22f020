from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laud_ray.errors import CorpusError
from laud_ray.evaluation.labelled_file import LabelledFigures, check_labelled, evaluate_labelled
from laud_ray.types import Floats, Task
from tests.unit.evaluation.multilabel.passes import NAMES, TASK


class ByName:
    """Predicts the labels that a text names."""

    labels = NAMES
    thresholds = np.full(3, 0.5)

    def score(self, texts: Sequence[str]) -> Floats:
        return np.array([[0.8 if name.lower() in text else 0.1 for name in NAMES] for text in texts])


TEXTS = ["coffee and milk", "tea", "water", "coffee", "milk", ""]


def evaluated(path: Path, task: Task = TASK) -> LabelledFigures:
    return evaluate_labelled(ByName(), task, str(path), text="text", label="labels", seed=0, max_chars=100)


def a_file(place: Path, labels: list[list[str] | None]) -> Path:
    path = place / "data.parquet"
    pq.write_table(pa.table({"text": TEXTS, "labels": pa.array(labels, pa.list_(pa.string()))}), path)
    return path


def test_a_column_of_lists(tmp_path: Path) -> None:
    path = a_file(tmp_path, [["Milk", "Coffee"], ["Tea", "Juice"], [], ["Tea"], None, ["Tea"]])
    found = evaluated(path)
    sets = found.figures.multilabel
    assert sets is not None
    # Milk, Coffee, Tea and nothing are right; coffee is Tea.
    assert (found.figures.n, sets.exact_match.value) == (4, 3 / 4)
    assert (sets.micro_precision.value, sets.micro_recall.value) == (3 / 4, 3 / 4)
    assert found.left_out == {"without labels": 1, "without a text": 1}
    assert (found.unknown_labels, [one.label for one in found.unknown]) == (1, ["Juice"])


def test_labels_between_separators(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("text,labels\ncoffee and milk,Coffee; Milk\ntea,Tea\nwater,[]\n")
    found = evaluated(path, replace(TASK, separator=";"))
    assert (found.figures.n, found.figures.accuracy.value) == (3, 1.0)
    with pytest.raises(CorpusError, match=r"'Coffee; Milk', which is several labels.*task.separator: ';'"):
        check_labelled(TASK, str(path), text="text", label="labels")


def test_without_a_label_of_the_task(tmp_path: Path) -> None:
    path = a_file(tmp_path, [["Juice"], ["Wine", "Juice"], [], None, None, None])
    with pytest.raises(CorpusError, match="expected the labels of the task, such as 'Coffee'"):
        evaluated(path)
