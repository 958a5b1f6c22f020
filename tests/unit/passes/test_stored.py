"""What passes have stored of a corpus that has grown since, and as batches and a reference of the tests."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from laud_ray.passes import stored
from laud_ray.passes.stored import batch_of, likeliest, reference, stored_probabilities
from laud_ray.storage.folder import Folder
from laud_ray.taxonomy.groups import single

OLD, NEW = "part-00000.parquet", "part-g0002-00000.parquet"
CORPUS = SimpleNamespace(ranges=[SimpleNamespace(name=OLD), SimpleNamespace(name=NEW)])
TABLE = pa.table(
    {
        "id": ["a", "b", "c", "d"],
        "label": pa.array(["Tea", None, "Coffee", "Tea"]).dictionary_encode(),
        "confidence": pa.array([0.5, None, 0.75, 1.0], pa.float32()),
        "novelty": pa.array([0.1, 0.9, 0.4, None], pa.float32()),
    }
)


def write(folder: Folder, name: str, document: str, probability: float) -> None:
    proba = pa.array([[probability, 1 - probability]], pa.list_(pa.float32()))
    labels = pa.array([["x", "y"]])
    folder.write_table(name, pa.table({"id": [document], "top_labels": labels, "top_probabilities": proba}))


@pytest.fixture
def passes(tmp_path: Path) -> list[Folder]:
    """Two passes: the earlier one ended before documents were appended."""
    earlier, last = Folder(str(tmp_path / "1")), Folder(str(tmp_path / "2"))
    write(earlier, OLD, "old", 0.9)
    write(last, OLD, "old", 0.6)
    write(last, NEW, "new", 0.7)
    for folder, name in ((earlier, OLD), (last, OLD), (last, NEW)):
        (folder / "shortlist").write_table(name, folder.read_table(name))
    return [earlier, last]


def test_an_earlier_model_has_no_opinion_on_documents_that_came_later(
    passes: list[Folder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "mapped", lambda names, work, job, _: ((name, work(name, job)) for name in names))
    found = stored_probabilities(CORPUS, passes, ["new", "old"], single(("x", "y")))  # type: ignore[arg-type]
    assert found == pytest.approx(np.array([[[0.7, 0.3], [0.9, 0.1]], [[0.7, 0.3], [0.6, 0.4]]]))
    passes[1].delete(NEW)
    with pytest.raises(FileNotFoundError):
        stored_probabilities(CORPUS, passes, ["new", "old"], single(("x", "y")))  # type: ignore[arg-type]


def test_probabilities_of_independent_labels_are_as_they_are_stored(
    passes: list[Folder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "mapped", lambda names, work, job, _: ((name, work(name, job)) for name in names))
    groups = single(("x", "y", "z"), independent=True)
    passes[1].write_table(
        OLD,
        pa.table(
            {
                "id": ["old"],
                "top_labels": pa.array([["y", "x"]]),
                "top_probabilities": pa.array([[0.9, 0.8]], pa.list_(pa.float32())),
            }
        ),
    )
    found = stored_probabilities(CORPUS, passes[1:], ["old", "lost"], groups)  # type: ignore[arg-type]
    assert found == pytest.approx(np.array([[[0.8, 0.9, 0.0], [0.0, 0.0, 0.0]]]))


def test_documents_that_came_later_have_no_likeliest_labels_in_an_earlier_pass(passes: list[Folder]) -> None:
    earlier, last = passes
    assert sorted(likeliest(CORPUS, last, ["new", "old"], {"new": NEW})) == ["new", "old"]  # type: ignore[arg-type]
    assert list(likeliest(CORPUS, earlier, ["new", "old"], {"new": NEW})) == ["old"]  # type: ignore[arg-type]
    assert list(likeliest(CORPUS, earlier, ["new", "old"], {})) == ["old"]  # type: ignore[arg-type]


def test_documents_without_a_label_are_left_out() -> None:
    found = batch_of(TABLE, ("Coffee", "Tea"), thresholds=(0.2, 0.3))
    np.testing.assert_array_equal(found.best, [1, 0, 1])
    np.testing.assert_allclose(found.confidence, [0.5, 0.75, 1.0])
    assert found.far is not None
    np.testing.assert_array_equal(found.far, [0, 2, 0])


def test_without_thresholds_novelty_is_not_measured() -> None:
    assert batch_of(TABLE, ("Coffee", "Tea")).far is None


def test_documents_whose_label_the_model_lacks_are_left_out() -> None:
    found = batch_of(TABLE, ("Coffee", "Juice"), thresholds=(0.2, 0.3))
    assert (found.best.tolist(), found.confidence.tolist()) == ([0], [0.75])
    assert found.far is not None
    assert found.far.tolist() == [2]


def test_a_reference_reads_no_more_ranges_than_it_needs(tmp_path: Path) -> None:
    scores = Folder(str(tmp_path))
    for name in (OLD, NEW):
        scores.write_table(name, TABLE)
    whole = reference(scores, [OLD, NEW], ("Coffee", "Tea"), ["a", "b"])
    assert (whole.counts.tolist(), whole.mean, whole.trained) == ([2, 2], 0.875, 2)
    first = reference(scores, [OLD, NEW], ("Coffee", "Tea"), ["a", "b"], 2)
    assert (first.counts.tolist(), first.mean, first.trained) == ([1, 1], 0.875, 1)


def test_only_texts_that_occur_once_are_as_new_ones_are(tmp_path: Path) -> None:
    scores, rows = (
        Folder(str(tmp_path)),
        pa.table({"id": ["a", "b", "c", "d"], "duplicate_of": [None, None, "b", None]}),
    )
    scores.write_table(OLD, TABLE)
    corpus = SimpleNamespace(read=lambda name, columns: rows.select(columns))
    found = reference(scores, [OLD], ("Coffee", "Tea"), ["d"], once=corpus)  # type: ignore[arg-type]
    assert (found.counts.tolist(), found.mean, found.trained) == ([0, 1], 0.5, 1)
