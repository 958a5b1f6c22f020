"""The examples of docs/multilabel.md are read as the page says."""

import json
import re
from pathlib import Path

import yaml

from laud_ray import config
from laud_ray.label_sets import LabelSet
from serve.schemas import ClassifyResponse

PAGE = (Path(__file__).parents[3] / "docs" / "multilabel.md").read_text()
REST = {
    "corpus": {"path": "users.parquet", "text": "text"},
    "storage": "runs/users",
    "oracle": {"kind": "replay", "label": "labels"},
}


def test_its_yaml_is_a_configuration() -> None:
    data = dict(REST)
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        data |= yaml.safe_load(block)
    task = config.parse(yaml.safe_dump(data)).task.to_task()
    assert (task.multilabel, task.at_most, task.exclusive) == (True, 3, (("Sales", "Legal"),))


def test_its_answer_is_one_of_the_service() -> None:
    (block,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    found = ClassifyResponse(model={"name": "m", "version": "v"}, results=[json.loads(block)])
    assert type(found.results[0]).__name__ == "SetResult"


def test_its_texts_of_answers_are_read() -> None:
    texts = re.findall(r"`(\[[^`]*\]|\{\"no\"[^`]*\})`", PAGE)
    assert texts[:3] == ['["Production","Sales"]', "[]", '{"no":["Legal"],"yes":["Sales"]}']
    assert [LabelSet.parse(text).text for text in texts[:3]] == texts[:3]
