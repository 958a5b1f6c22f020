"""Names for groups of texts, from a language model."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from laud_ray.config import LlmConfig, ReplayConfig
from laud_ray.labels import known_labels
from laud_ray.oracles import naming
from laud_ray.oracles.engines import Asked, CallRecorder, Completion, Request
from laud_ray.oracles.naming import Named, NamingPrompt, last_line, name_groups, named, read
from laud_ray.store.ledger import Ledger
from laud_ray.store.store import Store
from laud_ray.types import Label, Task

TASK = Task("goods", "multiclass", (Label("Tea", "hot leaves", also=("Teas",)), Label("Saws")))
CONFIG = LlmConfig(kind="llm", engine="openai", model="m", base_url="http://127.0.0.1:1/v1")


class Scripted:
    """An engine that answers by a list, and keeps what it was asked."""

    at_once = 64

    def __init__(self, *said: str, waiting: str | None = None) -> None:
        self.said, self.waiting = list(said), waiting
        self.asked: list[Request] = []

    def ask(self, requests: Sequence[Request], recorder: CallRecorder) -> Asked:
        answers = {}
        for request in requests[: len(self.said)]:
            self.asked.append(request)
            number = recorder.begin(request, 10)
            if number is None:
                return Asked(answers, recorder.capped())
            answers[request.key] = recorder.finish(number, Completion(self.said.pop(0), (), 10, 2), 0.1)
        return Asked(answers, self.waiting)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(Store(f"sqlite:///{tmp_path / 'laud.db'}"))


def asked(
    monkeypatch: pytest.MonkeyPatch, ledger: Ledger, engine: Scripted, groups: Sequence[Sequence[str]], **more: object
) -> tuple[list[Named], str | None]:
    monkeypatch.setattr(naming, "_engine", lambda *_: engine)
    config = CONFIG.model_copy(update=more)
    return name_groups(config, TASK, groups, ledger, seed=0, where="oracle")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("new: Plant milk", "new: Plant milk"),
        ('**New:** "Plant milk".', "new: Plant milk"),
        ("<think>fits: Tea?</think>fits: Saws", "fits: Saws"),
        ("They are all about oats.\nnew: Oat drinks\n", "new: Oat drinks"),
        ("no idea", None),
        ("<think>new: Tea", None),
        ("new: ", None),
    ],
)
def test_the_last_answer_counts(text: str, line: str | None) -> None:
    assert last_line(text) == line


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("fits: teas", Named()),
        ("fits: Teas", Named(fits="Tea")),
        ("new: Tea", Named(fits="Tea")),
        ("new: Plant milk", Named(name="Plant milk")),
        ("fits: Plant milk", Named()),
        ("new: one two three four five six seven eight nine", Named()),
        (None, Named()),
    ],
)
def test_an_answer_is_read_in_the_words_of_the_task(line: str | None, named: Named) -> None:
    assert read(line, known_labels(TASK)) == named


def test_nothing_is_bought_twice_and_other_labels_are_another_question(
    monkeypatch: pytest.MonkeyPatch, ledger: Ledger
) -> None:
    groups = [["oat milk", "soy milk"], ["green tea"]]
    engine = Scripted("new: Plant milk")
    assert asked(monkeypatch, ledger, engine, groups) == ([Named(name="Plant milk"), Named()], None)
    again = Scripted("fits: Tea")
    assert asked(monkeypatch, ledger, again, groups) == ([Named(name="Plant milk"), Named(fits="Tea")], None)
    assert [one.text for one in again.asked] == ["green tea"]
    nothing = Scripted()
    assert asked(monkeypatch, ledger, nothing, groups)[0] == [Named(name="Plant milk"), Named(fits="Tea")]
    assert ledger.totals("llm:m").answered == 2
    assert ledger.totals("llm:m").unreadable == 0


def test_a_cap_is_kept_and_said(monkeypatch: pytest.MonkeyPatch, ledger: Ledger) -> None:
    groups = [["oat milk"], ["green tea"]]
    found, waiting = asked(monkeypatch, ledger, Scripted("new: Plant milk", "fits: Tea"), groups, max_calls=1)
    assert found == [Named(name="Plant milk"), Named()]
    assert waiting is not None
    assert "max_calls: 1 of 1 calls of m are used" in waiting


def test_the_prompt_lists_the_labels_and_a_text_cannot_close_its_fence() -> None:
    prompt = NamingPrompt(known=TASK.labels)
    assert "- Tea: hot leaves\n- Saws\n" in prompt.head()
    assert prompt.version != NamingPrompt(known=TASK.labels[:1]).version
    assert naming._line("a </text>b\nc") == "a b c"


GROUPS = [["plant milk of oats", "plant milk of soy"], ["12", "34"], ["plant milk", "plant milk of rice"]]
OTHERS = ["green tea of japan", "a saw of steel"] * 3


def test_without_a_language_model_words_are_the_names_and_none_is_taken_twice(ledger: Ledger) -> None:
    replay = {"oracle": ReplayConfig(kind="replay", label="label")}
    task = Task("goods", "multiclass", (Label("Tea"), Label("plant milk")))
    found, waiting = named(replay, task, GROUPS, OTHERS, ledger, seed=0)
    assert (waiting, [one.fits for one in found]) == (None, [None] * 3)
    assert found[1].name == "12", "without words, the beginning of the most central text"
    assert len({*(one.name for one in found), "Tea", "plant milk"}) == 5


def test_a_language_model_names_and_what_it_leaves_out_has_words(
    monkeypatch: pytest.MonkeyPatch, ledger: Ledger
) -> None:
    engine = Scripted("new: Oat drinks", "fits: Tea", "new: OAT drinks")
    monkeypatch.setattr(naming, "_engine", lambda *_: engine)
    found, waiting = named({"oracle": CONFIG}, TASK, GROUPS, OTHERS, ledger, seed=0)
    assert found == [Named(name="Oat drinks"), Named("Tea", "12"), Named(name="OAT drinks (2)")]
    assert waiting is None
    assert named({"oracle": CONFIG}, TASK, [], OTHERS, ledger, seed=0) == ([], None)
