"""A language model labels the sample of a multilabel task: a cap stops it in the middle, and nothing is lost."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from laud_ray import config
from laud_ray.config import RunConfig
from laud_ray.data.sharding.normalise import normalise
from laud_ray.evaluation.draw import to_queries
from laud_ray.label_sets import LabelSet
from laud_ray.report.run.json_form import to_json
from laud_ray.report.run.read import read
from laud_ray.steps.annotation.annotate import annotate
from laud_ray.steps.work import WaitingError, Work
from laud_ray.store.run import claim
from laud_ray.store.store import Sampled
from tests.endpoint import Reply, chat, endpoint

LABELS = ("tea", "milk", "bread", "salt", "sugar", "rice")
_PAIRS = zip(LABELS * 5, (*LABELS[1:], "mud") * 5, strict=True)
TEXTS = [f"{one} and {other} no. {i}" for i, (one, other) in enumerate(_PAIRS)]


def right(text: str) -> list[str]:
    return sorted(label for label in LABELS if label in text.split())


def script(body: dict, before: int) -> Reply:
    """A model that finds the labels in the text."""
    prompt = body["messages"][0]["content"]
    text = prompt.rsplit("<text>\n", 1)[1].split("\n</text>")[0]
    listed = [line.split(" = ") for line in prompt.splitlines() if " = " in line]
    return chat(json.dumps({code: "yes" if name in right(text) else "no" for code, name in listed}))


def in_run(settings: RunConfig, do: Callable[[Work], None]) -> None:
    """Do something in a run whose evaluation sample is drawn."""
    with claim(settings) as run:
        corpus = normalise(run.config.corpus, run.corpus, labels=None)
        if not run.store.queries("evaluation"):
            drawn = []
            for part in corpus.ranges:
                ids = corpus.read(part.name, ["id"]).column("id").to_pylist()
                drawn += [Sampled(part.name, i, name, 0, len(TEXTS)) for i, name in enumerate(ids)]
            run.store.set_samples({"evaluation": drawn, "stop": drawn[:5]})
            run.store.add_queries("evaluation", 0, to_queries(corpus, drawn))
        do(Work(run, run.config.task.to_task(), corpus, lambda event: None))


@pytest.mark.parametrize("shortlist", [50, 3])
def test_an_interrupted_sample_is_bought_once(tmp_path: Path, shortlist: int) -> None:
    (tmp_path / "names.csv").write_text("text\n" + "\n".join(TEXTS) + "\n")
    with endpoint(script) as server:
        llm = {"kind": "llm", "engine": "openai", "model": "m", "base_url": server.url, "shortlist": shortlist}
        llm |= {"max_calls": 17, "input_price": 1.0, "concurrency": 4}
        settings = {
            "task": {"name": "shop", "kind": "multilabel", "labels": list(LABELS)},
            "corpus": {"path": str(tmp_path / "names.csv"), "text": "text"},
            "storage": str(tmp_path / "run"),
            "learner": {"kind": "linear"},
            "oracle": llm,
            "evaluation": {"size": 20},
        }
        with pytest.raises(WaitingError, match="max_calls: 17 of 17 calls of m are used"):
            in_run(config.parse(json.dumps(settings)), lambda work: annotate(work, "evaluation", 0))
        llm["max_calls"] = 400
        in_run(config.parse(json.dumps(settings)), lambda work: annotate(work, "evaluation", 0))
        assert len(server.prompts) == len(set(server.prompts)) == len(TEXTS)
    with sqlite3.connect(tmp_path / "run" / "laud.db") as database:
        told = dict(database.execute("select q.text, a.label from queries q join annotations a using (document_id)"))
    assert len(told) == len(TEXTS)
    for text, label in told.items():
        found = LabelSet.parse(label)
        if shortlist > len(LABELS):
            assert found == LabelSet.of(right(text))
        else:
            assert found.no is not None
            assert len(found.yes) + len(found.no) == shortlist
            assert set(found.yes) <= set(right(text))
    # The encoder lists the labels that a text names.
    assert sum(len(LabelSet.parse(label).yes) for label in told.values()) >= 0.9 * sum(map(len, map(right, TEXTS)))

    def report(work: Work) -> None:
        assert to_json(read(work.run))

    in_run(config.parse(json.dumps(settings)), report)
