"""A multilabel model that hashes, so that its probabilities depend on a text alone, and a folder with its rules."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from laud_ray import config
from laud_ray.storage.model_folder import seal
from laud_ray.store.run import claim
from laud_ray.store.store import Query, Sampled
from laud_ray.types import (
    Document,
    Estimate,
    Figures,
    Floats,
    MultilabelFigures,
    RoundResult,
    Scorer,
)

LABELS = ("Tea", "Coffee", "Juice", "Milk; fresh", "Water", "Soda", "Beer")
THRESHOLDS = (0.5, 0.7, 0.6, 0.5, 0.8, 0.75, 0.9)
FIGURE = Estimate(0.6, 0.5, 0.7, 60)
RULES = {"at_most": 3, "exclusive": [["Tea", "Coffee"]]}


class Independent:
    """Independent probabilities; a text with `poison` in it cannot be scored."""

    labels = LABELS
    thresholds = np.asarray(THRESHOLDS)

    def __init__(self) -> None:
        self.seen: list[str] = []

    def score(self, texts: Sequence[str]) -> Floats:
        if any("poison" in text for text in texts):
            raise ValueError("cannot read this")
        self.seen += texts
        primes = (3, 7, 31, 57, 91, 93, 13)
        return np.asarray([[sum(map(ord, t)) * p % 97 / 96 for p in primes] for t in texts], np.float32)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return [[ord(one) for one in text] for text in texts]

    def score_tokens(self, ids: Sequence[Sequence[int]]) -> Floats:
        return self.score(["".join(map(chr, one)) for one in ids])


def independent(_: str) -> Scorer:
    return Independent()


def model_folder(place: Path, **changed: object) -> Path:
    """Write the folder of such a model, without anything that could be loaded."""
    place.mkdir(parents=True, exist_ok=True)
    described = {"kind": "linear", "kind_of_task": "multilabel", "labels": list(LABELS), "thresholds": list(THRESHOLDS)}
    seal(place, described | RULES | changed)
    return place


def multilabel_run(storage: Path, *, documents: int = 60) -> Path:
    """Make a run with an evaluation sample and such a model, which is current; `kinds.load` has to be `independent`."""
    settings = {
        "task": {"name": "drinks", "kind": "multilabel", "labels": list(LABELS), **RULES},
        "corpus": {"path": "drinks.csv", "text": "text"},
        "storage": str(storage),
        "learner": {"kind": "linear"},
        "oracle": {"kind": "replay", "label": "labels"},
    }
    with claim(config.parse(json.dumps(settings))) as run:
        queries = [Query(Document(f"e{i}", f"drink {i}"), "drawn at random for evaluation") for i in range(documents)]
        run.store.add_queries("evaluation", 0, queries)
        run.store.set_samples({"evaluation": [Sampled("part-00000", i, f"e{i}", 0, 1000) for i in range(documents)]})
        name = run.model_name(1)
        model_folder(storage / "models" / name)
        sets = MultilabelFigures(documents, FIGURE, FIGURE, FIGURE, None, 0, FIGURE, None, FIGURE, FIGURE)
        figures = Figures(documents, FIGURE, FIGURE, 0.1, (), multilabel=sets)
        run.store.close_round(RoundResult(1, name, 40, 500, 900, figures, None, True, {}), "linear", None)
    return storage
