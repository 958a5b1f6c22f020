"""The benchmark of streams: how documents are divided, and what is said about the lines of a file."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "benchmarks")
    import streams

    return streams


def test_held_back_classes_arrive_after_the_change_and_no_document_twice(streams: ModuleType) -> None:
    labels = [f"class {i % 40}" for i in range(6000)]
    texts = [f"text {i}" for i in range(6000)]
    sizes = streams.Sizes(start=500, batch=200, test=100, annotations=50)
    found = streams.stream_of(texts, labels, sizes, 0.1, seed=0)
    held = np.array([label in found.held for label in labels])
    assert len(found.held) == 10
    assert not held[found.start].any()
    assert not held[found.test_old].any()
    assert held[found.test_new].all()
    assert [held[rows].any() for rows in found.batches] == [False] * 5 + [True] * 10
    assert 0.07 < np.mean([held[rows].mean() for rows in found.batches[5:]]) < 0.13
    assert {len(rows) for rows in found.batches} == {200}
    every = np.concatenate([found.start, found.test_old, found.test_new, *found.batches])
    assert len(set(every.tolist())) == len(every)


def line(share: float, alarm: int | None) -> dict[str, Any]:
    made = [
        {"state": "accepted", "label": "Tea", "name": "green tea", "new": True, "named": True, "size": 9},
        {"state": "merged", "label": "Tea", "name": "leaves", "new": True, "named": False, "size": 7},
        {"state": "refused", "label": None, "name": "other", "new": False, "named": False, "size": 5},
    ]
    batches = [{"batch": n, "alarms": ["novelty"] * (n == alarm), "proposals": made * (n == alarm)} for n in (1, 6, 8)]
    what = {"old": 0.8, "new": 0.5, "training": 300, "evaluation": 350}
    ends = {"before": what, "after": what, "learned": what, "decision": {"verdict": "promote"} if alarm else None}
    key = {"part": "stream", "data": "d", "share": share, "seed": alarm, "learner": "linear"}
    return {**key, "batches": batches, "present": 4, **ends}


def test_the_summary_counts_from_the_change(streams: ModuleType) -> None:
    rival = {**line(0.1, 8), "part": "rival", "old": 0.7, "new": 0.4, "training": 300, "evaluation": 350}
    said = "\n".join(streams.summary([line(0.1, 8), line(0.1, None), line(0.1, 1), rival]))
    assert "streams with a false alarm: 1 [1]" in said
    assert "until the alarm, those without a false one: [3]; never: 1" in said
    assert "5 documents or more: 12, found 2; proposals 6, of a new class 4, of these named right 2" in said
    assert "the current model  accuracy on old 80.0%, on new 50.0%; annotations 300 + 350 for evaluation (3 s" in said
    assert "the rival          accuracy on old 70.0%, on new 40.0%; annotations 300 + 350 for evaluation (1 s" in said
    calm = "\n".join(streams.summary([line(0.0, 8), line(0.0, None)]))
    assert "streams with a false alarm: 1 [8]" in calm
    assert "rival" not in calm
