"""A multilabel task read label by label: a yes or a no for each, by the probabilities of the two."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from laud_ray.config import LlmConfig
from laud_ray.oracles.completions.verdicts import joined, read_one
from laud_ray.oracles.engines import Asked, CallRecorder, Completion, Request, Token
from laud_ray.oracles.llm import LlmOracle, one_prompt, oracle_prompt
from laud_ray.oracles.set_candidates import SetCandidates
from laud_ray.oracles.votes import Questions
from laud_ray.store.ledger import Ledger
from laud_ray.store.store import Store
from laud_ray.types import Document, Label, Task

TASK = Task("drinks", "multilabel", (Label("Tea", "leaves"), Label("Milk"), Label("Salt")))
DOCUMENTS = [Document("d0", "green tea"), Document("d1", "milk and salt")]


def yes_no(p: float) -> Completion:
    """What an engine returns that finds a yes as likely as this, of what is not other words."""
    said = "yes" if p >= 0.5 else " no"
    alternatives = (
        ("Yes", math.log(0.4 * p + 1e-9)),
        ("yes", math.log(0.4 * p + 1e-9)),
        (" no", math.log(0.8 * (1 - p))),
    )
    logprob = dict(alternatives)[said]
    return Completion(said, (Token(said, logprob, alternatives),), 40, 1)


class Engine:
    """Answers by a function of the text and the label."""

    at_once = 64

    def __init__(self, answer: Callable[[str, str], Completion], most: int = 10**6) -> None:
        self.answer, self.most, self.seen = answer, most, list[Request]()

    def ask(self, requests: Sequence[Request], recorder: CallRecorder) -> Asked:
        found = {}
        for request in requests[: self.most]:
            number = recorder.begin(request, 40)
            if number is None:
                return Asked(found, recorder.capped())
            self.seen.append(request)
            text = request.text.split("\n")[0]
            found[request.key] = recorder.finish(number, self.answer(text, request.about), 0.0)
        return Asked(found, None if len(found) == len(requests) else "it is slow")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(Store(f"sqlite:///{tmp_path}/laud.db"))


def make(engine: Engine, ledger: Ledger, task: Task = TASK, **more: object) -> LlmOracle:
    config = LlmConfig(**{"kind": "llm", "engine": "vllm", "model": "m", **more})
    prompt = oracle_prompt(config, task)
    of_sets = None if prompt.options else SetCandidates(task, config.shortlist)
    questions = Questions(prompt, labels=task.labels, of_sets=of_sets, one=one_prompt(config))
    return LlmOracle(config, prompt, engine, ledger, questions=questions)


def mentioned(text: str, label: str) -> Completion:
    return yes_no(0.9 if label.lower() in text else 0.2)


def test_each_label_has_a_question_and_a_call_of_its_own(ledger: Ledger) -> None:
    engine = Engine(mentioned)
    found = make(engine, ledger, input_price=1.0).annotate(DOCUMENTS)
    assert [one.label for one in found] == ['["Tea"]', '["Milk","Salt"]']
    assert [one.confidence for one in found] == pytest.approx([0.9 * 0.8 * 0.8, 0.9 * 0.9 * 0.8])
    assert [one.cost for one in found] == pytest.approx([120 / 1e6] * 2)
    assert (ledger.totals("llm:m").calls, ledger.totals("llm:m").tokens) == (6, 6 * 41)
    first, second, *_ = (request.whole for request in engine.seen)
    assert first.endswith("<text>\ngreen tea\n</text>\n\nCategory: Tea: leaves\nDoes it apply to the text?\nAnswer:")
    shared = next(i for i, (one, other) in enumerate(zip(first, second, strict=False)) if one != other)
    assert first[:shared].endswith("Category: "), "questions about a text begin alike"


def test_an_interrupted_set_of_questions_goes_on_where_it_was(ledger: Ledger) -> None:
    slow = Engine(mentioned, most=4)
    oracle = make(slow, ledger)
    assert oracle.annotate(DOCUMENTS) == [] or [one.label for one in oracle.annotate(DOCUMENTS)] == ['["Tea"]']
    assert oracle.waiting == "it is slow"
    rest = Engine(mentioned)
    assert [one.label for one in make(rest, ledger).annotate(DOCUMENTS)] == ['["Tea"]', '["Milk","Salt"]']
    assert len(slow.seen) + len(rest.seen) == 6, "nothing is bought twice"


def test_caps_count_every_call(ledger: Ledger) -> None:
    oracle = make(Engine(mentioned), ledger, max_calls=4)
    found = oracle.annotate(DOCUMENTS)
    assert [one.label for one in found] in ([], ['["Tea"]'])
    assert oracle.waiting is not None
    assert "max_calls: 4 of 4 calls of m are used" in oracle.waiting


def test_a_label_without_an_answer_is_asked_again_and_then_the_document_abstains(ledger: Ledger) -> None:
    engine = Engine(lambda text, label: Completion("maybe") if (text, label) == ("green tea", "Milk") else yes_no(0.9))
    found = make(engine, ledger).annotate(DOCUMENTS)
    assert [one.label for one in found] == [None, '["Milk","Salt","Tea"]']
    assert len(engine.seen) == 7


def test_of_more_labels_than_a_list_has_the_others_are_not_asked(ledger: Ledger) -> None:
    engine = Engine(mentioned)
    (found,) = make(engine, ledger, shortlist=2).annotate([Document("d", "green tea leaves")])
    assert found.label is not None
    assert found.label.startswith('{"no":["')
    assert found.label.endswith('"yes":["Tea"]}')
    assert [one.about for one in engine.seen].count("Tea") == 1
    assert len(engine.seen) == 2


def test_limits_keep_the_likeliest_labels() -> None:
    task = replace(TASK, at_most=1)
    prompt = oracle_prompt(LlmConfig(kind="llm", engine="vllm", model="m"), task)
    label, confidence = joined(["Tea", "Milk", "Salt"], [("yes", 0.7), ("yes", 0.9), ("no", 0.8)], prompt)
    assert (label, confidence) == ('["Milk"]', pytest.approx(0.3 * 0.9 * 0.8))
    assert joined(["Tea", "Milk"], [("yes", 0.7), (None, None)], prompt) == (None, None)
    assert joined(["Tea", "Milk"], [("yes", None), ("no", None)], prompt) == ('["Tea"]', None)
    assert joined(["Tea", "Milk"], [("no", 0.5), ("no", 0.5)], prompt)[0] == "[]"


def test_a_yes_counts_in_all_its_spellings() -> None:
    found = read_one(yes_no(0.75))
    assert (found.label, found.confidence) == ("yes", pytest.approx(0.75))
    assert read_one(Completion(" No.")).label == "no"
    assert read_one(Completion("perhaps")).why == "it is neither yes nor no"
