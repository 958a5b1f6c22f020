"""A whole run of a multilabel task in this process: without Ray, and with a model that counts words."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from laud_ray import config, loop
from laud_ray.cluster import ranges
from laud_ray.evaluation.buy import buy
from laud_ray.evaluation.labelled_file import evaluate_labelled
from laud_ray.events import Event
from laud_ray.label_sets import LabelSet, named
from laud_ray.models import kinds
from laud_ray.report.run.json_form import to_json
from laud_ray.report.run.page import render
from laud_ray.report.run.read import read
from laud_ray.steps.selection import seed
from laud_ray.storage.model_folder import seal
from laud_ray.store.run import claim, look_at
from laud_ray.types import Example, Floats, RoundResult, Task

DRINKS = ("Tea", "Coffee", "Juice")
WORDS = {"Tea": "green mint sencha", "Coffee": "latte mocha decaf", "Juice": "apple pear mango"}


class Counted:
    """Scores a text by how often its words were seen with a label; without examples by the names alone."""

    def __init__(self, seen: dict[str, list[float]]) -> None:
        self.labels, self.thresholds, self._seen = DRINKS, np.full(3, 0.5), seen

    def score(self, texts: Sequence[str]) -> Floats:
        return np.array(
            [
                [max([self._seen[w][c] for w in text.split() if w in self._seen] or [0.2]) for c in range(3)]
                for text in texts
            ]
        )


class Learner:
    def fit(self, task: Task, examples: Sequence[Example], *, out: str, seed: int) -> None:
        counts: dict[str, Any] = {}
        for example in examples:
            for word in example.text.split():
                of = counts.setdefault(word, [1.0, np.zeros(3)])
                of[0] += 1
                of[1][[DRINKS.index(name) for name in named(example.label)]] += 1
        seen = {word: (hits / n).round(4).tolist() for word, (n, hits) in counts.items()}
        if not examples:  # zero-shot knows one word of each label
            seen = {WORDS[name].split()[0]: [0.6 if i == c else 0.1 for i in range(3)] for c, name in enumerate(DRINKS)}
        Path(out).mkdir()
        (Path(out) / "seen.json").write_text(json.dumps(seen))
        rules = {"thresholds": [0.5] * 3, "at_most": None, "exclusive": []}
        seal(Path(out), {"kind": "linear", "kind_of_task": task.kind, "labels": list(task.names), **rules})


class Nearby:
    def embed(self, texts: Sequence[str]) -> Floats:
        every = sorted({word for words in WORDS.values() for word in words.split()})
        found = np.array([[1e-3, *(word in text for word in every)] for text in texts], np.float64)
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def each(names: Sequence[str], work: Callable[..., Any], job: object, *_: object, **__: object) -> Iterator[Any]:
        for name in names:
            yield ranges.Done(name, work(name, job))

    monkeypatch.setattr(ranges, "map_all_ranges", each)
    monkeypatch.setattr(loop, "connect", lambda: None)
    monkeypatch.setattr(kinds, "check", lambda *_: None)
    monkeypatch.setattr(kinds, "zero_shot", lambda *_: Learner())
    monkeypatch.setattr(kinds, "build", lambda *_: Learner())
    monkeypatch.setattr(kinds, "load", lambda path: Counted(json.loads((Path(path) / "seen.json").read_text())))
    monkeypatch.setattr(seed, "Neighbours", Nearby)


def written(place: Path, name: str, **more: object) -> str:
    """A configuration for a made-up corpus in which documents have no label, one or two."""
    data, rng = place / "names.csv", random.Random(0)
    if not data.exists():
        rows = []
        for i in range(300):
            labels = rng.sample(DRINKS, rng.choice([0, 1, 1, 2]))
            words = " and ".join(rng.choice(WORDS[one].split()) for one in labels) or "water"
            rows.append(f"{words} no{i},{';'.join(labels) or '[]'}")
        data.write_text("text,labels\n" + "\n".join(rows) + "\n")
    path = place / f"{name}.yaml"
    settings = {
        "task": {"name": "drinks", "kind": "multilabel", "labels": list(DRINKS), "separator": ";"},
        "corpus": {"path": str(data), "text": "text"},
        "storage": str(place / name),
        "learner": {"kind": "linear"},
        "oracle": {"kind": "replay", "label": "labels", "abstain": 0.05},
        "init": {"per_class": 2},
        # The default strategy embeds candidates, which takes workers.
        "query": {"strategy": "label_entropy", "batch": 10, "answerable": False},
        "evaluation": {"size": 60, "stop_set": 50},
        "budget": {"annotations": 30},
    }
    path.write_text(yaml.safe_dump(settings | more))
    return str(path)


def asked(place: Path, name: str) -> tuple[list[RoundResult], list[tuple[object, ...]]]:
    with look_at(str(place / name)) as folder:
        history = [replace(one, seconds={}) for one in folder.store.history()]
        return history, [
            (a.query.document.id, a.query.reason, a.query.predicted, a.label) for a in folder.store.queries()
        ]


def test_a_run_learns_sets(tmp_path: Path) -> None:
    outcome = loop.run(config.load(written(tmp_path, "drinks")))
    assert (outcome.state, outcome.reason) == ("finished", "budget: 30 of 30 annotations are spent")
    history, answers = asked(tmp_path, "drinks")
    first, last = (one.figures.multilabel for one in (history[0], history[-1]))
    assert first is not None
    assert last is not None
    assert last.micro_f1.low > first.micro_f1.value
    assert history[-1].kappa is not None
    assert 0 <= (history[-1].delta_f or 0) < 0.5
    for _, reason, predicted, label in answers[60:]:
        assert reason
        assert LabelSet.parse(str(predicted)).no is None
        assert label is None or set(named(str(label))) <= set(DRINKS)
    with look_at(str(tmp_path / "drinks")) as folder:
        summary = read(folder)
        model = folder.models / (outcome.model or "")
    assert summary.not_found == ()
    assert json.dumps(to_json(summary), allow_nan=False)
    assert any(query.answer == "no label" for query in summary.queries)
    page = render(summary)
    assert '["' not in page[: page.index("<h2>The run</h2>")]
    scorer = Counted(json.loads(model.read("seen.json")))
    task = config.load(written(tmp_path, "drinks")).task.to_task()
    found = evaluate_labelled(
        scorer, task, str(tmp_path / "names.csv"), text="text", label="labels", seed=0, max_chars=100
    )
    assert found.figures.n == 300
    assert found.figures.compared.value == pytest.approx(last.micro_f1.value, abs=0.1)


def test_further_answers_narrow_micro_f1(tmp_path: Path) -> None:
    settings = config.load(written(tmp_path, "drinks"))
    loop.run(settings)
    with claim(settings) as folder:
        found = buy(folder, 40)
    assert (found.bought, found.figures.n) == (40, found.figures.compared.n)
    assert found.headline == ("micro-F1", found.figures.compared)
    history, _ = asked(tmp_path, "drinks")
    before, after = history[-1].figures.compared, found.figures.compared
    assert after.high - after.low < before.high - before.low


def test_a_trusted_oracle_corrects_the_run_s_own(tmp_path: Path) -> None:
    trusted = {"size": 100, "stop_set": 50, "trusted": 40, "oracle": {"kind": "replay", "label": "labels"}}
    own = {"kind": "replay", "label": "labels", "noise": 0.3}
    settings = config.load(written(tmp_path, "drinks", evaluation=trusted, oracle=own))
    loop.run(settings)
    with look_at(settings.storage) as folder:
        summary = read(folder)
    figures, error = summary.history[-1].figures, summary.oracle_error
    assert (figures.n, figures.trusted) == (100, 40)
    assert error is not None
    assert error.figures.n == 40
    assert error.figures.accuracy.low < 0.7 < error.figures.accuracy.high
    assert not any("[" in one.label + one.other for one in error.confused)
    assert "agrees with the trusted oracle on" in render(summary)


class StoppedError(Exception):
    """Ends a run after a step."""


def test_a_run_that_ends_after_any_step_asks_and_measures_the_same(tmp_path: Path) -> None:
    loop.run(config.load(written(tmp_path, "unbroken")))
    done: set[tuple[str, int]] = set()

    def stop(event: Event) -> None:
        if event.kind == "end" and (event.step, event.round) not in done:
            done.add((event.step, event.round))
            raise StoppedError

    settings = config.load(written(tmp_path, "broken"))
    for _ in range(60):
        try:
            loop.run(settings, stop)
        except StoppedError:
            continue
        break
    assert {step for step, _ in done} >= {"zero-shot", "annotate", "train", "score", "evaluate", "select"}
    assert asked(tmp_path, "broken") == asked(tmp_path, "unbroken")
