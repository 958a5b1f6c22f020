"""Annotate documents with an endpoint: python annotating.py DATABASE URL DOCUMENTS CONCURRENCY."""

import sys

from laud_ray.config import LlmConfig
from laud_ray.oracles.llm import LlmOracle, oracle_prompt
from laud_ray.oracles.openai.engine import OpenAiEngine
from laud_ray.store.ledger import Ledger
from laud_ray.store.store import Store
from laud_ray.types import Document, Label, Task

if __name__ == "__main__":
    database, url, count, concurrency = sys.argv[1:]
    config = LlmConfig(kind="llm", engine="openai", model="m", base_url=url, concurrency=int(concurrency), max_calls=44)
    task = Task("drinks", "multiclass", (Label("Tea"), Label("Coffee")))
    ledger = Ledger(Store(f"sqlite:///{database}"))
    oracle = LlmOracle(config, oracle_prompt(config, task), OpenAiEngine(config, 0.0), ledger)
    found = oracle.annotate([Document(f"d{i}", f"text {i};") for i in range(int(count))])
    print(len(found), oracle.waiting)
