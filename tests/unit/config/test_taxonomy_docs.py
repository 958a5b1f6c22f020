"""The examples of docs/taxonomy.md are read as the page says."""

import re
from pathlib import Path

import yaml

from laud_ray import config

PAGE = (Path(__file__).parents[3] / "docs" / "taxonomy.md").read_text()
REST = {
    "corpus": {"path": "products.parquet", "text": "name"},
    "storage": "runs/products",
    "oracle": {"kind": "replay", "label": "category"},
}


def test_its_yaml_is_a_configuration() -> None:
    data = dict(REST)
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        data |= yaml.safe_load(block)
    found = config.parse(yaml.safe_dump(data))
    assert found.task.tree is not None
    assert found.task.tree.column == "category"
    assert found.promise is not None
