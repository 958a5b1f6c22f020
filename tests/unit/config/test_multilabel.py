"""`task.kind: multilabel`."""

import json

import pytest
from pydantic import ValidationError

from laud_ray.config import RunConfig, parse
from laud_ray.config.task import TaskConfig
from laud_ray.errors import ConfigError

LABELS = [{"name": "Coffee"}, {"name": "Tea"}, {"name": "Milk"}]


def read(keys: dict[str, object]) -> TaskConfig:
    return TaskConfig.model_validate_json(json.dumps({"name": "drinks", "labels": LABELS} | keys))


def test_the_task_knows_its_limits() -> None:
    config = read({"kind": "multilabel", "at_most": 2, "exclusive": [["Coffee", "Tea"]]})
    task = config.to_task()
    assert task.multilabel
    assert (task.at_most, task.exclusive, task.names) == (2, (("Coffee", "Tea"),), ("Coffee", "Tea", "Milk"))
    assert TaskConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"exclusive": [["Coffee", "Tee"]]}, "exclusive.0: 'Tee' is not valid; expected the name of a label"),
        ({"exclusive": [["Coffee"]]}, "expected two or more distinct labels"),
        ({"exclusive": [["Coffee", "Coffee"]]}, "expected two or more distinct labels"),
        ({"at_most": 0}, "greater than or equal to 1"),
        ({"answers": "any"}, "expected it only with kind: taxonomy"),
        ({"kind": "multiclass", "at_most": 2}, "at_most: 2 is not valid; expected it only with kind: multilabel"),
        ({"kind": "multiclass", "separator": ";"}, "expected it only with kind: taxonomy"),
        ({"kind": "binary", "exclusive": [["Coffee", "Tea"]]}, "expected it only with kind: multilabel"),
        ({"labels": [{"name": "Coffee", "positive": True}, {"name": "Tea"}]}, "expected it only with kind: binary"),
    ],
)
def test_what_does_not_fit_is_refused(more: dict[str, object], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        read({"kind": "multilabel"} | more)


def test_a_task_of_another_kind_is_stored_as_before() -> None:
    stored = read({}).model_dump(mode="json")
    assert set(stored) == {"name", "kind", "labels"}


def run(more: dict[str, object], kind: str = "multilabel") -> RunConfig:
    keys = {"task": {"name": "drinks", "kind": kind, "labels": LABELS}, "corpus": {"path": "a.csv", "text": "text"}}
    rest = {"storage": "runs/a", "oracle": {"kind": "replay", "label": "label"}}
    return RunConfig.model_validate_json(json.dumps(keys | rest | more))


@pytest.mark.parametrize("query", [{}, {"strategy": "auto"}, {"strategy": "label_entropy"}])
def test_the_strategy_of_a_multilabel_task_reads_its_probabilities(query: dict[str, object]) -> None:
    config = run({"query": query})
    if query.get("strategy") == "label_entropy":
        assert (config.query.strategy, config.query.diversity) == ("label_entropy", None)
    else:
        assert (config.query.strategy, config.query.diversity) == ("mix", "kmeans")
        assert config.query.mix == {"label_entropy": 0.5, "random": 0.5}
    assert run({"query": query | {"diversity": "none"}}).query.diversity is None
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"query": {"strategy": "margin"}}, "query.strategy: 'margin' is not valid with task.kind: multilabel"),
        ({"query": {"strategy": "mix", "mix": {"entropy": 1}}}, "'entropy' is not valid with task.kind: multilabel"),
        ({"query": {"strategy": "mix"}}, "'margin' is not valid with task.kind: multilabel"),
        ({"learner": {"kind": "encoder", "class_balance": 0.5}}, "learner.class_balance: 0.5 is not valid"),
        ({"learner": {"kind": "linear", "smoothing": 0.1}}, "learner.smoothing: 0.1 is not valid"),
    ],
)
def test_what_reads_probabilities_that_sum_to_one_is_refused(more: dict[str, object], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        run(more)


def test_strategies_of_sets_are_for_multilabel_tasks_alone() -> None:
    with pytest.raises(ValidationError, match="expected it only with task.kind: multilabel"):
        run({"query": {"strategy": "cvirs"}}, "multiclass")
    parts = {"strategy": "mix", "mix": {"label_entropy": 0.7, "random": 0.3}, "diversity": "kmeans"}
    assert run({"query": parts}).query.mix == {"label_entropy": 0.7, "random": 0.3}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("zero_shot: {engine: vllm, model: m}", "zero_shot.engine: vllm is not valid with task.kind: multilabel"),
        ("learner: {kind: causal, model: m}", "learner.kind: causal is not valid with task.kind: multilabel"),
        ("learner: {kind: in_context, model: m}", "learner.kind: in_context is not valid with task.kind: multilabel"),
    ],
)
def test_language_models_that_choose_one_label_are_refused(keys: str, message: str) -> None:
    text = (
        "task: {name: t, kind: multilabel, labels: [a, b]}\ncorpus: {path: a.csv, text: text}\nstorage: runs/t\n"
        f"oracle: {{kind: replay, label: label}}\n{keys}\n"
    )
    with pytest.raises(ConfigError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("query", "kind", "expected"),
    [
        ("strategy: kmeans, diversity: kmeans", "multilabel", "cardinality, cvirs, label_entropy"),
        ("strategy: entropy", "multilabel", "auto, core_set, kmeans, mix, random, typiclust, label_entropy"),
        ("strategy: entropy, diversity: kmeans", "multilabel", "auto, mix, cardinality, cvirs, label_entropy"),
        ("strategy: label_entropi", "multilabel", "label_entropy, mix, random, typiclust"),
        ("strategy: mix, mix: {label_entropi: 1}", "multilabel", "label_entropy, random, typiclust"),
        (
            "strategy: kmeans, diversity: kmeans",
            "multiclass",
            "entropy, high_confidence, least_confidence, margin, rare_class",
        ),
    ],
)
def test_only_strategies_of_the_kind_are_offered(query: str, kind: str, expected: str) -> None:
    text = (
        f"task: {{name: t, kind: {kind}, labels: [a, b]}}\ncorpus: {{path: a.csv, text: text}}\nstorage: runs/t\n"
        f"oracle: {{kind: replay, label: label}}\nquery: {{{query}}}\n"
    )
    with pytest.raises(ConfigError) as raised:
        parse(text)
    message = str(raised.value)
    assert "\n" not in message
    assert set(expected.split(", ")) <= set(message.partition("one of ")[2].partition(" - ")[0].split(", "))
    refused = ("margin", "badge", "disagreement") if kind == "multilabel" else ("cvirs", "label_entropy")
    assert not [name for name in refused if name in message]
