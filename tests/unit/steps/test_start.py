"""What a run says of its data before anything is asked, and what it refuses for its true cause."""

from pathlib import Path

import pytest
import yaml

from laud_ray import config
from laud_ray.errors import ConfigError, CorpusError
from laud_ray.events import Event
from laud_ray.models import kinds
from laud_ray.steps.start import start
from laud_ray.store.run import claim


def notes(
    tmp_path: Path, rows: list[tuple[str, str]], labels: list[object], monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Begin a run over rows of texts and labels, without loading any model."""
    monkeypatch.setattr(kinds, "check", lambda *_: None)
    (tmp_path / "a.tsv").write_text("\n".join(["text\tlabel", *("\t".join(row) for row in rows)]))
    settings = {
        "task": {"name": "drinks", "labels": labels},
        "corpus": {"path": str(tmp_path / "a.tsv"), "text": "text"},
        "storage": str(tmp_path / "run"),
        "oracle": {"kind": "replay", "label": "label"},
        "evaluation": {"size": 20},
    }
    said: list[Event] = []
    with claim(config.parse(yaml.safe_dump(settings))) as folder:
        start(folder, said.append)
    return [event.note for event in said if event.kind == "note"]


def test_near_names_unknown_labels_and_contradictions_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(f"text {i}", ("Tea ", "tea", "TEE", "Coffe")[i % 4]) for i in range(60)]
    rows += [("text 0", "tea"), ("text 1", "tea\u200b"), ("text 2", "Tea")]
    labels = [{"name": "Tea", "also": ["TEE"]}, "tea", "Coffee"]
    said = "\n".join(notes(tmp_path, rows, labels, monkeypatch))
    assert "task.labels: 'Tea' and 'tea' look the same, but are different labels" in said
    assert (
        "15 documents have a label that the task does not have; the oracle abstains from them: 'Coffe' (15, nearest:"
        in said
    )
    assert "1 text occurs with two different labels in 'label'; the label of the first row counts" in said


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([("same", "Tea"), ("same ", "Coffee")] * 80, CorpusError, "160 rows hold the same text in 'text'"),
        ([("", "Tea"), (" ", "Coffee")] * 80, CorpusError, "160 rows hold no readable text in 'text'"),
        (
            [("a", "Tea"), ("b", "Coffee")],
            ConfigError,
            r"evaluation.size: 20 is not valid for 2 distinct documents \(2 rows\)",
        ),
        (
            [(f"{i}", "tea") for i in range(60)],
            CorpusError,
            r"holds 'tea' \(60, nearest: 'Tea'\); expected the labels",
        ),
    ],
)
def test_what_cannot_be_learned_from(
    tmp_path: Path,
    rows: list[tuple[str, str]],
    error: type[Exception],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(error, match=message):
        notes(tmp_path, rows, ["Tea", "Coffee"], monkeypatch)
