"""A run's answers after its flat list of labels has changed."""

import json
import uuid
from pathlib import Path

import pytest

from laud_ray import config as configuration
from laud_ray.config import RunConfig
from laud_ray.config.labels import edits
from laud_ray.config.labels.edits import Edited
from laud_ray.errors import ConfigError, RunError
from laud_ray.oracles.people import PeopleOracle
from laud_ray.people import leases, votes
from laud_ray.people.questions import rules_of
from laud_ray.steps.changed import to_renew
from laud_ray.storage.folder import Folder
from laud_ray.store.store import Query, Store
from laud_ray.store.trees import CONFIGURATION
from laud_ray.store.versions import flat
from laud_ray.store.versions.flat import labels_at, put_labels_in_force, with_labels_in_force
from laud_ray.store.versions.record import LEAVES, history
from laud_ray.store.versions.tasks import is_earlier, require_current, task_of_round
from laud_ray.types import Annotation, Document, Estimate, Figures, RoundResult

KNOWN = ["Tea", "Milk", "Saws"]


def configured(place: Path, **more: object) -> RunConfig:
    settings = {
        "task": {"name": "goods", "labels": KNOWN},
        "corpus": {"path": "names.csv", "text": "text"},
        "oracle": {"kind": "replay", "label": "label"},
        "budget": {"annotations": 9},
        "storage": str(place),
        **more,
    }
    return configuration.parse(json.dumps(settings))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A run with an answer for each label and an abstention, of both purposes."""
    store = Store(f"sqlite:///{tmp_path / 'laud.db'}")
    ask(store, "evaluation", "e", [*KNOWN, None])
    ask(store, "seed", "s", [*KNOWN, None])
    close(store, 0)
    close(store, 1)
    return store


def ask(store: Store, purpose: str, prefix: str, labels: list[str | None], round: int = 1) -> None:
    documents = [Document(f"{prefix}{i}", f"text {prefix} {i}") for i in range(len(labels))]
    store.add_queries(purpose, round, [Query(one, "why") for one in documents])  # type: ignore[arg-type]
    answers = zip(documents, labels, strict=True)
    store.add_annotations([Annotation(one.id, label, "replay") for one, label in answers])


def close(store: Store, number: int) -> None:
    figure = Estimate(0.5, 0.4, 0.6, 20)
    figures = Figures(20, figure, figure, 0.1, ())
    store.close_round(
        RoundResult(number, f"round-{number:04d}", 4 * number, 9, 100, figures, None, True, {}),
        "linear",
        "budget: 4 of 4 annotations are spent" if number else None,
    )


def vote(question: int, label: str) -> votes.Vote:
    return votes.Vote(str(uuid.uuid4()), question, "label", label)


def put(tmp_path: Path, store: Store, config: RunConfig, edited: Edited) -> RunConfig:
    return put_labels_in_force(Folder(str(tmp_path)), store, config, edited)[0]


def labels(store: Store) -> dict[str, object]:
    return {a.query.document.id: a.label if a.answered else "?" for a in store.queries()}


def test_one_transaction_has_the_version_the_labels_and_the_configuration(tmp_path: Path, store: Store) -> None:
    config = configured(tmp_path)
    found = flat.proposed(store, config, edits.add(config.task.labels, "Rice"))
    assert history(store.engine) is None
    assert found.lines() == [
        "added: 'Rice'",
        "6 of 8 answers are kept",
        "asked again: 1 document of the evaluation sample, beside the budget",
        "asked again: 1 document that were asked about for training, within the budget",
        "asked about: 1 new label, within the budget",
        "the budget has 5 annotations left",
    ]
    store.set(LEAVES.format(2), "[]")
    new = put(tmp_path, store, config, edits.add(config.task.labels, "Rice"))
    versions = history(store.engine)
    assert versions is not None
    assert (versions.current.number, versions.current.round, versions.current.ended) == (2, 2, True)
    assert [label.name for label in labels_at(store, 2)] == [*KNOWN, "Rice"]
    assert labels_at(store, 1) == config.task.labels
    assert store.setting(CONFIGURATION) == new.dump()
    assert store.setting(LEAVES.format(2)) is None, "what an unclosed round asks about is decided anew"
    assert labels(store) == {"e0": "Tea", "e1": "Milk", "e2": "Saws", "e3": "?"} | {
        f"s{i}": label for i, label in enumerate([*KNOWN, None])
    }


def test_abstentions_are_asked_again_also_after_a_further_change(tmp_path: Path, store: Store) -> None:
    config = configured(tmp_path)
    config = put(tmp_path, store, config, edits.add(config.task.labels, "Rice"))
    config = put(tmp_path, store, config, edits.rename(config.task.labels, "Tea", "Hot tea"))
    versions = history(store.engine)
    assert versions is not None
    assert not versions.current.succession.wider
    assert to_renew(versions, store.queries("seed"), 9) == ["s3"]
    assert labels(store)["e3"] == "?"
    put(tmp_path, store, config, edits.join(config.task.labels, "Rice", "Milk"))
    versions = history(store.engine)
    assert versions is not None
    assert to_renew(versions, store.queries("seed"), 9) == ["s3"], "a joined label is wider than it was"


def test_what_was_joined_has_its_answers_back_when_it_is_split(tmp_path: Path, store: Store) -> None:
    before, config = labels(store), configured(tmp_path)
    config = put(tmp_path, store, config, edits.join(config.task.labels, "Milk", "Tea"))
    assert labels(store)["s1"] == "Tea"
    ask(store, "query", "q", ["Tea"], 2)
    put(tmp_path, store, config, edits.split(config.task.labels, "Tea", ["Tea", "Milk"]))
    found = {a.query.document.id: a for a in store.queries()}
    assert {name: one.label for name, one in found.items() if name != "q0"} == before
    assert [name for name, one in found.items() if one.unclear] == ["q0"]


def test_the_same_names_with_other_meanings_are_another_version(tmp_path: Path, store: Store) -> None:
    config = configured(tmp_path)
    for old, new in (("Tea", "X"), ("Milk", "Y")):
        config = put(tmp_path, store, config, edits.rename(config.task.labels, old, new))
    # The old names would be spellings; without them they are free for others.
    config = config.with_labels(tuple(label.model_copy(update={"also": ()}) for label in config.task.labels))
    for old, new in (("X", "Milk"), ("Y", "Tea")):
        config = put(tmp_path, store, config, edits.rename(config.task.labels, old, new))
    assert {label.name for label in config.task.labels} == set(KNOWN)
    found = labels(store)
    assert (found["s0"], found["s1"]) == ("Milk", "Tea")


def test_the_task_of_an_earlier_model_has_its_labels(tmp_path: Path, store: Store) -> None:
    config = configured(tmp_path)
    assert not is_earlier(store, 1)
    config = put(tmp_path, store, config, edits.rename(config.task.labels, "Tea", "Hot tea"))
    config = put(tmp_path, store, config, edits.add(config.task.labels, "Rice"))
    earlier = task_of_round(config, store, 1)
    assert earlier.names == tuple(KNOWN)
    assert earlier.labels[0].also == ("Hot tea",), "data may use the name of today"
    assert task_of_round(config, store, 2).names == ("Hot tea", "Milk", "Saws", "Rice")
    require_current(config, store, 2)
    with pytest.raises(RunError, match="round-0001 has the labels of an earlier version"):
        require_current(config, store, 1)


def test_a_file_with_earlier_labels_goes_on_with_those_of_the_run(
    tmp_path: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    first = configured(tmp_path)
    used = put(tmp_path, store, first, edits.add(first.task.labels, "Rice"))
    raised = configured(tmp_path, budget={"annotations": 20})
    found = with_labels_in_force(store, used, raised)
    assert (found.task.labels, found.budget.annotations) == (used.task.labels, 20)
    assert "are those of an earlier version" in caplog.text
    other = first.with_labels(edits.add(first.task.labels, "Nails").labels)
    with pytest.raises(RunError, match=r"'Nails' is new; 'Rice' is missing; expected the labels of the run, which `la"):
        with_labels_in_force(store, used, other)
    described = first.with_labels(
        (first.task.labels[0].model_copy(update={"description": "hot"}), *used.task.labels[1:])
    )
    with pytest.raises(RunError, match="the order, a description or another spelling differs"):
        with_labels_in_force(store, used, described)


def test_people_are_asked_again_but_no_label_changes_while_they_answer(tmp_path: Path, store: Store) -> None:
    config = configured(tmp_path, oracle={"kind": "people"})
    rules = rules_of(config)
    assert rules is not None
    config = put(tmp_path, store, config, edits.add(config.task.labels, "Rice"))
    # Nobody has seen the question about e3 yet, so that a further change is no problem.
    config = put(tmp_path, store, config, edits.split(config.task.labels, "Tea", ["Green", "Black"]))
    names = config.task.to_task().names
    oracle = PeopleOracle(store.engine, rules, 0)
    again = [one.query.document for one in store.queries("evaluation") if not one.answered]
    assert [one.id for one in again] == ["e0", "e3"]
    assert oracle.annotate(again) == []
    assert oracle.waiting == "people have 2 of 2 evaluation questions to answer"
    with pytest.raises(RunError, match="people have 2 questions to answer that show the earlier labels"):
        flat.proposed(store, config, edits.add(config.task.labels, "Nails"))
    for lease, label in zip(leases.take(store.engine, "ann", 9, seconds=60), ("Green", "Rice"), strict=True):
        (receipt,) = votes.cast(store.engine, "ann", [vote(lease.question.number, label)], rules, names)
        assert receipt.outcome == "counted"
    assert not leases.take(store.engine, "ann", 9, seconds=60), "nobody is asked twice by the same labels"
    store.add_annotations(oracle.annotate(again))
    assert (labels(store)["e0"], labels(store)["e3"]) == ("Green", "Rice")
    flat.proposed(store, config, edits.add(config.task.labels, "Nails"))


def test_a_change_before_the_first_trained_round_is_refused(tmp_path: Path) -> None:
    store, config = Store(f"sqlite:///{tmp_path / 'laud.db'}"), configured(tmp_path)
    close(store, 0)
    with pytest.raises(RunError, match="the labels can change after the first trained round; expected the earlier"):
        flat.proposed(store, config, edits.add(config.task.labels, "Rice"))


def test_a_reserved_label_is_refused(tmp_path: Path, store: Store) -> None:
    llm = {"kind": "llm", "engine": "openai", "model": "m", "base_url": "http://127.0.0.1:1/v1"}
    config = configured(tmp_path, oracle=llm)
    with pytest.raises(ConfigError, match="the label 'unsure' is not valid"):
        put(tmp_path, store, config, edits.add(config.task.labels, "unsure"))
    assert history(store.engine) is None
