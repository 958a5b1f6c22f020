"""A run with a language model at a scripted endpoint, and a corpus and an evaluation sample, made without training."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from laud_ray import config
from laud_ray.data.sharding.normalise import normalise
from laud_ray.evaluation.draw import to_queries
from laud_ray.models.language.prompts import WORDINGS
from laud_ray.oracles.engines import Request
from laud_ray.store.run import claim
from laud_ray.store.store import Sampled
from laud_ray.types import Annotation
from tests.endpoint import Reply, chat
from tests.scripted import Scripted

LABELS = ("Tea", "Coffee", "Juice")


def make_run(place: Path, url: str, *, n: int = 60, sample: int = 40, other: Any = None, **llm: Any) -> Path:
    """Make a run with n documents, `sample` of which are answered by the trusted oracle: `text i` is LABELS[i % 3].

    Args:
        other: another oracle in place of the language model.
    """
    rows = "".join(f"text {i},{LABELS[i % 3]}\n" for i in range(n))
    (place / "texts.csv").write_text("text,label\n" + rows)
    model = {"kind": "llm", "engine": "openai", "model": "m", "base_url": url, "concurrency": 4, "input_price": 1.0}
    settings = {
        "task": {"name": "drinks", "labels": list(LABELS)},
        "corpus": {"path": str(place / "texts.csv"), "text": "text"},
        "storage": str(place / "run"),
        "learner": {"kind": "linear"},
        "oracle": other or {**model, **llm},
        "evaluation": {"size": sample, "oracle": {"kind": "replay", "label": "label"}},
    }
    with claim(config.parse(json.dumps(settings))) as folder:
        corpus = normalise(folder.config.corpus, folder.corpus, sealed="label")
        rows_of = [(part.name, i) for part in corpus.ranges for i in range(part.rows)]
        ids = [one for part in corpus.ranges for one in corpus.read(part.name, ["id"]).column("id").to_pylist()]
        chosen = random.Random(0).sample(range(n), sample)
        drawn = [Sampled(*rows_of[i], ids[i], 0, n) for i in chosen]
        folder.store.set_samples({"evaluation": drawn, "stop": drawn[:5]})
        queries = to_queries(corpus, drawn)
        folder.store.add_queries("evaluation", 0, queries)
        told = [Annotation(q.document.id, LABELS[number(q.document.text) % 3], "replay") for q in queries]
        folder.store.add_annotations(told)
    return place / "run"


def number(prompt: str) -> int:
    """The number of the document in a prompt, or of its text."""
    return int(prompt.rsplit("text ", 1)[1].split()[0].split("<")[0])


def wording(prompt: str) -> int:
    return next(i for i, one in enumerate(WORDINGS) if prompt.startswith(one.task))


def is_reversed(prompt: str) -> bool:
    return prompt.index("Juice") < prompt.index("Tea")


def code(prompt: str, label: str) -> str:
    """The code of a label in a prompt."""
    return next(line.split(" = ")[0] for line in prompt.splitlines() if line.endswith(f" = {label}"))


class Answering(Scripted):
    """An engine that gives each prompt the code of a label, by a function of it and of the number of equal ones before.

    Attributes:
        prompts: all that was asked.
    """

    at_once = 16

    def __init__(self, label: Callable[[str, int], str | None]) -> None:
        super().__init__(self._answer)
        self.label, self.prompts = label, []

    def _answer(self, request: Request) -> str:
        label = self.label(request.whole, self.prompts.count(request.whole))
        self.prompts.append(request.whole)
        return "I would rather not say." if label is None else code(request.whole, label)


def saying(label: Callable[[str, int], str]) -> Callable[[dict, int], Reply]:
    """A script of an endpoint that answers as `Answering` does."""

    def script(body: dict, before: int) -> Reply:
        prompt = body["messages"][0]["content"]
        return chat(code(prompt, label(prompt, before)))

    return script
