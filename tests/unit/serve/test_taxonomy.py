"""A taxonomy over real HTTP: answers at the leaf, at a level, and as deep as a promise allows."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from laud_ray import Client
from laud_ray.errors import ServiceError, UserError
from laud_ray.evaluation.promise import Evaluated, evaluated
from laud_ray.models import kinds
from laud_ray.models.kinds import LinearLearner
from laud_ray.stats.hierarchy import LEAF, Depth
from laud_ray.steps.training.model import train
from laud_ray.storage.folder import Folder
from laud_ray.store.run import look_at
from laud_ray.taxonomy import Taxonomy, node_mass, read_found
from laud_ray.taxonomy.task import leaf_labels, task_of
from laud_ray.types import Example, Floats
from serve.answers import at_once, likeliest
from serve.depths import MOST_PROMISES, Depths
from serve.schemas import FaultError
from tests.served import live
from tests.taxonomies import PLACES, taxonomy_run
from tests.tiny import LABELS, products

TEXTS = [example.text for example in products(30, seed=11)]


@pytest.fixture(scope="module")
def tree() -> Taxonomy:
    return read_found([(place, 1) for place in PLACES.values()], "labels")


@pytest.fixture(scope="module")
def model(tree: Taxonomy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("models")
    examples = [Example(one.text, PLACES[one.label]) for one in products(120)]
    train(LinearLearner(), task_of("food", tree), examples, Folder(str(place)), "taxo", 0)
    return place / "taxo"


@pytest.fixture(scope="module")
def service(model: Path) -> Iterator[httpx.Client]:
    with live(run=str(model)) as client:
        yield client


def ask(service: httpx.Client, **more: object) -> list[dict]:
    answer = service.post("/v1/classify", json={"texts": TEXTS, **more})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


def test_each_answer_has_its_path_and_the_sums_above_it(service: httpx.Client, model: Path, tree: Taxonomy) -> None:
    proba = kinds.load(str(model)).score(TEXTS)
    masses, best = node_mass(tree, proba), proba.argmax(1)
    for row, one in enumerate(ask(service, top_k=2)):
        leaf = int(tree.leaves[best[row]])
        line = [*tree.ancestors(leaf).tolist(), leaf]
        assert one["label"] == one["top"][0]["label"] == one["code"] == tree.label(leaf)
        assert one["path"] == list(tree.nodes[leaf].path)
        assert one["confidences"] == pytest.approx(masses[row, line].tolist(), abs=2e-5)
        assert one["confidence"] == one["confidences"][-1]
        assert (one["depth"], one["backed_off"], one["abstained"]) == (len(line), False, False)
        assert len(one["top"]) == 2


def test_a_level_cuts_the_path(service: httpx.Client, tree: Taxonomy) -> None:
    for one, whole in zip(ask(service, level=1), ask(service), strict=True):
        assert (one["path"], one["depth"], one["label"]) == (whole["path"][:1], 1, whole["path"][0])
        assert one["confidence"] == pytest.approx(whole["confidences"][0], abs=1e-5)
        assert one["backed_off"] == (whole["depth"] > 1)
        assert one["top"][0]["label"] == whole["label"]
    assert ask(service, level=tree.levels)[0]["backed_off"] is False


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"accuracy": 0.9},
            "accuracy: taxo has no evaluation sample that a promise could be verified on; expected level",
        ),
        ({"level": 3}, "level: 3 is not valid; expected at most 2, the taxonomy's levels"),
        ({"level": 0}, "level: 0 is not valid; expected a whole number of at least 1, or null"),
        ({"accuracy": 1}, "accuracy: 1 is not valid; expected a number above 0 and below 1, or null"),
        ({"accuracy": 0.9, "level": 1}, "body: has both `accuracy` and `level`; expected one of them"),
    ],
)
def test_what_cannot_be_asked_is_said(service: httpx.Client, more: dict, said: str) -> None:
    answer = service.post("/v1/classify", json={"texts": "x", **more})
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith(said)


def test_the_model_says_how_large_its_taxonomy_is_and_labels_come_in_parts(
    service: httpx.Client, tree: Taxonomy
) -> None:
    assert service.get("/v1/model").json()["taxonomy"] == {"leaves": 12, "nodes": 15, "levels": 2}
    names = [label.name for label in leaf_labels(tree)]
    part = service.get("/v1/labels", params={"offset": 2, "limit": 3}).json()
    assert ([one["name"] for one in part["labels"]], part["total"]) == (names[2:5], 12)
    found = service.get("/v1/labels", params={"contains": "GROUP 1"}).json()
    assert [one["name"] for one in found["labels"]] == [name for name in names if name.startswith("Group 1")]
    assert found["total"] == len(found["labels"])
    for key, value in (("limit", "0"), ("limit", "1001"), ("offset", "-1"), ("offset", "x")):
        answer = service.get("/v1/labels", params={key: value})
        assert answer.status_code == 422
        assert answer.json()["error"]["message"].startswith(f"{key}: '{value}' is not valid; expected a whole number")


def test_a_promise_is_made_once_and_answers_by_its_thresholds(model: Path, tree: Taxonomy) -> None:
    rng = np.random.default_rng(0)
    masses: Floats = np.sort(rng.beta(3, 1, (500, 2)), axis=1)
    given = Evaluated(masses, rng.random(500)[:, None] < masses, np.ones(500))
    depths = Depths("taxo", tree, given, seed=3)
    assert not depths.ready(0.8, None)
    asked = depths.of(0.8, None)
    assert depths.ready(0.8, None)
    assert asked.promise == given.promise(0.8, seed=3)
    assert asked.depth == Depth(asked.promise.thresholds)
    assert depths.of(0.8, None).promise is asked.promise
    assert depths.of(None, 1).depth == Depth(level=1)
    assert depths.of(None, None).depth == LEAF
    for i in range(MOST_PROMISES + 5):
        depths.of(0.5 + i / 1000, None)
    assert len(depths._made) == MOST_PROMISES


def test_what_the_run_promises_holds_unless_a_request_states_another(tree: Taxonomy) -> None:
    masses = np.tile([[0.5, 0.9]], (200, 1))
    given = Evaluated(masses, np.ones((200, 2), np.bool_), np.ones(200))
    depths = Depths("taxo", tree, given, accuracy=0.7)
    assert depths.of(None, None).promise == given.promise(0.7, seed=0)
    assert depths.of(0.8, None).promise == given.promise(0.8, seed=0)
    assert depths.of(None, 2).promise is None
    assert Depths("taxo", tree, None, accuracy=0.7).of(None, None).depth == LEAF


@pytest.mark.parametrize("asked", [{"accuracy": 0.9}, {"level": 1}])
def test_other_labels_have_no_depth(asked: dict) -> None:
    with pytest.raises(FaultError) as refused:
        Depths("round-0001", None).of(asked.get("accuracy"), asked.get("level"))
    said = f"{next(iter(asked))}: is not valid, because the labels of round-0001 are no taxonomy; expected none"
    assert (refused.value.status, str(refused.value)) == (422, said)


def test_a_promise_that_is_not_verified_is_told(tree: Taxonomy) -> None:
    masses = np.tile([[0.5, 0.9]], (40, 1))
    depths = Depths("taxo", tree, Evaluated(masses, np.zeros((40, 2), np.bool_), np.ones(40)))
    asked = depths.of(0.9, None)
    assert asked.promise is not None
    assert not asked.promise.verified
    assert asked.depth == Depth((np.inf, np.inf))


def test_the_client_returns_the_same(service: httpx.Client, tree: Taxonomy) -> None:
    with Client(str(service.base_url), batch=10) as client:
        found = client.classify(TEXTS, level=1).results
        for one, raw in zip(found, ask(service, level=1), strict=True):
            assert (one.label, one.code, list(one.path), one.depth) == (raw["label"], raw["code"], raw["path"], 1)
            assert one.confidences == pytest.approx(raw["confidences"], abs=1e-5)
            assert one.backed_off == raw["backed_off"]
        assert client.model().levels == 2
        assert [label.name for label in client.labels()] == [label.name for label in leaf_labels(tree)]
        with pytest.raises(ServiceError, match="has no evaluation sample"):
            client.classify("x", accuracy=0.9)
        for bad in ({"accuracy": 0.0}, {"level": 0}, {"accuracy": 0.9, "level": 1}):
            with pytest.raises(UserError):
                client.classify("x", **bad)


@pytest.mark.parametrize(("k", "top"), [(12, 3), (300, 3), (300, 8), (300, 20), (300, 300), (2000, 40)])
def test_the_likeliest_come_first_and_equal_ones_in_their_order(k: int, top: int) -> None:
    proba = np.random.default_rng(k).integers(0, 9, (5, k)).astype(np.float32)
    np.testing.assert_array_equal(likeliest(proba, top), np.argsort(-proba, axis=1, kind="stable")[:, :top])


def test_a_long_list_of_many_labels_is_scored_in_parts(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert at_once(100) > 1024
    assert at_once(30_000) * 30_000 * 4 <= 2**24
    monkeypatch.setattr("serve.answers.MOST_HELD", 12 * 7)
    with live(run=str(model)) as parts:
        given = [*TEXTS[:9], "", *TEXTS[9:]]
        cut = parts.post("/v1/classify", json={"texts": given}).json()["results"]
    monkeypatch.undo()
    with live(run=str(model)) as whole:
        same = whole.post("/v1/classify", json={"texts": given}).json()["results"]
    assert [one.get("label") for one in cut] == [one.get("label") for one in same]
    assert cut[9] == {"error": "is empty; expected a text"}


def test_a_run_promises_from_its_evaluation_sample_and_keeps_feedback_on_inner_nodes(tmp_path: Path) -> None:
    run = taxonomy_run(tmp_path, documents=400, promise={"accuracy": 0.7})
    with look_at(str(run)) as opened:
        known = evaluated(opened, "round-0001")
    wanted = known.promise(0.8, seed=0)
    assert (len(known.masses), wanted.verified) == (400, True)
    with live(run=str(run)) as service, Client(str(service.base_url)) as client:
        found = client.classify(TEXTS, accuracy=0.8)
        assert found.promises == (str(wanted),)
        for one in found.results:
            upward = one.confidences[::-1]
            step = next((j for j, mass in enumerate(upward) if mass >= wanted.thresholds[j]), len(upward))
            assert one.depth == len(upward) - step
            assert (one.label is None) == (one.depth == 0) == (one.confidence is None)
        assert client.classify(TEXTS[:1]).promises == (str(known.promise(0.7, seed=0)),)
        assert client.classify(TEXTS[:1], level=2).promises == ()
        client.feedback(TEXTS[0], label=PLACES[LABELS[0]], predicted="Group 1")
        with pytest.raises(
            ServiceError, match="'Group 7' is not in the taxonomy of the run; expected a path or a code"
        ):
            client.feedback(TEXTS[0], label="Group 7")
    with look_at(str(run)) as opened:
        assert [one.label for one in opened.store.feedback()] == [PLACES[LABELS[0]]]
