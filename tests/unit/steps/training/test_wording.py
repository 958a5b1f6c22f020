"""The wording of leaves for the next model: configured, or chosen once by the evaluation sample."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from laud_ray.config import EncoderConfig, InContextConfig
from laud_ray.steps.training import wording as step
from laud_ray.taxonomy import read_table
from laud_ray.taxonomy.task import task_of
from laud_ray.taxonomy.wording import FEWEST

TASK = task_of("shop", read_table({"path": ["Drinks > Tea > Green", "Paint > Green"]}, "labels"))
ENCODER = EncoderConfig(kind="encoder")


class Settings(dict[str, str]):
    """The settings of a store, and its evaluation sample."""

    asked: int = FEWEST

    def setting(self, key: str) -> str | None:
        return self.get(key)

    def set(self, key: str, value: str) -> None:
        self[key] = value

    def queries(self, purpose: str) -> list[Any]:
        assert purpose == "evaluation"
        document = SimpleNamespace(text="sencha")
        label = "Drinks > Tea > Green"
        return [SimpleNamespace(query=SimpleNamespace(document=document), label=label) for _ in range(self.asked)]


def work(store: Settings, wording: str = "auto", learner: object = ENCODER, tree: object = "a tree") -> Any:
    task = SimpleNamespace(tree=tree, wording=wording)
    return SimpleNamespace(store=store, task=TASK, config=SimpleNamespace(task=task, learner=learner))


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Embed the bare "Green" of both leaves alike, and nearer to the paint; longer words by their text."""

    class Fake:
        def __init__(self, *_: object) -> None:
            pass

        def freeze(self) -> "Fake":
            return self

        def embed(self, texts: list[str]) -> np.ndarray:
            return np.tile(np.float32([1, 0]), (len(texts), 1))

    def vectors(_: object, labels: Any, __: str) -> tuple[np.ndarray, None]:
        return np.asarray([[1, 0] if label.wording == "Green, Tea" else [0.5, 0] for label in labels], np.float32), None

    monkeypatch.setattr(step, "Encoder", Fake)
    monkeypatch.setattr(step, "label_vectors", lambda e, labels, t: vectors(e, labels[::1], t))


def test_what_is_configured_holds() -> None:
    assert step.wording_of(work(Settings(), "path")) == "path"
    assert step.wording_of(work(Settings(), "path", learner=InContextConfig(kind="in_context", model="m"))) == "leaf"
    assert step.wording_of(work(Settings(), tree=None)) == "leaf"


def test_few_answers_decide_nothing() -> None:
    store = Settings()
    store.asked = FEWEST - 1
    assert step.wording_of(work(store)) == "leaf"
    assert not store


def test_a_choice_is_recorded_and_repeated() -> None:
    store = Settings()
    made = step.wording_of(work(store))
    assert step.recorded(store) == made  # type: ignore[arg-type]
    store.asked = 0  # a restart does not look again
    assert step.wording_of(work(store)) == made
