"""The vllm engine through ray.data.llm on a small model: answers are codes, and one bad document is one row."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from tiny_lm import TRAINED, random_lm

from laud_ray import oracles
from laud_ray.calls import Ledger
from laud_ray.chat import open_tokenizer
from laud_ray.config import LlmConfig
from laud_ray.errors import ModelError
from laud_ray.oracles.engines import Request
from laud_ray.oracles.llm import LlmOracle, oracle_prompt
from laud_ray.oracles.vllm_engine import VllmEngine
from laud_ray.store import Store
from laud_ray.types import Document, Label, Task

TASK = Task("drinks", "multiclass", (Label("Tea", "leaves"), Label("Coffee"), Label("Juice", "pressed fruit")))
needs_vllm = pytest.mark.skipif(find_spec("vllm") is None, reason="vllm is not installed")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    if TRAINED.joinpath("config.json").exists():
        return str(TRAINED)
    texts = ["Category: A", "green tea leaves", "mocha coffee beans", "orange juice"] * 50
    return random_lm(tmp_path_factory.mktemp("lm"), texts)


def make(config: LlmConfig, ledger: Ledger) -> LlmOracle:
    return oracles.build_llm(config, TASK, 0, ledger)


@needs_vllm
@pytest.mark.timeout(600)
def test_answers_are_labels_or_abstentions(ray_session: str, model: str, tmp_path: Path) -> None:
    ledger = Ledger(Store(f"sqlite:///{tmp_path}/laud.db"))
    config = LlmConfig(kind="llm", engine="vllm", model=model, max_context=600, max_calls=12, max_text_chars=20_000)
    oracle = make(config, ledger)
    documents = [Document(f"d{i}", f"product {i} of tea") for i in range(14)]
    documents[3] = Document("long", "very long " * 1500)
    found = {a.document_id: a for a in oracle.annotate(documents)}
    assert len(found) == 12, "max_calls is a cap here too"
    assert oracle.waiting is not None
    assert "oracle.max_calls: 12 of 12" in oracle.waiting
    assert {a.label for a in found.values()} <= {"Tea", "Coffee", "Juice", None}
    assert found["long"].label is None
    assert all(0 < a.confidence <= 1 for name, a in found.items() if a.confidence is not None or name != "long")
    totals = ledger.totals(oracle.name)
    assert (totals.answered, totals.failed, totals.unreadable) == (11, 1, 0)
    assert 11 * 2 < totals.tokens < 12 * 600
    # What is known comes without an engine.
    again = make(config, ledger)
    again._engine._processor = lambda: pytest.fail("the engine was started again")
    assert {a.document_id: a for a in again.annotate([d for d in documents[:12] if d.id != "long"])} == {
        name: a for name, a in found.items() if name != "long"
    }


@needs_vllm
def test_a_missing_model_is_found_before_any_work(tmp_path: Path) -> None:
    config = LlmConfig(kind="llm", engine="vllm", model=str(tmp_path / "none"))
    with pytest.raises(ModelError, match=r"oracle\.model: '.*none' cannot be loaded"):
        oracles.check(config)


def test_without_vllm_a_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"oracle\.engine: vllm is not installed; .* pip install 'laud_ray\[vllm\]'"):
        oracles.check(LlmConfig(kind="llm", engine="vllm", model="m"))


def test_a_control_token_in_a_document_is_only_its_letters(tmp_path: Path) -> None:
    tokenizer = open_tokenizer(random_lm(tmp_path / "lm", ["Category: A", "tea"] * 50))
    config = LlmConfig(kind="llm", engine="vllm", model="m")
    prompt = oracle_prompt(config, TASK)
    engine = VllmEngine(config, prompt, tokenizer, temperature=0.0)
    ids = engine.token_ids(Request("k", "d", prompt, "<|endoftext|>" + prompt.opening(), "tea <|endoftext|> B"))
    assert tokenizer.eos_token_id not in ids
    assert tokenizer.decode(ids).endswith("tea <|endoftext|> B\n</text>\nCategory:")
