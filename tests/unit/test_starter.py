"""`laud init`: a task.yaml for somebody's data, whatever the data lack."""

from pathlib import Path

import pytest
import yaml

from laud_ray import config
from laud_ray.errors import CorpusError
from laud_ray.starter import starter


def write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def test_a_column_called_label_gives_the_classes_and_the_oracle(tmp_path: Path) -> None:
    made = starter(write(tmp_path / "drinks.csv", "text,Label\na,Tea\nb,Coffee\nc,\n"), text="text")
    assert made.fill_in is None
    parsed = config.parse(made.text)
    assert [label.name for label in parsed.task.labels] == ["Coffee", "Tea"]
    assert parsed.oracle.model_dump()["label"] == "Label"


@pytest.mark.parametrize("content", ["text\na\n", "text,label\na,Tea\nb,Tea\n", "text,label\na,\n"])
def test_without_labels_the_yaml_is_valid_and_says_what_is_to_fill_in(tmp_path: Path, content: str) -> None:
    made = starter(write(tmp_path / "drinks.csv", content), text="text")
    assert config.parse(made.text).oracle.kind == "llm"
    assert yaml.safe_load(made.text)["oracle"] == {"kind": "llm", "engine": "openai", "model": "MODEL_NAME"}
    assert all(f"{{kind: {kind}" in made.text for kind in ("replay", "llm", "cascade"))
    assert made.fill_in is not None
    assert "task.labels and oracle" in made.fill_in
    assert "\n" not in made.fill_in


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"a.csv: holds no documents; expected at least one row"),
        (b"text,label\n", "a.csv: holds no documents; expected at least one row"),
        (
            "text,labél\na,b\n".encode("latin-1"),
            "a.csv header: .* is not UTF-8; it looks like cp1252, which `encoding: cp1252` reads",
        ),
    ],
)
def test_data_that_cannot_be_used(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(CorpusError, match=message) as raised:
        starter(write(tmp_path / "a.csv", content), text="text")
    assert "\n" not in str(raised.value)


def test_a_label_that_is_no_text_ends_it_only_where_the_column_was_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b"text,label\na,Tea\nb,\xff\n")
    with pytest.raises(CorpusError, match=r"a.csv row 2: the label is '\\xff'; expected text in UTF-8"):
        starter(path, text="text", label="label")
    made = starter(path, text="text")
    assert made.fill_in is not None
    assert any("the column 'label' is passed over: " in note for note in made.notes)


def test_a_label_column_that_was_asked_for_must_be_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,kind\na,Tea\nb,Tea\n")
    with pytest.raises(CorpusError, match="the column 'kind' has 1 label; expected 2 to 1000"):
        starter(path, text="text", label="kind")
