"""A multilabel model over real HTTP: sets of labels, thresholds, corrections by people, drift."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from laud_ray import Client
from laud_ray.errors import UserError
from laud_ray.label_sets import LabelSet
from laud_ray.models import kinds
from laud_ray.stats.multilabel.rules import Rules, sets, whole_set
from laud_ray.store.feedback import judge
from laud_ray.store.run import look_at
from tests.multilabels import LABELS, THRESHOLDS, Independent, independent, model_folder, multilabel_run
from tests.served import eventually, live

TEXTS = [f"drink number {i}" for i in range(40)]
RULES = Rules(np.asarray(THRESHOLDS), 3, ((0, 1),))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return multilabel_run(tmp_path_factory.mktemp("served") / "run", documents=60)


@pytest.fixture(scope="module")
def service(run: Path) -> Iterator[httpx.Client]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kinds, "load", independent)
        with live(run=str(run)) as client:
            yield client


def ask(service: httpx.Client, **more: object) -> list[dict]:
    answer = service.post("/v1/classify", json={"texts": TEXTS, **more})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


def test_each_text_has_the_labels_that_apply(service: httpx.Client) -> None:
    proba = Independent().score(TEXTS)
    applies = RULES.applies(proba)
    sure, chosen = whole_set(proba, applies), sets(proba, applies)
    assert {len(one) for one in chosen} == {0, 1, 2, 3}
    for i, one in enumerate(ask(service, top_k=4, threshold=0.02)):
        assert list(one) == ["labels", "confidence", "abstained", "top"]
        assert [label["label"] for label in one["labels"]] == [LABELS[j] for j in chosen[i]]
        assert [label["confidence"] for label in one["labels"]] == pytest.approx(proba[i, chosen[i]].tolist(), abs=1e-6)
        assert one["confidence"] == pytest.approx(sure[i], abs=1e-6)
        assert one["abstained"] == (round(sure[i], 6) < 0.02)
        best = np.argsort(-proba[i], kind="stable")[:4]
        assert [label["label"] for label in one["top"]] == [LABELS[j] for j in best]
        assert [label["threshold"] for label in one["top"]] == [THRESHOLDS[j] for j in best]


def test_a_text_that_cannot_be_classified_has_its_error(service: httpx.Client) -> None:
    answer = service.post("/v1/classify", json={"texts": ["tea", "poison", ""]}).json()["results"]
    assert "labels" in answer[0]
    assert [list(one) for one in answer[1:]] == [["error"], ["error"]]


def test_the_model_tells_how_it_decides(service: httpx.Client) -> None:
    model = service.get("/v1/model").json()
    assert model["multilabel"] == {
        "thresholds": {"low": 0.5, "high": 0.9},
        "at_most": 3,
        "exclusive": [["Tea", "Coffee"]],
    }
    assert model["evaluation"]["micro_f1"] == {"value": 0.6, "low": 0.5, "high": 0.7, "n": 60}
    labels = service.get("/v1/labels").json()["labels"]
    assert {one["name"]: one["threshold"] for one in labels} == dict(zip(LABELS, THRESHOLDS, strict=True))


def test_the_schema_has_sets(service: httpx.Client) -> None:
    schemas = service.get("/openapi.json").json()["components"]["schemas"]
    assert set(schemas["SetResult"]["properties"]) == {"labels", "confidence", "abstained", "top"}
    assert "threshold" in schemas["Candidate"]["properties"]


def test_metrics_count_every_label_and_texts_once(service: httpx.Client) -> None:
    def counted() -> dict[str, float]:
        lines = service.get("/metrics").text.splitlines()
        return {
            key: float(value)
            for key, value in (
                line.rsplit(" ", 1) for line in lines if line.startswith(("laud_labels_t", "laud_texts_t"))
            )
        }

    before, found = counted(), ask(service)
    after = counted()
    names = [label["label"] for one in found for label in one["labels"]]
    for name in LABELS:
        key = f'laud_labels_total{{label="{name}"}}'
        assert after.get(key, 0) - before.get(key, 0) == names.count(name)
    key = 'laud_texts_total{model="round-0001"}'
    assert after[key] - before.get(key, 0) == len(TEXTS)


def test_drift_is_measured_by_the_likeliest_label_and_the_confidence_in_the_set(service: httpx.Client) -> None:
    for start in range(0, 300, 100):
        service.post("/v1/classify", json={"texts": [f"other {i}" for i in range(start, start + 100)]})
    eventually(lambda: 'laud_drift{of="labels"}' in service.get("/metrics").text, 30)


def test_people_correct_with_a_list(service: httpx.Client, run: Path) -> None:
    def said(**more: object) -> int:
        return service.post("/v1/feedback", json={"text": "green tea", "who": "ann", **more}).status_code

    assert said(labels=["Water", " Tea "], predicted=["Tea"], model="round-0001") == 201
    assert said(labels=["Tea", "Water"], predicted=["Tea"], model="round-0001") == 200
    assert said(text="an empty glass", labels=[], predicted="Beer") == 201
    assert said(text="what is it", wrong=True) == 201
    with look_at(str(run)) as opened:
        given = opened.store.feedback()
        assert [(one.label, one.predicted) for one in given] == [
            ('["Tea","Water"]', '["Tea"]'),
            ("[]", '["Beer"]'),
            (None, None),
        ]
        found = judge(given, LABELS, 2000, multilabel=True)
    assert found.labels == {"green tea": LabelSet.of(["Tea", "Water"]).text, "an empty glass": "[]"}
    assert found.wrong == ("what is it",)
    assert judge(given, LABELS[1:], 2000, multilabel=True).labels == {"an empty glass": "[]"}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"label": "Tea"}, "label: is not valid, because several labels can apply; expected labels"),
        ({"labels": ["Tee"]}, "labels[0]: 'Tee' is not a label of the run; expected one of"),
        ({"labels": "Tea"}, 'labels: "Tea" is not valid; expected a list of names of labels, at most 1,000'),
        ({"labels": ["Tea", 3]}, "labels[1]: 3 is not valid; expected the name of a label, of 1 to 2000 characters"),
        ({"labels": ["Tea", "Coffee"]}, "labels: 'Tea' and 'Coffee' exclude each other; expected one of them"),
        ({"labels": ["Tea", "Beer", "Soda", "Juice"]}, "labels: 4 labels are too many; expected at most 3"),
        ({"labels": [], "wrong": True}, "body: has both `labels` and `wrong`; expected a label, or wrong: true"),
        ({"wrong": True, "predicted": ["Tee"]}, "predicted[0]: 'Tee' is not a label of the run; expected one of"),
        ({"wrong": True, "predicted": 3}, "predicted: 3 is not valid; expected the name of a label, of 1 to 2000 char"),
    ],
)
def test_a_mistake_in_feedback_is_named(service: httpx.Client, said: dict, message: str) -> None:
    answer = service.post("/v1/feedback", json={"text": "x", **said})
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith(message)


def test_the_client_reads_sets(service: httpx.Client) -> None:
    with Client(str(service.base_url)) as client:
        answered = client.classify(TEXTS, top_k=2).results
        for one, raw in zip(answered, ask(service, top_k=2), strict=True):
            assert one.label is None
            assert one.labels == tuple((label["label"], label["confidence"]) for label in raw["labels"])
            assert one.confidence == raw["confidence"]
            assert one.thresholds == tuple(label["threshold"] for label in raw["top"])
        model = client.model()
        assert (model.multilabel, model.micro_f1.value) == (True, 0.6)
        assert client.feedback("milk", labels=["Milk; fresh"], predicted=["Tea", "Soda"]).startswith("feedback-")
        with pytest.raises(UserError, match=r"label=None, labels=\['Tea'\] with wrong=True is not valid"):
            client.feedback("milk", labels=["Tea"], wrong=True)


def test_the_folder_of_a_model_is_served_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "load", independent)
    with live(run=str(model_folder(tmp_path / "model"))) as client:
        assert [list(one) for one in ask(client)] == [["labels", "confidence", "abstained", "top"]] * len(TEXTS)


def test_thresholds_that_do_not_fit_are_a_broken_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "load", independent)
    with live(run=str(model_folder(tmp_path / "model", thresholds=[0.5]))) as client:
        ready = client.get("/readyz").json()
    assert not ready["ready"]
    assert ready["failed"]["name"] == "model"
