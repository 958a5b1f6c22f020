"""Asking again: what is asked, for how much, and that nothing is bought twice."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.exc import IntegrityError

from laud_ray import config, oracles
from laud_ray.config import CascadeConfig, LlmConfig, RunConfig
from laud_ray.data.corpus import Corpus
from laud_ray.data.sharding.normalise import normalise
from laud_ray.errors import ConfigError
from laud_ray.oracles import ReplayOracle
from laud_ray.oracles.asking import annotate
from laud_ray.quality.aggregation import MODEL, Opinion
from laud_ray.steps.annotation import second_opinions
from laud_ray.storage.folder import Folder
from laud_ray.store import rechecks
from laud_ray.store.rechecks import SecondQuery
from laud_ray.store.store import Answered, Query, Store
from laud_ray.taxonomy.groups import single
from laud_ray.types import Annotation, Document, Floats

NAMES = ("Tea", "Coffee", "Juice")


def settings(**more: object) -> RunConfig:
    base = {
        "task": {"name": "drinks", "labels": list(NAMES)},
        "corpus": {"path": "names.csv", "text": "text"},
        "storage": "run",
        "oracle": {"kind": "replay", "label": "label"},
        "query": {"batch": 20},
        "budget": {"annotations": 100},
    }
    return config.parse(json.dumps({**base, **more}))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path}/laud.db")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    place = tmp_path_factory.mktemp("corpus")
    rows = [f"{name} no. {i},{name}" for i in range(200) for name in NAMES]
    (place / "names.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    source = settings(corpus={"path": str(place / "names.csv"), "text": "text"}).corpus
    return normalise(source, Folder(str(place / "corpus")), sealed="label")


def documents(corpus: Corpus, n: int) -> list[Document]:
    (table,) = [corpus.folder.read_table(part.name) for part in corpus.ranges]
    return [Document(row["id"], row["text"]) for row in table.slice(0, n).to_pylist()]


def from_text(answers: Sequence[Answered]) -> Floats:
    """A good model: the first word of a text is its label. It is surer of some than of others."""
    words = [a.query.document.text.split() for a in answers]
    sure = np.asarray([(0.7, 0.9, 0.99, 0.999)[int(word[-1]) % 4] for word in words])
    proba = np.repeat((1 - sure)[:, None] / (len(NAMES) - 1), len(NAMES), axis=1)
    proba[np.arange(len(answers)), [NAMES.index(word[0]) for word in words]] = sure
    return proba


def right(asked: Sequence[Answered]) -> float:
    return float(np.mean([a.query.document.text.split()[0] == a.label for a in asked]))


class Dying:
    """An oracle that counts what it is asked, and takes the process down after some answers."""

    at_once = 1

    def __init__(self, inner: ReplayOracle, dies_after: int | None = None) -> None:
        self.inner, self.left, self.asked = inner, dies_after, list[str]()

    def annotate(self, asked: Sequence[Document]) -> Sequence[Annotation]:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left = None if self.left is None else self.left - 1
        self.asked += [document.id for document in asked]
        return self.inner.annotate(asked)


def annotated(store: Store, corpus: Corpus, n: int, noise: float) -> None:
    task = settings().task.to_task()
    store.add_queries("query", 1, [Query(d, "why") for d in documents(corpus, n)])
    annotate(store, ReplayOracle(corpus, task, noise), "query", 1, lambda done, total: None)


def doubts(store: Store, run: RunConfig, n: int) -> list[SecondQuery]:
    opinions = rechecks.opinions(store.engine)
    found = second_opinions.settled(run, opinions)
    asked = second_opinions.with_settled(store.queries("query"), found.labels)
    judged = second_opinions.judge(asked, opinions, single(NAMES), from_text)
    return second_opinions.questions(judged, rechecks.attempts(store.engine), n, most=run.most_answers)


def test_a_crash_between_asking_and_answering_buys_nothing_twice(store: Store, corpus: Corpus) -> None:
    annotated(store, corpus, 150, noise=0.2)
    task, run = settings().task.to_task(), settings(audit={"share": 0.5})
    rechecks.record(store.engine, 2, doubts(store, run, 9))
    first = Dying(ReplayOracle(corpus, task, 0.2, attempt=2), dies_after=4)
    with pytest.raises(KeyboardInterrupt):
        second_opinions.ask_again(store.engine, lambda attempt: first, 2, lambda done, total: None)
    rest = Dying(ReplayOracle(corpus, task, 0.2, attempt=2))
    assert second_opinions.ask_again(store.engine, lambda attempt: rest, 2, lambda done, total: None) == (0, None)
    assert len(first.asked) == 4
    assert len(set(first.asked + rest.asked)) == len(first.asked + rest.asked) == 9
    assert rechecks.asked_in(store.engine, 2) == rechecks.asked_in(store.engine) == 9
    assert (store.counts()["query"], store.counts()["audit"]) == (150, 9)
    # What was asked about once more is not doubted again, and a third time only where answers differ.
    third = doubts(store, run, 100)
    assert {one.attempt for one in third if one.document.id in first.asked + rest.asked} <= {3}
    with pytest.raises(IntegrityError):
        rechecks.record(store.engine, 3, [SecondQuery(Document(first.asked[0], "x"), 2, "again")])


def test_asking_again_makes_labels_right(store: Store, corpus: Corpus) -> None:
    annotated(store, corpus, 150, noise=0.2)
    task, run = settings().task.to_task(), settings(audit={"share": 0.5})
    before = right(store.queries("query"))
    for round in (2, 3, 4):
        rechecks.record(store.engine, round, doubts(store, run, 20))
        second_opinions.ask_again(
            store.engine, lambda n: ReplayOracle(corpus, task, 0.2, attempt=n), round, lambda done, total: None
        )
    found = second_opinions.settled(run, rechecks.opinions(store.engine))
    asked = [a for a in second_opinions.with_settled(store.queries("query"), found.labels) if a.label is not None]
    assert before < 0.85
    assert right(asked) > 0.97
    assert len(asked) > 140
    assert store.counts()["audit"] <= 60


def answer(key: str, text: str, label: str | None) -> Answered:
    return Answered(Query(Document(key, text), "why"), "query", 1, True, label, "replay")


def test_what_is_probably_wrong_trains_nothing_and_is_asked_next() -> None:
    asked = [answer(f"d{i}", f"{NAMES[i % 3]} {i}", NAMES[i % 3]) for i in range(60)]
    for i in (3, 7, 22, 39):  # the model is surest of what is numbered 3 modulo 4, then of 2 modulo 4
        asked[i] = answer(f"d{i}", f"{NAMES[i % 3]} {i}", NAMES[(i + 1) % 3])
    asked[11], asked[6] = answer("d11", "Juice 11", None), answer("d6", "Tea 6", "Coffee")
    asked[10], asked[8] = answer("d10", "Coffee 10", None), answer("d8", "Juice 8", None)
    opinions = [
        *(Opinion("d11", 1, 1, "Tea", "a"), Opinion("d11", 2, 1, "Coffee", "b")),
        *(Opinion("d6", 1, 1, "Coffee", "a"), Opinion("d6", 2, 1, "Coffee", "b")),
        *(Opinion("d10", 1, 1, "Tea", "a"), Opinion("d10", 2, 1, "Coffee", "b")),
    ]
    judged = second_opinions.judge(asked, opinions, single(NAMES), from_text)
    assert 0.03 < judged.rate < 0.2
    taught = {a.query.document.id: a.label for a in second_opinions.probably_right(judged)}
    assert taught.keys() == {a.query.document.id for a in asked} - {"d3", "d7", "d22", "d39", "d11", "d8"}
    assert (taught["d6"], taught["d10"]) == ("Coffee", "Coffee"), "two agree; of two that differ, the likelier"
    attempts = {"d11": 2, "d6": 2, "d10": 2}
    found = second_opinions.questions(judged, attempts, 10, most=3)
    assert {(one.document.id, one.attempt) for one in found} == {
        *(("d3", 2), ("d7", 2), ("d22", 2), ("d39", 2), ("d11", 3)),
    }
    (third,) = [one for one in found if one.document.id == "d3"]
    assert third.predicted == "Tea"
    assert third.reason.startswith("Coffee is right with probability 0.0")
    assert second_opinions.questions(judged, attempts, 2, most=3) == found[:2]


def test_a_few_hard_documents_and_the_only_answer_for_a_class_are_kept() -> None:
    asked = [answer(f"d{i}", f"{NAMES[i % 2]} {i}", NAMES[i % 2]) for i in range(90)]
    asked[3] = answer("d3", "Coffee 3", "Tea")
    few = second_opinions.judge(asked, [], single(NAMES), from_text)
    assert few.rate < second_opinions.NEGLIGIBLE
    assert second_opinions.probably_right(few) == asked, "an oracle that hardly errs is believed"
    for i in (7, 11, 15, 19, 23):
        asked[i] = answer(f"d{i}", f"Coffee {i}", "Tea")
    asked[27] = answer("d27", "Coffee 27", "Juice")
    kept = {
        a.query.document.id
        for a in second_opinions.probably_right(second_opinions.judge(asked, [], single(NAMES), from_text))
    }
    assert {f"d{i}" for i in range(90)} - kept == {f"d{i}" for i in (3, 7, 11, 15, 19, 23)}
    for i in (31, 35):
        asked[i] = answer(f"d{i}", f"Coffee {i}", "Juice")
    kept = {
        a.query.document.id
        for a in second_opinions.probably_right(second_opinions.judge(asked, [], single(NAMES), from_text))
    }
    assert len(kept & {"d27", "d31", "d35"}) == 1, "a class never loses its likeliest answer"
    assert second_opinions.probably_right(second_opinions.judge(asked[:1], [], single(NAMES), from_text)) == asked[:1]
    assert second_opinions.probably_right(second_opinions.judge([], [], single(NAMES), from_text)) == []


def test_leaving_out_is_a_choice_and_the_default_where_something_is_asked_again() -> None:
    assert not settings().audit.leaves_out
    assert settings(audit={"share": 0.1}).audit.leaves_out
    assert settings(audit={"leave_out": True}).audit.leaves_out
    assert not settings(audit={"share": 0.1, "leave_out": False}).audit.leaves_out


@pytest.mark.parametrize(
    ("share", "every", "round", "spent", "expected"),
    [
        (0.0, 1, 1, 0, 0),
        (0.2, 1, 1, 0, 4),
        (0.2, 1, 3, 90, 2),
        (0.2, 1, 3, 100, 0),
        (0.2, 2, 3, 0, 0),
        (0.2, 2, 4, 0, 4),
    ],
)
def test_a_round_asks_again_within_its_share_and_the_budget(
    share: float, every: int, round: int, spent: int, expected: int
) -> None:
    assert second_opinions.quota(settings(audit={"share": share, "every": every}), round, spent) == expected


def test_a_trusted_second_answer_is_final() -> None:
    said = [
        Opinion("d", 1, 1, "Tea", "llm:m"),
        Opinion("d", 2, 1, "Milk", MODEL),
        Opinion("d", 2, 1, "Juice", "expert"),
    ]
    other = {"kind": "replay", "label": "label"}
    assert second_opinions.settled(settings(audit={"oracle": other, "trusted": True}), said).labels == {"d": "Juice"}
    assert second_opinions.settled(settings(audit={"oracle": other}), said).disputed == ("d",)


@pytest.mark.parametrize("trusted", [True, False])
def test_an_abstention_leaves_the_first_answer(trusted: bool) -> None:
    """The model that doubted it has no vote alone, and is never the one that is trusted."""
    said = [
        Opinion("d", 1, 1, "Tea", "llm:m"),
        Opinion("d", 2, 1, "Coffee", MODEL),
        Opinion("d", 2, 1, None, "expert"),
    ]
    run = settings(audit={"oracle": {"kind": "replay", "label": "label"}, "trusted": trusted})
    found = second_opinions.settled(run, said)
    assert (found.labels, found.disputed) == ({"d": "Tea"}, ())


@pytest.mark.parametrize(("trusted", "attempts"), [(True, {2}), (False, {2, 3})])
def test_nobody_is_asked_who_is_not_there(store: Store, corpus: Corpus, trusted: bool, attempts: set[int]) -> None:
    annotated(store, corpus, 150, noise=0.2)
    run = settings(audit={"share": 0.5, "oracle": {"kind": "replay", "label": "label"}, "trusted": trusted})
    mute = ReplayOracle(corpus, settings().task.to_task(), 0.2, 1.0)
    seen = set()
    for round in (2, 3, 4):
        asked = doubts(store, run, 9)
        seen |= {one.attempt for one in asked}
        rechecks.record(store.engine, round, asked)
        second_opinions.ask_again(store.engine, lambda attempt: mute, round, lambda done, total: None)
    assert seen == attempts


def test_earlier_rounds_are_seen_alone(store: Store, corpus: Corpus) -> None:
    annotated(store, corpus, 30, noise=0.0)
    document = next(d for d in documents(corpus, 30) if d.text.startswith("Tea"))
    rechecks.record(store.engine, 2, [SecondQuery(document, 2, "why", "Juice")])
    assert rechecks.opinions(store.engine) == []
    rechecks.add(store.engine, 2, [Annotation(document.id, "Coffee", "replay", cost=0.5)])
    assert [(one.who, one.label) for one in rechecks.opinions(store.engine)] == [
        ("replay", "Tea"),
        ("model", "Juice"),
        ("replay, asked again", "Coffee"),
    ]
    assert rechecks.opinions(store.engine, before=2) == []
    assert store.cost() == pytest.approx(0.5)


def test_a_replay_oracle_that_is_asked_again_errs_anew(corpus: Corpus) -> None:
    task, asked = settings().task.to_task(), documents(corpus, 600)
    first, second = (ReplayOracle(corpus, task, 0.3, attempt=n).annotate(asked) for n in (1, 2))
    wrong = np.asarray([[a.label != d.text.split()[0] for a, d in zip(x, asked, strict=True)] for x in (first, second)])
    assert wrong.mean(1) == pytest.approx(0.3, abs=0.05)
    assert np.corrcoef(wrong)[0, 1] == pytest.approx(0, abs=0.1)
    assert ReplayOracle(corpus, task, 0.3, attempt=2).annotate(asked) == second


def test_a_language_model_that_is_asked_again_samples() -> None:
    model = LlmConfig(kind="llm", engine="openai", model="m")
    again = oracles.anew(CascadeConfig(kind="cascade", oracles=(model, model.model_copy(update={"temperature": 0.2}))))
    assert isinstance(again, CascadeConfig)
    assert [getattr(one, "temperature", None) for one in again.oracles] == [0.7, 0.2]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"audit": {"share": 1.0}}, "audit.share"),
        ({"audit": {"trusted": True}}, "trusted: true has no oracle"),
        (
            {"oracle": {"kind": "llm", "engine": "openai", "model": "m", "temperature": 0.0}, "audit": {"share": 0.1}},
            "would ask `oracle` again at temperature 0",
        ),
        (
            {
                "audit": {
                    "trusted": True,
                    "oracle": {"kind": "replay", "label": "label"},
                    "referee": {"kind": "replay", "label": "label"},
                }
            },
            "referee: is never asked",
        ),
    ],
)
def test_an_audit_that_cannot_be_is_refused_in_one_line(more: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        settings(**more)
    assert "\n" not in str(caught.value)
