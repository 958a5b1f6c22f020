"""A multilabel task asked at an endpoint: one completion with a verdict on each label."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from laud_ray import config as configuration
from laud_ray import oracles
from laud_ray.config import LlmConfig
from laud_ray.errors import ConfigError
from laud_ray.oracles.account import fitted
from laud_ray.oracles.llm import oracle_prompt
from laud_ray.store.ledger import Ledger
from laud_ray.store.store import Store
from laud_ray.types import Document, Example, Label, Task
from tests.endpoint import Endpoint, Reply, chat, endpoint, refusal

TASK = Task("drinks", "multilabel", (Label("Tea", "leaves"), Label("Milk"), Label("Salt")))
MANY = Task("many", "multilabel", tuple(Label(name) for name in ("tea", "milk", "steel screws", "wooden tables")))
DOCUMENTS = [Document(f"d{i}", f"text {i};") for i in range(20)]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(Store(f"sqlite:///{tmp_path}/laud.db"))


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")


def asked(
    server: Endpoint,
    ledger: Ledger,
    documents: list[Document],
    task: Task = TASK,
    *,
    examples: object = (),
    **more: object,
) -> list[tuple[str | None, float | None]]:
    config = LlmConfig(**{"kind": "llm", "engine": "openai", "model": "m", "base_url": server.url, **more})
    oracle = oracles.build_llm(config, task, 0, ledger, examples=examples)  # type: ignore[arg-type]
    return [(one.label, one.confidence) for one in oracle.annotate(documents)]


def verdicts(body: dict[str, object], yes: str) -> str:
    codes = body["response_format"]["json_schema"]["schema"]["required"]  # type: ignore[index]
    return json.dumps({code: "yes" if code in yes else "no" for code in codes})


def test_each_label_is_asked_about_in_one_completion(ledger: Ledger) -> None:
    with endpoint(lambda body, before: chat(verdicts(body, "AC"), usage=(50, 20))) as server:
        found = asked(server, ledger, DOCUMENTS[:3], input_price=1, output_price=2)
        assert asked(server, ledger, DOCUMENTS[:3], input_price=1, output_price=2) == found
    assert [label for label, _ in found] == ['["Salt","Tea"]'] * 3
    totals = ledger.totals("llm:m")
    assert (totals.calls, totals.tokens, totals.dollars) == (3, 210, pytest.approx(3 * 90 / 1e6))
    (prompt, body) = server.prompts[0], server.seen[0]
    assert "A = Tea: leaves\nB = Milk\nC = Salt\n" in prompt
    assert 'a JSON object that has each code with "yes" or "no"' in prompt
    assert "unsure" not in prompt
    assert prompt.endswith("\n</text>\nAnswer:")
    assert body["response_format"]["json_schema"]["strict"] is True
    assert body["max_tokens"] == 16 + 14 * 3


def test_a_server_without_the_form_is_asked_without_it(ledger: Ledger) -> None:
    def script(body: dict[str, object], before: int) -> Reply:
        if "response_format" in body:
            return refusal(400, "This response_format type is unavailable now")
        return chat('{"A": "no", "B": "no", "C": "no"}')

    with endpoint(script) as server:
        assert [label for label, _ in asked(server, ledger, DOCUMENTS[:4], concurrency=1)] == ["[]"] * 4
        assert len(server.seen) == 5
        assert [label for label, _ in asked(server, ledger, DOCUMENTS[4:6])] == ["[]"] * 2
        assert len(server.seen) == 7, "that is remembered"


def test_an_answer_without_a_label_is_asked_again_and_then_abstains(ledger: Ledger) -> None:
    def script(body: dict[str, object], before: int) -> Reply:
        right = '{"A": "yes", "B": "no", "C": "no"}'
        return chat('{"A": "yes"}' if "text 0;" in str(body["messages"]) else right)

    with endpoint(script) as server:
        found = asked(server, ledger, DOCUMENTS[:3])
    assert [label for label, _ in found] == [None, '["Tea"]', '["Tea"]']
    assert (len(server.seen), ledger.totals("llm:m").unreadable) == (4, 2)


def test_of_more_labels_than_a_list_has_the_others_are_not_asked(ledger: Ledger) -> None:
    document = Document("d", "screws of stainless steel")
    with endpoint(lambda body, before: chat(verdicts(body, "AB"))) as server:
        ((label, _),) = asked(server, ledger, [document], MANY, shortlist=2)
        ((again, _),) = asked(server, ledger, [document], MANY, shortlist=2)
    assert label == again
    assert "steel screws" in str(label)
    found = json.loads(str(label))
    assert (len(found["yes"]), found["no"]) == (2, [])
    assert sum(f"= {one.name}\n" in server.prompts[0] for one in MANY.labels) == 2


def test_an_answer_beyond_the_limits_of_the_task_is_none(ledger: Ledger) -> None:
    task = replace(TASK, at_most=2, exclusive=(("Tea", "Salt"),))
    said = iter(["ABC", "AC", "AB", "ABC"])
    with endpoint(lambda body, before: chat(verdicts(body, next(said)))) as server:
        found = [label for label, _ in asked(server, ledger, DOCUMENTS[:2], task, concurrency=1)]
    assert found == ['["Milk","Tea"]', None] or found == [None, '["Milk","Tea"]']
    assert "At most 2 of them apply. At most one of Tea, Salt applies.\n" in server.prompts[0]


def test_votes_and_examples(ledger: Ledger) -> None:
    examples = [Example("text 1;", '["Milk"]'), Example("text 2;", '{"no":["Tea"],"yes":[]}')]
    with endpoint(lambda body, before: chat(verdicts(body, "AB" if before else "A"))) as server:
        ((label, confidence),) = asked(server, ledger, DOCUMENTS[:1], votes=3, examples=examples)
        assert (label, confidence) == ('["Milk","Tea"]', pytest.approx(2 / 3))
        asked(server, ledger, [Document("x", "text 1;")], examples=examples, threshold=0.0)
    config = LlmConfig(kind="llm", engine="openai", model="m", base_url=server.url)
    prompt = oracle_prompt(fitted(config, TASK), TASK)
    opening = prompt.opening((), examples)
    assert 'text 1;\n</text>\nAnswer: {"A": "no", "B": "yes", "C": "no"}' in opening
    assert 'text 2;\n</text>\nAnswer: {"A": "no"}' in opening


@pytest.mark.parametrize(
    ("oracle", "message"),
    [
        ("{kind: llm, engine: vllm, model: m, examples: 2}", "oracle.examples: 2 is not valid with engine: vllm and"),
        (
            "{kind: llm, engine: openai, model: m, rationale: true}",
            "oracle.rationale: true is not valid with task.kind",
        ),
    ],
)
def test_what_a_multilabel_task_does_not_have_is_refused(oracle: str, message: str) -> None:
    text = (
        "task: {name: t, kind: multilabel, labels: [a, b]}\ncorpus: {path: a.csv, text: text}\nstorage: runs/t\n"
        f"oracle: {oracle}\n"
    )
    with pytest.raises(ConfigError, match=message):
        configuration.parse(text)
