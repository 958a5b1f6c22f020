"""`laud init`: a task.yaml for somebody's data, whatever the data lack."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from laud_ray import config
from laud_ray.errors import CorpusError
from laud_ray.planning.starter import starter
from laud_ray.planning.text_sample import MOST, TextSample
from laud_ray.storage.text_reading import Reading
from laud_ray.store.run import configured

CASES = Path(__file__).parents[3].parent / "shared/cases"


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
            "a.csv header: .* is not UTF-8; as cp1252 they would read '.*': if that is right, state `encoding: cp1252`",
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
    assert any("the column 'label' is ignored: " in note for note in made.notes)


@pytest.mark.parametrize(
    ("labels", "cause"),
    [
        (["Tea"] * 3, "has the label 'Tea' in all 3 rows with a label; expected two or more labels"),
        (["Tea", "tea "], "has the label 'Tea' in all 2 rows with a label; expected two or more labels"),
        (["", " ", "\u200b"], "is empty in all 3 rows; expected labels"),
        ([f"x{i}" for i in range(30)], "has a different label in each of 30 rows; expected labels that several rows"),
        (
            [f"x{i // 2}" for i in range(2002)],
            "has 1,001 different labels in 2,002 rows; expected 2 to 1,000 labels; for codes of a tree, write",
        ),
        ([f"x{i}" for i in range(10_001)], "has more than 10,000 different values in the first 10,001 rows; expected"),
    ],
)
def test_a_column_that_cannot_be_one_of_labels_is_refused_for_its_true_cause(
    tmp_path: Path, labels: list[str], cause: str
) -> None:
    rows = "".join(f"text {i},{label}\n" for i, label in enumerate(labels))
    path = write(tmp_path / "a.csv", f"text,label\n{rows}")
    with pytest.raises(CorpusError, match=re.escape(f"the column 'label' {cause}")):
        starter(path, text="text", label="label")
    guessed = starter(path, text="text")
    assert guessed.fill_in is not None
    assert f"the column 'label' {cause}" in "".join(guessed.notes)


def test_spellings_of_a_label_are_one_label_and_said(tmp_path: Path) -> None:
    labels = [
        "Milk",
        "Milk",
        "MILK ",
        "\u200bmilk",
        "Bread",
        "\ufeffBread",
        "\uff22read",
        "Bread.",
        "a\x07b",
        "I",
        "\u0131",
    ]
    rows = "".join(f"text {i},{label}\n" for i, label in enumerate(labels))
    made = starter(write(tmp_path / "a.csv", f"text,label\n{rows}text 0,Bread\n"), text="text")
    task = config.parse(made.text).task
    assert [(one.name, one.also) for one in task.labels] == [
        ("Bread", ("\uff22read",)),
        ("Bread.", ()),
        ("I", ("\u0131",)),
        ("Milk", ("MILK", "milk")),
    ]
    assert "# also: other spellings of the label in the data" in made.text
    said = "\n".join(made.notes)
    assert "'Milk' (2), 'MILK' (1), 'milk' (1) are one label, 'Milk'" in said
    assert "white space and invisible characters are removed from the labels of 3 rows" in said
    assert "1 row has a value that is not valid as a label (control characters, or too long): 'a\\x07b'" in said
    assert "1 text occurs with two different labels" in said
    assert "'Bread' and 'Bread.' look the same" in said


def test_all_rows_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorted data: a class of which the first rows say nothing is a class."""
    monkeypatch.setattr("laud_ray.planning.starter.LOOK_AT", 10)
    rows = "".join(f"text {i},{'Tea' if i < 40_000 else 'Coffee'}\n" for i in range(40_050))
    made = starter(write(tmp_path / "a.csv", f"text,label\n{rows}"), text="text")
    assert [one.name for one in config.parse(made.text).task.labels] == ["Coffee", "Tea"]
    assert made.notes == ()


def test_labels_that_yaml_would_read_as_something_else(tmp_path: Path) -> None:
    labels = [
        "no",
        "true",
        "null",
        "nan",
        "1",
        "007",
        "1.10",
        "2020-01-01",
        "~",
        "A",
        "0",
        "none",
        "a: b",
        "#c",
        "[d]",
        "'",
        '""x""',
    ]
    rows = "".join(f'text {i},"{label}"\n' for i, label in enumerate(labels * 3))
    made = starter(write(tmp_path / "a.csv", f"text,label\n{rows}"), text="text")
    names = sorted(label.replace('""', '"') for label in labels)
    assert [one.name for one in config.parse(made.text).task.labels] == names
    assert [one.name for one in config.parse(config.parse(made.text).dump()).task.labels] == names


def test_too_few_texts_are_said(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"a.csv: all 5 texts in 'text' are the same; expected different ones"):
        starter(write(tmp_path / "a.csv", "text,label\n" + "same,x\nsame ,y\n" * 2 + "same,y"), text="text")
    made = starter(write(tmp_path / "b.csv", "text,label\na,x\nb,y\n"), text="text")
    assert any("has 2 different texts; a run needs at least 40" in note for note in made.notes)


@pytest.mark.skipif(not CASES.exists(), reason="the shared inputs are not here")
@pytest.mark.parametrize(
    ("text", "foreign"),
    [("食パン 大 新鮮", True), ("Хлеб ржаной", True), ("🥖 🆕 🔥", True), ("Grüner Tee 20 Beutel", False)],
)
def test_a_script_that_the_bundled_encoder_does_not_read_is_said(tmp_path: Path, text: str, foreign: bool) -> None:
    rows = "".join(f"{text} {i},{'AB'[i % 2]}\n" for i in range(60))
    made = starter(write(tmp_path / "a.csv", f"text,label\n{rows}"), text="text")
    assert any("choose a multilingual encoder" in note for note in made.notes) == foreign


def test_a_sample_of_texts_is_spread_over_all_of_them() -> None:
    sample = TextSample()
    for start in range(0, 100_000, 1000):
        sample.add([str(i).encode() for i in range(start, start + 1000)])
    numbers = [int(text) for text in sample.texts]
    assert MOST / 2 <= len(numbers) <= MOST
    assert {b - a for a, b in pairwise(numbers)} == {32}
    few = TextSample()
    for cell in (b"a", None, b" \n", b"b", b"\xff"):
        few.add([cell])
    assert few.texts == ["a", "b", "\ufffd"]


def test_the_shared_inputs() -> None:
    for name in ("case", "spaces"):
        made = starter(str(CASES / f"label-variants/{name}.csv"), text="text")
        assert [one.name for one in config.parse(made.text).task.labels] == ["Bread", "Fruit", "Milk", "Tools"]
    made = starter(str(CASES / "sizes/oneclass.csv"), text="text")
    assert "has the label 'Milk' in all 160 rows with a label" in made.notes[0]
    with pytest.raises(CorpusError, match="all 160 texts in 'text' are the same"):
        starter(str(CASES / "sizes/same.csv"), text="text")


def test_how_text_is_written_stands_in_the_yaml_and_is_noted(tmp_path: Path) -> None:
    made = starter(write(tmp_path / "a.csv", "id;text;label\n1;a, b;Tea\n2;c;Coffee\n"), text="text")
    corpus = config.parse(made.text).corpus
    assert (corpus.delimiter, corpus.quote, corpus.encoding) == (";", '"', "utf-8")
    assert any("is read with delimiter ';'" in note for note in made.notes)
    assert all(f"# {note}" in made.text for note in made.notes)
    tabs = starter(write(tmp_path / "b.tsv", 'text\tlabel\n"a\tTea\n5"\tCoffee\n'), text="text")
    assert config.parse(tabs.text).corpus.reading == Reading("\t", "none", "utf-8")
    stated = starter(
        write(tmp_path / "c.csv", "text,label\ngrün,Tee\nb,Kaffee\n".encode("cp1252")),
        text="text",
        reading=Reading(encoding="cp1252"),
    )
    assert config.parse(stated.text).corpus.encoding == "cp1252"
    plain = starter(
        write(tmp_path / "d.jsonl", '{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}\n'), text="text"
    )
    assert yaml.safe_load(plain.text)["corpus"] == {"path": str(tmp_path / "d.jsonl"), "text": "text", "id": None}


@pytest.mark.parametrize("content", ["text,label,label\na,b,c\n", "text,label\na,Tea\nb,Tea\n"])
def test_a_guessed_column_that_does_not_fit_is_passed_over(tmp_path: Path, content: str) -> None:
    made = starter(write(tmp_path / "a.csv", content), text="text")
    assert made.fill_in is not None
    assert any("'label'" in note and "ignored" in note for note in made.notes)


@pytest.mark.parametrize("roles", [{"label": "text"}, {"id": "text"}, {"id": "label", "label": "label"}])
def test_a_column_has_one_role(tmp_path: Path, roles: dict[str, str]) -> None:
    path = write(tmp_path / "a.csv", "text,label\na,Tea\nb,Coffee\n")
    with pytest.raises(CorpusError, match="is also the column of --(text|id); expected two different columns"):
        starter(path, text="text", **roles)  # type: ignore[arg-type]


def test_data_without_a_text_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="the column 'text' is empty in all 2 rows; expected texts"):
        starter(write(tmp_path / "a.csv", "text,label\n,Tea\n ,Coffee\n"), text="text")


def test_names_of_files_cannot_write_into_the_yaml(tmp_path: Path) -> None:
    place = tmp_path / "a\nstorage: elsewhere"
    place.mkdir()
    write(place / "a.txt", "?")
    write(place / "a.csv", "text;n\na;1\n")
    made = starter(str(place), text="text")
    assert yaml.safe_load(made.text)["storage"] != "elsewhere"
    assert all("\n" not in note for note in made.notes)


def shop(tmp_path: Path, rows: str, header: str = "text,label") -> str:
    return write(tmp_path / "shop.csv", f"{header}\n{rows}")


PATHS = ["Food > Milk", "Food > Tea", "Tools > Saws", "Tools > Files", "food > Tea", "Tools"]


def test_a_column_of_paths_makes_a_taxonomy(tmp_path: Path) -> None:
    data = shop(tmp_path, "".join(f"text {i},{PATHS[i % 6]}\n" for i in range(60)))
    made = starter(data, text="text")
    assert made.fill_in is None
    assert (made.task.kind, made.task.names) == (
        "taxonomy",
        ("Food > Milk", "Food > Tea", "Tools > Files", "Tools > Saws"),
    )
    path = write(tmp_path / "shop.yaml", made.text)
    found = configured(path)
    assert found.task.to_task() == made.task
    assert (found.promise.accuracy if found.promise else None, found.budget.annotations) == (0.9, 500)
    assert found.oracle.model_dump()["label"] == "label"
    assert "4 leaves, 6 nodes in 2 levels" in made.text
    said = "\n".join(made.notes)
    assert "the column 'label': 10 rows have a path that is above others; " in said
    assert "1 names differ from another one only in case or width" in said


def test_thousands_of_paths_get_a_larger_budget(tmp_path: Path) -> None:
    paths = [f"Group {i // 100} > Part {i}" for i in range(12_000)]
    made = starter(shop(tmp_path, "".join(f"a{i},{path}\nb{i},{path}\n" for i, path in enumerate(paths))), text="text")
    found = config.parse(made.text)
    assert len(made.task.labels) == 12_000
    assert (found.budget.annotations, found.init.max_queries, found.evaluation.size) == (2000, 1000, 1000)
    assert len(made.text) < 10_000


def test_a_column_with_the_name_of_paths_needs_paths(tmp_path: Path) -> None:
    paths = "".join(f"text {i},{PATHS[i % 4]}\n" for i in range(40))
    made = starter(shop(tmp_path, paths, "text,Breadcrumbs"), text="text")
    assert (made.task.kind, made.fill_in) == ("taxonomy", None)
    made = starter(shop(tmp_path, "a,x\nb,x\nc,y\n", "text,Breadcrumbs"), text="text")
    assert made.fill_in is not None
    assert "the column 'Breadcrumbs' holds no paths of a taxonomy; the column is ignored" in made.notes
    made = starter(shop(tmp_path, "a,x\nb,x\nc,y\n", "text,Breadcrumbs"), text="text", label="Breadcrumbs")
    assert made.task.names == ("x", "y")


def test_other_separators_are_written(tmp_path: Path) -> None:
    rows = "".join(f"text {i},{PATHS[i % 4].replace(' > ', '/')}\n" for i in range(40))
    made = starter(shop(tmp_path, rows), text="text")
    assert made.task.names[0] == "Food/Milk"
    assert configured(write(tmp_path / "shop.yaml", made.text)).task.to_task() == made.task


def test_paths_that_are_not_valid_are_said(tmp_path: Path) -> None:
    rows = "".join(f"text {i},Group {i // 20} > Part {i // 2}\n" for i in range(400))
    made = starter(shop(tmp_path, f"{rows}x,Group 1 >\n"), text="text")
    assert made.task.kind == "multiclass"
    (said,) = [note for note in made.notes if "looks like paths" in note]
    assert "'Group 1 >' is not valid; expected a name at each level" in said
    assert said.endswith("(1 row has it); the labels are taken as labels of one level")


def written(path: Path, rows: list[object], column: str = "labels") -> str:
    lines = [json.dumps({"text": f"text {i}", column: row}) for i, row in enumerate(rows)]
    return write(path, "\n".join(lines))


def test_lists_make_the_task_multilabel(tmp_path: Path) -> None:
    rows = [["Tea", "Milk "], ["tea"], ["Tea"], [], None, "Bread", ["Milk", "Bread", "Tea"], ["Bread"]]
    made = starter(written(tmp_path / "a.jsonl", rows), text="text")
    parsed = config.parse(made.text)
    assert (parsed.task.kind, parsed.task.separator, parsed.task.at_most) == ("multilabel", None, None)
    assert [(one.name, one.also) for one in parsed.task.labels] == [("Bread", ()), ("Milk", ()), ("Tea", ("tea",))]
    assert parsed.oracle.model_dump()["label"] == "labels"
    assert "3 labels, 1.29 for a document on average, 3 at most" in made.text
    assert made.fill_in is None
    # What a multilabel task refuses, or measures otherwise, is not offered.
    assert "audit:" not in made.text
    assert "update:" not in made.text
    assert "macro" not in made.text
    assert "{kind: target, metric: micro_f1, value: 0.9}" in made.text
    assert "gained at most this much micro-F1" in made.text
    said = "\n".join(made.notes)
    assert "an empty list says in 1 rows that no label applies" in said
    assert "white space and invisible characters are removed from the labels of 1 rows" in said


def test_a_parquet_column_of_lists_with_a_limit(tmp_path: Path) -> None:
    rows = [["a", "b"]] * 20 + [["a"]] * 10 + [["c", "b"]] * 10 + [["c"]] * 3
    pq.write_table(pa.table({"text": [f"t{i}" for i in range(43)], "tags": rows}), tmp_path / "a.parquet")
    made = starter(str(tmp_path / "a.parquet"), text="text").text
    parsed = config.parse(made)
    assert (parsed.task.kind, parsed.task.at_most) == ("multilabel", None)
    assert "  # at_most: 2    no document of this data has more labels" in made
    limited = config.parse(made.replace("  # at_most: 2    no", "  at_most: 2  # no"))
    assert limited.task.at_most == 2
    assert parsed.oracle.model_dump()["label"] == "tags"


def test_lists_of_one_label_stay_labels_of_one(tmp_path: Path) -> None:
    made = starter(written(tmp_path / "a.jsonl", [["Tea"], ["Milk"], None, ["Tea"]]), text="text")
    parsed = config.parse(made.text)
    assert parsed.task.kind == "multiclass"
    assert [label.name for label in parsed.task.labels] == ["Milk", "Tea"]


@pytest.mark.parametrize("separator", [";", "|", ","])
def test_texts_of_several_labels_make_the_task_multilabel(tmp_path: Path, separator: str) -> None:
    rows = [f"Tea{separator} Milk", "Tea", "Milk", f"Bread{separator}Tea", f"Milk{separator}Bread", "Bread", ""]
    made = starter(written(tmp_path / "a.jsonl", list(rows), "label"), text="text", label="label")
    parsed = config.parse(made.text)
    assert (parsed.task.kind, parsed.task.separator) == ("multilabel", separator)
    assert [label.name for label in parsed.task.labels] == ["Bread", "Milk", "Tea"]


def test_lists_beside_texts_of_several_labels_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [["Tea", "Milk"], "Bread", ["Bread", "Tea"], "Milk; Tea", "Milk, whole"])
    mistake = "a.jsonl row 4 the text 'Milk; Tea', which is several labels; expected lists in all rows, or texts in all"
    with pytest.raises(CorpusError, match=mistake) as raised:
        starter(path, text="text", label="labels")
    assert "\n" not in str(raised.value)
    assert any(mistake in note for note in starter(path, text="text").notes)


def test_a_label_with_a_separator_in_it_may_stand_beside_lists(tmp_path: Path) -> None:
    rows: list[object] = [["Tea", "Salt; Pepper"], "Salt; Pepper", ["Salt", "Pepper"], ["Tea"], "Arts, Music", None]
    parsed = config.parse(starter(written(tmp_path / "a.jsonl", rows), text="text").text)
    assert [one.name for one in parsed.task.labels] == ["Arts, Music", "Pepper", "Salt", "Salt; Pepper", "Tea"]


def test_a_guessed_column_of_tags_must_hold_sets(tmp_path: Path) -> None:
    made = starter(written(tmp_path / "a.jsonl", ["Tea", "Milk", "Tea"], "tags"), text="text")
    assert made.fill_in is not None
    assert any("the column 'tags' holds no sets of labels; the column is ignored" in note for note in made.notes)
