"""Runs that ask people, made without Ray or a model: a configuration, a database, and questions with candidates."""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from laud_ray import config as configuration
from laud_ray.people import questions
from laud_ray.people.questions import Candidate, Suggestions
from laud_ray.store.rechecks import SecondQuery, record
from laud_ray.store.run import claim, look_at
from laud_ray.store.store import Query
from laud_ray.types import Document

LABELS = ({"name": "tea"}, {"name": "milk", "also": ["Milch"]}, {"name": "=soup"}, {"name": "Käse & co"})


def run_with(
    folder: Path,
    texts: Sequence[str],
    *,
    purpose: str = "query",
    labels: Sequence[object] | str = LABELS,
    ids: Sequence[str] | None = None,
    again: int = 0,
    hidden: float = 0.0,
    name: str = "shelf",
    kind: str = "multiclass",
    store: str | None = None,
    **oracle: Any,
) -> str:
    """Make a run that has asked a question about each text; return its folder.

    Args:
        again: how many of the documents are asked about a second time.
        hidden: share of the questions without suggestions.
    """
    written = {
        "task": {"name": name, "kind": kind, "labels": labels if isinstance(labels, str) else list(labels)},
        "corpus": {"path": str(folder / "none.parquet"), "text": "text"},
        "storage": str(folder / f"run-{uuid.uuid4().hex[:6]}"),
        "store": store,
        "oracle": {"kind": "people", "hidden": hidden, **oracle},
    }
    settings = configuration.parse(yaml.safe_dump(written), "task.yaml")
    found = [Document(id, text) for id, text in zip(ids or [f"d{i}" for i in range(len(texts))], texts, strict=True)]
    names = settings.task.to_task().names
    listed = [Candidate(names[0], 0.6), Candidate(names[-1], 0.25)]
    suggested = Suggestions("round-0001", {one.id: listed for one in found})
    rules = questions.rules_of(settings)
    assert rules is not None
    with claim(settings) as run:
        run.store.add_queries(purpose, 1, [Query(one, "why") for one in found])  # type: ignore[arg-type]
        questions.ask(run.store.engine, found, 1, lambda _: suggested, rules, seed=3)
        if again:
            record(run.store.engine, 1, [SecondQuery(one, 2, "doubt") for one in found[:again]])
            questions.ask(run.store.engine, found[:again], 2, lambda _: suggested, rules, seed=3)
    return settings.storage


def all_questions(run: str) -> list[questions.Question]:
    with look_at(run) as folder:
        return questions.questions(folder.store.engine)
