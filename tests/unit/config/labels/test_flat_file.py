"""Labels in files of their own: read by their endings, refused by their lines."""

import gzip
from pathlib import Path

import pytest
import yaml

from laud_ray import config
from laud_ray.errors import ConfigError
from laud_ray.types import Label

CASES = Path(__file__).parents[4].parent / "shared/cases"
REST = {
    "corpus": {"path": "data.parquet", "text": "text"},
    "storage": "runs/food",
    "oracle": {"kind": "replay", "label": "label"},
}


def labels_of(path: Path) -> tuple[Label, ...]:
    text = yaml.safe_dump({"task": {"name": "food", "labels": str(path)}, **REST})
    return config.parse(text, "food.yaml").task.to_task().labels


def said(path: Path) -> str:
    with pytest.raises(ConfigError) as raised:
        labels_of(path)
    assert "\n" not in str(raised.value)
    return str(raised.value).replace(f"{path.parent}/", "")


def written(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "# a comment\r\n\r\nTea\r\n  # another\r\n Coffee \r\n"),
        ("a.TXT", b"\xef\xbb\xbfTea\nCoffee"),
        ("a.txt", "Tea\nCoffee\n".encode("utf-16")),
        ("a.csv", "name,description\n\n# none\nTea,\nCoffee,\n"),
        ("a.csv", b"\xef\xbb\xbfLabel\rTea\rCoffee\r"),
        ("a.CSV", " name , description\nTea , \n Coffee\n"),
        ("a.csv", "name;description\nTea;\nCoffee;;\n"),
        ("a.tsv", "name\tdescription\nTea\t\nCoffee\t\n"),
        ("a.json", '["Tea", "Coffee"]'),
        ("a.JSON", '[{"name": "Tea"}, {"name": "Coffee", "description": null}]'),
        ("a.json", '\ufeff{"Tea": null, "Coffee": null}'),
        ("a.yml", "# labels\n- Tea\n- name: Coffee\n"),
        ("a.yaml", "\ufeffTea:\nCoffee: null\n"),
    ],
)
def test_by_ending(tmp_path: Path, name: str, content: str | bytes) -> None:
    assert labels_of(written(tmp_path, name, content)) == (Label("Tea"), Label("Coffee"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'name,description,also\nTea, "leaves, dried", tea | TEE\n"#1",x,\n'),
        ("a.tsv", "name\tdescription\talso\nTea\tleaves, dried\ttea|TEE\n\n#1\tx\n"),
        ("a.json", '[{"name": "Tea", "description": "leaves, dried", "also": ["tea", "TEE"]}, {"name": "#1"}]'),
        ("a.yaml", "- {name: Tea, description: 'leaves, dried', also: [tea, TEE]}\n- '#1'\n"),
    ],
)
def test_descriptions_and_other_spellings(tmp_path: Path, name: str, content: str) -> None:
    content = content.replace("\n#1\tx", "\nNo 1\tx") if name == "a.tsv" else content
    tea, second = labels_of(written(tmp_path, name, content))
    assert tea == Label("Tea", "leaves, dried", also=("tea", "TEE"))
    assert second.name in ("#1", "No 1")


@pytest.mark.parametrize(
    ("name", "content", "names"),
    [
        ("a.yaml", "[no, 1, 1.10, 2020-01-01, null, 'x']", ("no", "1", "1.10", "2020-01-01", "null", "x")),
        ("a.yaml", "no: 1\n1.0: x\n", ("no", "1.0")),
        ("a.json", "[1, 1.10, true, 1e3]", ("1", "1.10", "true", "1e3")),
        ("a.csv", "name\nno\n007\nnull\n1.10\n", ("no", "007", "null", "1.10")),
        ("a.txt", "true\nNaN\n0\n", ("true", "NaN", "0")),
        (
            "a.txt",
            "Stra\u00dfe > 5 km\nStra\u00dfe\n\u2764\ufe0f\n",
            ("Stra\u00dfe > 5 km", "Stra\u00dfe", "\u2764\ufe0f"),
        ),
        ("a.txt", "Food > Milk\nFood > Bread\n", ("Food > Milk", "Food > Bread")),
        (
            "a.txt",
            "# Google_Product_Taxonomy_Version: 2021-09-21\n1 - Animals\n632 - Hardware\n",
            ("Animals", "Hardware"),
        ),
        ("a.txt", "1 - Small\n2 - Large\n", ("1 - Small", "2 - Large")),
        (
            "a.txt",
            "gid://x/TaxonomyCategory/ap     : Animals\ngid://x/TaxonomyCategory/b : Toys\n",
            ("Animals", "Toys"),
        ),
    ],
)
def test_names_are_what_stands_there(tmp_path: Path, name: str, content: str, names: tuple[str, ...]) -> None:
    if content.startswith("Stra"):  # a name and what it is below
        assert "is a child of the label 'Stra\u00dfe'" in said(written(tmp_path, name, content))
        return
    assert tuple(label.name for label in labels_of(written(tmp_path, name, content))) == names


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.lst", "Tea\nCoffee", "a.lst: the ending '.lst' is not valid; expected a YAML, JSON, CSV, TSV or text file"),
        ("labels", "Tea\nCoffee", "labels: the ending '' is not valid; expected a YAML"),
        ("a.txt", "# only this\n", "a.txt: has no labels; expected at least two"),
        (
            "a.txt",
            "Tea\n\n Tea\u200b\n",
            "a.txt line 3: the label 'Tea' is a duplicate of a.txt line 1; expected each label once",
        ),
        (
            "a.txt",
            "Tea\nCof\x07fee\n",
            r"a.txt line 2: 'Cof\x07fee' is not valid; expected a name of visible characters",
        ),
        ("a.csv", "name,description\nTea,leaves, dried\n", "a.csv line 2: has 3 cells; expected at most 2 (name, desc"),
        (
            "a.csv",
            'name,description\nTea,"lea\nves"\n',
            "a.csv line 2: 'Tea,\"lea' is not valid: unexpected end of data",
        ),
        ("a.csv", "name,description\n,leaves\n", "a.csv line 2: '' is not valid; expected a name of visible"),
        (
            "a.csv",
            "Tea,leaves\nCoffee,\n",
            "a.csv line 1: has the columns 'Tea,leaves'; expected a column name (or label)",
        ),
        (
            "a.csv",
            "name,descripton\nTea,leaves\n",
            "a.csv line 1: the column 'descripton' is unknown; expected a column name",
        ),
        (
            "a.csv",
            "name,label\nTea,leaves\n",
            "a.csv line 1: the column 'name' is a duplicate; expected a column name (or label)",
        ),
        ("a.json", '["Tea",\n "Coffee"', "a.json line 2: is not valid JSON"),
        (
            "a.json",
            '["Tea", null]',
            "a.json label 2: None is not valid; expected a name or {name: ..., description: ...}",
        ),
        (
            "a.json",
            '{"labels": ["Tea", "Coffee"]}',
            "a.json: 'labels' holds a list; expected a list of labels without a key above it",
        ),
        (
            "a.yaml",
            "labels: {Tea: x}",
            "a.yaml: 'labels' holds a mapping; expected a list of labels without a key above it",
        ),
        ("a.json", '{"Tea": "x", "Tea": "y"}', "a.json: the key 'Tea' is a duplicate; expected each key once"),
        ("a.txt", "a" * 1001 + "\nb", "aaa'... is not valid; expected a name of at most 1,000 characters"),
        ("a.csv", "\n# none\n", "a.csv: has no labels; expected at least two"),
        ("a.json", '"Tea"', "a.json: 'Tea' is not valid; expected a list of labels"),
        ("a.json", "[" * 100_000, "a.json: is nested too deeply; expected a list of labels"),
        ("a.json", '[{"name": "Tea", "positiv": true}, "b"]', "food.yaml: task.labels[0].positiv: unknown key"),
        ("a.yaml", "- Tea\n- 'Tea '\n", "a.yaml label 2: the label 'Tea' is a duplicate of a.yaml label 1"),
        (
            "a.csv",
            "name\nB\xe4r\n".encode("cp1252"),
            "a.csv': line 2 holds bytes that are not utf-8; as cp1252 they would read 'B\xe4r': if that is right, "
            "state `labels: {path: ",
        ),
        ("a.csv", b"PK\x03\x04..[Content_Types].xml..xl/workbook.xml", "a.csv': is an Excel workbook (xlsx); expected"),
        ("a.txt", gzip.compress(b"Tea", mtime=0), "a.txt': is gzip data; expected a YAML, JSON, CSV, TSV or text file"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    assert message in said(written(tmp_path, name, content))


def test_the_encoding_of_a_label_file_can_be_stated_and_wide_ones_are_found(tmp_path: Path) -> None:
    def read(path: Path, encoding: str) -> list[str]:
        labels = {"path": str(path), "encoding": encoding}
        text = yaml.safe_dump({"task": {"name": "food", "labels": labels}, **REST})
        return [label.name for label in config.parse(text, "food.yaml").task.labels]

    plain = written(tmp_path, "a.csv", "name;description\nB\xe4r;K\xe4se\nTea;\n".encode("cp1252"))
    assert read(plain, "cp1252") == read(plain, "windows-1252") == ["B\xe4r", "Tea"]
    assert read(written(tmp_path, "marked.txt", "\ufeffB\xe4r\nTea\n"), "cp1252") == ["B\xe4r", "Tea"]
    wide = written(tmp_path, "wide.csv", "name\nB\xe4r\nTea\n".encode("utf-16-le"))
    assert [label.name for label in labels_of(wide)] == ["B\xe4r", "Tea"]
    with pytest.raises(ConfigError, match="food.yaml: task.labels: 'cp9' is not valid; expected an encoding"):
        read(plain, "cp9")
    both = {"path": "the way", "encoding": "the code", "more": "x"}
    named = yaml.safe_dump({"task": {"name": "food", "labels": both}, **REST})
    assert len(config.parse(named, "food.yaml").task.labels) == 3


def test_a_thousand_labels(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "name,description\r\n" + "".join(f"label {i},\r\n" for i in range(1000)))
    assert len(labels_of(path)) == 1000


@pytest.mark.skipif(not CASES.exists(), reason="the shared inputs are not here")
def test_the_shared_inputs() -> None:
    assert labels_of(CASES / "label-files/labels.CSV") == (Label("Bread", "loaves"), Label("Fruit"))
    assert [one.name for one in labels_of(CASES / "label-files/labels.json")] == ["Bread", "Fruit", "Milk"]
    assert labels_of(CASES / "label-files/ws.csv") == (Label("Bread", "loaves"), Label("Fruit"))
    assert "short.csv line 2: has 3 cells" in said(CASES / "label-files/short.csv")
    for name in ("google.txt", "shopify.txt"):
        assert "is a child of the label 'Animal" in said(CASES / "label-files" / name)
    for name in ("labels.csv", "labels.txt"):
        assert [one.name for one in labels_of(CASES / "bom" / name)] == ["Bread", "Fruit", "Milk", "Tools"]
