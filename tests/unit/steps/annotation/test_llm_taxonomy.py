"""A language model labels the sample of a taxonomy: it is stopped by a cap in the middle of its questions."""

import itertools
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from laud_ray import config
from laud_ray.config import RunConfig
from laud_ray.data.sharding.normalise import normalise
from laud_ray.evaluation.draw import to_queries
from laud_ray.labels import NONE_OF_THESE
from laud_ray.report.run.json_form import to_json
from laud_ray.report.run.read import read
from laud_ray.steps.annotation.annotate import annotate
from laud_ray.steps.close import _measure_candidates
from laud_ray.steps.work import WaitingError, Work
from laud_ray.store.run import claim
from laud_ray.store.store import Sampled
from tests.endpoint import Reply, chat, endpoint
from tests.shelves import PATHS

SAMPLE = 40
# Words before a product that mislead the encoder.
BESIDE = ("small", "lawn mower, rake and spade beside", "cola, lemonade, tonic and", "not shampoo, soap or sponge but")


def right(text: str) -> str:
    return next(path for path in PATHS if text.endswith(path.rsplit(" > ", 1)[1]))


def script(body: dict, before: int) -> Reply:
    """A model that knows every product, and names the lowest node above it that is listed."""
    prompt = body["messages"][0]["content"]
    path = right(prompt.rsplit("<text>\n", 1)[1].split("\n</text>")[0])
    listed = dict(line.split(" = ")[::-1] for line in prompt.splitlines() if " = " in line)
    above = [" > ".join(path.split(" > ")[:depth]) for depth in (3, 2, 1)]
    return chat(listed[next((one for one in above if one in listed), NONE_OF_THESE)])


def in_run(settings: RunConfig, do: Callable[[Work], None]) -> None:
    """Do something in a run whose evaluation sample is drawn."""
    with claim(settings) as run:
        corpus = normalise(run.config.corpus, run.corpus, labels=None)
        if not run.store.queries("evaluation"):
            drawn = []
            for part in corpus.ranges:
                ids = corpus.read(part.name, ["id"]).column("id").to_pylist()
                drawn += [Sampled(part.name, i, name, 0, len(PATHS) * 4) for i, name in enumerate(ids)]
            drawn = drawn[:SAMPLE]
            run.store.set_samples({"evaluation": drawn, "stop": drawn[:5]})
            run.store.add_queries("evaluation", 0, to_queries(corpus, drawn))
        do(Work(run, run.config.task.to_task(), corpus, lambda event: None))


def test_an_interrupted_sample_is_bought_once_and_measures_the_lists(tmp_path: Path) -> None:
    rows = [f"{kind} {path.rsplit(' > ', 1)[1]}" for path, kind in itertools.product(PATHS, BESIDE)]
    (tmp_path / "names.csv").write_text("text\n" + "\n".join(rows) + "\n")
    (tmp_path / "tree.txt").write_text("\n".join(PATHS))
    with endpoint(script) as server:
        llm = {"kind": "llm", "engine": "openai", "model": "m", "base_url": server.url, "shortlist": 4}
        llm |= {"max_calls": 47, "input_price": 1.0, "concurrency": 4}
        settings = {
            "task": {"name": "shop", "kind": "taxonomy", "labels": str(tmp_path / "tree.txt")},
            "corpus": {"path": str(tmp_path / "names.csv"), "text": "text"},
            "storage": str(tmp_path / "run"),
            "learner": {"kind": "linear"},
            "oracle": llm,
            "evaluation": {"size": SAMPLE},
        }
        with pytest.raises(WaitingError, match="max_calls: 47 of 47 calls of m are used"):
            in_run(config.parse(json.dumps(settings)), lambda work: annotate(work, "evaluation", 0))
        llm["max_calls"] = 400
        in_run(config.parse(json.dumps(settings)), lambda work: annotate(work, "evaluation", 0))
        lists = [prompt.split("Categories:\n")[1].split("\n\n")[0].splitlines() for prompt in server.prompts]
        assert max(map(len, lists)) == 6
        asked = len(server.prompts)
    with sqlite3.connect(tmp_path / "run" / "laud.db") as database:
        told = dict(database.execute("select q.text, a.label from queries q join annotations a using (document_id)"))
        keys = [row[0] for row in database.execute("select key from oracle_calls where state = 'done'")]
    # No prompt was sent twice, and every answer is right, or a branch above.
    assert asked == len(keys) == len(set(keys)) > SAMPLE
    assert all(right(text).startswith(label) for text, label in told.items())
    assert sum(label in PATHS for label in told.values()) > SAMPLE / 2

    def measure(work: Work) -> None:
        _measure_candidates(work, 0)
        found = to_json(read(work.run))["candidates"]
        assert isinstance(found, dict)
        assert (found["round"], found["size"]) == (0, 4)
        assert 0.2 < found["recall"]["value"] < 1

    in_run(config.parse(json.dumps(settings)), measure)
