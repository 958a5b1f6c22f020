"""The benchmark of label reads: its ratios are those of medians, and it resumes from what it has measured."""

import argparse
import json
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def scoring(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "benchmarks")
    import label_scoring

    return label_scoring


def test_ratios_are_those_of_the_medians(scoring: ModuleType) -> None:
    rates = {"classify": (90, 100, 400), "raw": (100, 100, 100), "logprobs": (50,), "decoding": (20,), "pass": (95,)}
    rates["ray.data.llm"] = (50,)
    more = {"proba": [[0.5, 0.5]], "computed": 1.0, "shared_tokens": 384, "own_tokens": 20.0}
    more |= {"rows": 9, "documents": 9, "labelled": 8, "errors": 1}
    found = {
        what: [{"speeds": [(1, 1), (r, 2 * r if what == "raw" else r)], **more} for r in turns]
        for what, turns in rates.items()
    }
    words = scoring.summary(found)
    assert "token ids: 1.00 (0.50 by processor time); our whole pass 0.95 (0.47 by processor time); aim 0.95" in words
    assert "decoding: 5.00 (5.00 by processor time); our whole pass 4.75 (4.75 by processor time); aim 2" in words
    assert "ray.data.llm: 2.00 (2.00 by processor time); our whole pass 1.90 (1.90 by processor time)" in words


def test_only_what_is_missing_is_measured(scoring: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    results.write_text("".join(json.dumps({"what": what, "speeds": [[1, 1]]}) + "\n" for what in ("classify", "raw")))
    ran: list[str] = []
    monkeypatch.setattr(scoring, "apart", lambda what, _args: ran.append(what) or {"speeds": [[2, 2]]})
    found = scoring.measured(argparse.Namespace(repeats=2, results=results))
    assert ran == ["logprobs", "decoding", "ray.data.llm", "pass", *scoring.MEASUREMENTS]
    assert [one["speeds"] for one in found["raw"]] == [[[1, 1]], [[2, 2]]]
    assert len(results.read_text().splitlines()) == 2 * len(scoring.MEASUREMENTS)
