"""Label Studio with several choices."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from laud_ray.errors import CorpusError, UserError
from laud_ray.people.label_studio.label_config import label_config, read_control
from laud_ray.people.label_studio.tasks import answers, as_task
from laud_ray.people.questions import Candidate, Question
from laud_ray.types import Document, Label, Task

TASK = Task("t", "multilabel", tuple(map(Label, ["tea", "milk", "a; b"])))
MANY = Task("t", "multilabel", tuple(Label(f"label {i}") for i in range(40)))
CANDIDATES = (Candidate("tea", 0.9), Candidate("milk", 0.6), Candidate("a; b", 0.2))
QUESTION = Question(
    7,
    Document("d7", "text"),
    1,
    "query",
    1,
    CANDIDATES,
    "round-0001",
    True,
    False,
    datetime.now(UTC),
    "open",
    1,
    0,
    None,
    None,
)


def test_what_is_written_offers_several_choices_and_is_read_back() -> None:
    xml = label_config(TASK)
    assert '<Choices name="label" toName="text" required="true" choice="multiple" layout="vertical">' in xml
    assert '<Choice value="no label applies"/>' in xml
    control = read_control(xml, TASK)
    assert (control.several, list(control.choices)) == (True, ["tea", "milk", "a; b"])
    assert control.result(["tea", "milk"], "q")["value"] == {"choices": ["tea", "milk"]}
    many = read_control(label_config(MANY), MANY)
    assert many.result(["label 7", "label 3"], "q")["value"] == {"taxonomy": [["label 7"], ["label 3"]]}
    assert "maxUsages" not in label_config(MANY)


def test_a_project_with_one_choice_is_refused() -> None:
    flat = replace(TASK, kind="multiclass")
    with pytest.raises(UserError, match="has choice='single'; expected \"multiple\""):
        read_control(label_config(flat), TASK)
    with pytest.raises(UserError, match="has choice='multiple'; expected \"single\""):
        read_control(label_config(TASK).replace('    <Choice value="no label applies"/>\n', ""), flat)
    with pytest.raises(UserError, match='maxUsages="1"; expected several'):
        read_control(label_config(replace(MANY, kind="multiclass")), MANY)


def test_a_prediction_has_the_labels_that_are_likelier_than_not() -> None:
    control = read_control(label_config(TASK), TASK)
    (prediction,) = as_task(QUESTION, "run", control, blind=False)["predictions"]  # type: ignore[attr-defined]
    assert prediction["score"] == 0.6
    assert prediction["result"][0]["value"] == {"choices": ["tea", "milk"]}
    unlikely = replace(QUESTION, candidates=(Candidate("tea", 0.3),))
    assert "predictions" not in as_task(unlikely, "run", control, blind=False)


def pulled(chosen: list[str] | None, **more: Any) -> Any:
    control = read_control(label_config(TASK), TASK)
    result = [] if chosen is None else [{"from_name": "label", "value": {"choices": chosen}}]
    annotation = {"id": 1, "completed_by": 3, "updated_at": "2026-11-30T09:00:00Z", "result": result, **more}
    task = {"id": 5, "data": {"laud_run": "run", "laud_question": "q-000007"}, "annotations": [annotation]}
    return answers([task], {3: "ann"}, control, {7: QUESTION}, TASK, "run", "studio", shows=True).given


@pytest.mark.parametrize(
    ("chosen", "answer"),
    [
        (["milk", "tea"], ("label", '["milk","tea"]')),
        (["a; b"], ("label", '["a; b"]')),
        (["no label applies"], ("label", "[]")),
        (None, ("unsure", None)),
    ],
)
def test_choices_become_a_set(chosen: list[str] | None, answer: tuple[str, str | None]) -> None:
    (given,) = pulled(chosen)
    assert (given.answer, given.label) == answer


def test_no_label_beside_a_label_is_refused() -> None:
    with pytest.raises(CorpusError, match="'tea; no label applies' has 'no label applies'"):
        pulled(["tea", "no label applies"])
