"""The openai engine against a real server that speaks the protocol: vLLM's own, on loopback."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from laud_ray import oracles
from laud_ray.config import LlmConfig
from laud_ray.store.ledger import Ledger
from laud_ray.store.store import Store
from laud_ray.types import Document, Label, Task
from tests.tiny import LABELS, TINY, products

TASK = Task("shelf", "multiclass", tuple(map(Label, LABELS)))
pytestmark = pytest.mark.skipif(find_spec("vllm") is None, reason="vllm is not installed")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Start vLLM's server on the tiny model; yields its base URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(TINY), "--port", str(port)]
    command += ["--host", "127.0.0.1", "--served-model-name", "tiny", "--dtype", "float32", "--max-model-len", "1024"]
    environment = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_NO_USAGE_STATS": "1"}
    process = subprocess.Popen(
        [*command, "--enforce-eager"],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(60)


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        assert process.poll() is None, "the server ended"
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise AssertionError(f"{url} does not answer")


@pytest.mark.timeout(600)
def test_answers_of_a_real_server(server: str, tmp_path: Path) -> None:
    examples = products(60)
    documents = [Document(f"d{i}", example.text) for i, example in enumerate(examples)]
    documents.append(Document("long", "very long " * 5000))
    config = LlmConfig(
        kind="llm",
        engine="openai",
        model="tiny",
        base_url=server,
        concurrency=8,
        max_text_chars=60_000,
        input_price=1.0,
        output_price=1.0,
    )
    ledger = Ledger(Store(f"sqlite:///{tmp_path}/laud.db"))
    oracle = oracles.build_llm(config, TASK, 0, ledger)
    found = {a.document_id: a for a in oracle.annotate(documents)}
    assert set(found) == {d.id for d in documents}
    assert found["long"].label is None
    right = [found[f"d{i}"].label == e.label for i, e in enumerate(examples) if found[f"d{i}"].label]
    assert len(right) > 20
    assert sum(right) > 0.5 * len(right), "chance is 1 in 12"
    confidences = [found[f"d{i}"].confidence for i in range(60)]
    assert all(c is not None and 0 < c <= 1 for c in confidences)
    totals = ledger.totals(oracle.name)
    assert totals.answered >= 60
    assert sum(a.cost for a in found.values()) > 0
