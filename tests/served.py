"""A run with models to serve: trained for real in a second, without a loop around it."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import uvicorn

from laud_ray import config
from laud_ray.models.kinds import LinearLearner
from laud_ray.steps.training.model import train
from laud_ray.store.run import claim, configured
from laud_ray.store.store import Query, Sampled
from laud_ray.types import Document, Estimate, Example, Figures, RoundResult
from serve.api import make_api
from serve.arguments import Arguments
from serve.service import Service
from serve.tokens import Tokens
from tests.tiny import LABELS, products

FIGURE = Estimate(0.8, 0.7, 0.9, 40)


def serve_run(storage: Path, *, models: int = 1) -> Path:
    """Make a run with an evaluation sample of 60 and so many models, each of more examples than the one before."""
    settings = config.parse(
        f"task: {{name: food, labels: {list(LABELS)}}}\n"
        "corpus: {path: food.csv, text: text}\n"
        f"storage: {storage}\n"
        "learner: {kind: linear}\n"
        "oracle: {kind: replay, label: label}\n"
    )
    with claim(settings) as folder:
        drawn = products(60, seed=3)
        queries = [Query(Document(f"e{i}", one.text), "drawn at random for evaluation") for i, one in enumerate(drawn)]
        folder.store.add_queries("evaluation", 0, queries)
        rows = [Sampled("part-00000", i, f"e{i}", 0, 1000) for i in range(len(drawn))]
        folder.store.set_samples({"evaluation": rows})
    for number in range(1, models + 1):
        add_model(storage, number)
    return storage


def add_model(storage: Path, number: int, examples: Sequence[Example] | None = None, *, accepted: bool = True) -> str:
    """Train a model and close its round, as the loop does; it becomes current."""
    given = examples if examples is not None else products(40 * number)
    with claim(configured(str(storage / "config.yaml"))) as folder:
        task, name = folder.config.task.to_task(), folder.model_name(number)
        train(LinearLearner(), task, given, folder.models, name, 0)
        figures = Figures(40, FIGURE, FIGURE, 0.1, ())
        result = RoundResult(number, name, len(given), 500, 900, figures, None, accepted, {})
        folder.store.close_round(result, "linear", None)
    return name


@contextmanager
def live(**arguments: Any) -> Iterator[httpx.Client]:
    """Serve over real HTTP in this process, without Ray; yields a client whose base is the service."""
    given = Arguments(**{"allow_anonymous": True, "poll_s": 3600, **arguments})
    api = make_api(Service(given, logging.getLogger("laud.test")), Tokens.open(given.tokens_file))
    server = uvicorn.Server(uvicorn.Config(api, port=0, log_config=None, lifespan="on"))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    eventually(lambda: server.started or not thread.is_alive())
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        headers = {"content-type": "application/json"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(30)


def eventually(holds: Callable[[], object], seconds: float = 60) -> None:
    """Return as soon as something holds.

    Raises:
        TimeoutError: if it never does.
    """
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(0.02)
