"""The labels of a task of kind taxonomy: from files of several forms, from lists, or as the name of a column."""

from pathlib import Path

import pytest
import yaml

from laud_ray import config
from laud_ray.config import RunConfig
from laud_ray.errors import ConfigError
from laud_ray.taxonomy import Taxonomy

PATHS = ["Food", "Food > Milk", "Food > Tea", "Tools", "Tools > Saws"]
REST = {
    "corpus": {"path": "data.parquet", "text": "text"},
    "storage": "runs/shop",
    "oracle": {"kind": "replay", "label": "label"},
}


def parsed(labels: object, **task: object) -> RunConfig:
    data = {"task": {"name": "shop", "kind": "taxonomy", "labels": labels, **task}, **REST}
    return config.parse(yaml.safe_dump(data, sort_keys=False), "shop.yaml")


def tree_of(labels: object, **task: object) -> Taxonomy:
    tree = parsed(labels, **task).task.tree
    assert tree is not None
    return tree.read()


def shown(taxonomy: Taxonomy) -> list[str]:
    return [taxonomy.label(node) for node in range(len(taxonomy.nodes))]


def said(labels: object, folder: Path | None = None, **task: object) -> str:
    with pytest.raises(ConfigError) as raised:
        parsed(labels, **task)
    assert "\n" not in str(raised.value)
    return str(raised.value).replace(f"{folder}/", "")


def written(folder: Path, name: str, content: str) -> str:
    (folder / name).write_text(content)
    return str(folder / name)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "a.txt",
            "# Google_Product_Taxonomy\n1 - Food\n2 - Food > Milk\n3 - Food > Tea\n4 - Tools\n5 - Tools > Saws\n",
        ),
        (
            "a.txt",
            "\n".join(f"gid://shopify/TaxonomyCategory/a{i} : {path}" for i, path in enumerate(PATHS)),
        ),
        ("a.txt", "Food > Milk\nFood > Tea\nTools > Saws\n"),
        ("a.csv", "code,parent,name\n1,,Food\n2,1,Milk\n3,1,Tea\n4,,Tools\n5,4,Saws\n"),
        ("a.csv", "id;parent_id;name\n1;;Food\n2;1;Milk\n3;1;Tea\n4;;Tools\n5;4;Saws\n"),
        ("a.tsv", "path\tdescription\nFood > Milk\t\nFood > Tea\tleaves\nTools > Saws\n"),
        ("a.csv", "name,description\nFood > Milk,\nFood > Tea,\nTools > Saws,\n"),
        ("a.csv", "Level 1,Level 2\nFood,Milk\nFood,Tea\nTools,Saws\n"),
        ("a.csv", "code,level_1,level_2\n1,Food,Milk\n2,Food,Tea\n3,Tools,Saws\n"),
        ("a.yaml", "- Food > Milk\n- Food > Tea\n- {path: Tools > Saws, code: 8}\n".replace(", code: 8", "")),
        ("a.json", '["Food > Milk", {"name": "Food > Tea", "description": null}, "Tools > Saws"]'),
    ],
)
def test_files_of_every_form(tmp_path: Path, name: str, content: str) -> None:
    assert shown(tree_of(written(tmp_path, name, content))) == PATHS


def test_lists_and_mappings_in_the_yaml() -> None:
    assert shown(tree_of(["Food > Milk", "Food > Tea", "Tools > Saws"])) == PATHS
    assert shown(tree_of({"Food > Milk": None, "Food > Tea": "leaves", "Tools > Saws": None})) == PATHS
    linked = [{"code": "1", "name": "Food"}, *({"code": f"2{name}", "parent": "1", "name": name} for name in "ab")]
    assert shown(tree_of(linked)) == ["Food", "Food > a", "Food > b"]
    coded = tree_of([{"path": "Food > Tea", "code": "t", "also": ["Chai"]}, {"path": "Food > Milk", "code": "m"}])
    assert coded.find("Chai") == coded.find("t") == 1


def test_numbers_in_yaml_stay_text() -> None:
    labels = "[{path: Food > 1.10, code: 1.10}, {path: Food > no, code: 2}]"
    data = f"task: {{name: shop, kind: taxonomy, labels: {labels}}}\n{yaml.safe_dump(REST)}"
    tree = config.parse(data).task.tree
    assert tree is not None
    found = tree.read()
    assert [node.code for node in found.nodes] == ["Food", "1.10", "2"]
    assert found.nodes[2].name == "no"


def test_stated_levels_leave_other_columns_out(tmp_path: Path) -> None:
    content = "Key,Segment,Segment Name,Commodity,Commodity Name\n1,10,Food,11,Tea\n2,10,Food,12,Milk\n"
    file = written(tmp_path, "a.csv", content)
    labels = {"path": file, "levels": ["segment name", "Commodity Name"], "code": "Commodity"}
    found = tree_of(labels)
    assert shown(found) == ["Food", "Food > Tea", "Food > Milk"]
    assert [node.code for node in found.nodes] == ["Food", "11", "12"]
    wrong = said({"path": file, "levels": ["Segment Name", "Class"]}, tmp_path)
    assert wrong == (
        "a.csv line 1: has the columns 'Key,Segment,Segment Name,Commodity,Commodity Name'; expected the columns "
        "'Segment Name', 'Class'"
    )


def test_another_separator(tmp_path: Path) -> None:
    file = written(tmp_path, "a.txt", "Food/Milk\nFood/Tea\nTools/Saws\nTools/Files\n")
    found = tree_of(file, separator="/")
    assert found.separator == "/"
    assert found.label(1) == "Food/Milk"
    assert parsed(file, separator="/").task.to_task().names == ("Food/Milk", "Food/Tea", "Tools/Saws", "Tools/Files")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "code,parent,name\n1,,Food\n2,9,Tea\n", "a.csv line 3: the parent '9' is not valid"),
        (
            "a.csv",
            "code,parent,name\n1,2,Food\n2,1,Tea\n",
            "a.csv line 2: the parent '2' is not valid: the parents form",
        ),
        ("a.csv", "code,parent,name\n1,,Food\n1,1,Tea\n", "a.csv line 3: the code '1' is a duplicate of a.csv line 2"),
        ("a.csv", "level 1,level 2,level 3\nFood,,Tea\n", "a.csv line 2: 'level 2': '' is not valid; expected a name"),
        ("a.csv", "path,price\nFood > Tea,3\n", "a.csv: the column 'price' is unknown"),
        ("a.csv", "path,path\nFood > Tea,\n", "a.csv line 1: the column 'path' is a duplicate"),
        ("a.csv", "title,price\nTea,3\n", "a.csv line 1: has the columns 'title,price'; expected a column path"),
        ("a.csv", "path\nFood > Tea,Food > Milk\n", "a.csv line 2: has 2 cells; expected at most 1 (path)"),
        ("a.csv", "", "a.csv: has no labels"),
        ("a.csv", "path\nTea\nMilk\n", "a.csv: has no path with the separator ' > ', such as 'Tea'; expected paths"),
        ("a.yaml", "- Food > Tea\n- Food >\n", "a.yaml row 2: 'Food >' is not valid; expected a name at each level"),
        ("a.yaml", "- {path: Food > Tea, cod: 1}\n", "a.yaml[0].cod: unknown key; expected one of code, parent, path"),
        ("a.docx", "", "shop.yaml: task.labels: 'a.docx': the ending '.docx' is not valid; expected a YAML, JSON"),
    ],
)
def test_mistakes_name_the_file_and_the_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    assert said(written(tmp_path, name, content), tmp_path).replace(f"'{tmp_path}/", "'").startswith(message)


def test_paths_with_another_separator_are_recognised(tmp_path: Path) -> None:
    file = written(tmp_path, "a.csv", "path\nFood/Milk\nFood/Tea\nTools/Saws\nTools/Files\n")
    assert said(file, tmp_path).endswith("such as 'Food/Milk'; expected paths of several levels, or separator: '/'")


def test_mistakes_in_the_yaml() -> None:
    assert said({"path": "a.csv", "level": ["a"]}).startswith(
        "shop.yaml: task.labels.level: unknown key; expected one of"
    )
    assert said({"path": "a.txt", "levels": ["a"]}).endswith("levels and code only for a CSV or TSV file")
    assert said({"path": "a.csv", "levels": "a"}).startswith("shop.yaml: task.labels.levels: 'a' is not valid")
    assert said("$HOME/a.csv").startswith("shop.yaml: task.labels: '$HOME/a.csv' is not valid, because variables")
    assert said("missing.csv").startswith("shop.yaml: task.labels: 'missing.csv': no such file")
    assert said(["a > b", "a > c"], separator=3).startswith("shop.yaml: task.separator: 3 is not valid")
    assert said(["a > b", "a > c"], separator="").startswith("shop.yaml: task.separator: '' is not valid")
    assert said(["a > b", "a > c"], answers="leaves").startswith("shop.yaml: task.answers: 'leaves' is not valid")


def test_a_column_is_read_later() -> None:
    tree = parsed({"column": "label"}).task.tree
    assert tree is not None
    assert (tree.column, tree.taxonomy) == ("label", None)
    with pytest.raises(ConfigError, match="the paths in the column 'label' are not read yet"):
        parsed({"column": "label"}).task.to_task()
    assert said({"column": "text"}).startswith("shop.yaml: task.labels.column: the column 'text' is also corpus.text")
