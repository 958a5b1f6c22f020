"""The annotators' page of a multilabel task, without a browser."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from laud_ray.people.tokens import Person
from serve.annotate.desk import Desk
from serve.annotate.routes import make_app
from serve.annotate.work import Work
from serve.origin import Origins
from tests.annotating import make_run
from tests.unit.serve.annotate.conftest import Page


@pytest.fixture(scope="module")
def run_of_sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("sets") / "run", sets="at_most: 2, exclusive: [[Dairy, Fruit]]", n=5)


@pytest.fixture
def sets(run_of_sets: Path, tmp_path: Path) -> Iterator[Page]:
    desk = Desk(str(shutil.copytree(run_of_sets, tmp_path / "run")))
    work = Work(desk, anonymous=True)
    yield Page(make_app(work, tokens=None, alone=Person("local", "owner"), origins=Origins((), ())))
    desk.close()


def test_the_page_knows_the_limits_and_all_likely_labels(sets: Page) -> None:
    found = sets.get("/v1/labels")
    assert found["sets"] == {"at_most": 2, "exclusive": [["Dairy", "Fruit"]]}
    (question,) = sets.next()
    assert [p for _, p in question["candidates"]] == [0.9, 0.7, 0.3, 0.1]


def test_sets_are_recorded_shown_and_taken_back(sets: Page) -> None:
    one, two = sets.next(2)
    first = str(uuid.uuid4())
    answer = sets.vote(one["id"], answer="label", labels=["Fruit", "Bakery"], id=first)
    assert answer.json()["receipts"][0]["outcome"] == "counted"
    assert sets.vote(two["id"], answer="label", labels=[]).json()["receipts"][0]["state"] == "settled"
    given = sets.get("/v1/history")["answers"]
    assert [each["vote"]["labels"] for each in given] == [[], ["Bakery", "Fruit"]]
    assert given[1]["vote"]["label"] == '["Bakery","Fruit"]'
    assert sets.vote(one["id"], answer="undo", undoes=first).json()["receipts"][0]["outcome"] == "undone"
    assert sets.vote(one["id"], answer="none").json()["receipts"][0]["state"] == "settled"
    assert sets.get("/v1/history")["answers"][0]["vote"]["labels"] == []


@pytest.mark.parametrize(
    ("labels", "mistake"),
    [
        (["Dairy", "Fruit"], "exclude each other"),
        (["Dairy", "Bakery", "Beverages"], "3 labels are too many; expected at most 2"),
        (["Cheese"], "'Cheese' is not valid"),
        (None, "is not valid; expected a JSON list of labels"),
    ],
)
def test_a_set_that_is_not_valid_is_refused(sets: Page, labels: list[str] | None, mistake: str) -> None:
    (question,) = sets.next()
    answer = sets.vote(question["id"], answer="label", labels=labels)
    assert answer.status_code == 422
    assert mistake in answer.text
