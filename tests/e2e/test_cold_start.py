"""A run whose class cannot be found ends and says so, instead of training on one side."""

import json
from pathlib import Path

import pytest

from laud_ray import cli, config, loop
from laud_ray.store.run import look_at

THINGS = ("tea", "coffee", "juice", "soap", "bread", "rice", "nails", "socks")


def settings(place: Path) -> config.RunConfig:
    rows = [f"{thing} no {i} of {i % 7}{thing[::-1]}{i * 7919 % 1009},{thing}" for i in range(30) for thing in THINGS]
    (place / "names.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    labels = [{"name": "kefir", "positive": True}, *({"name": thing} for thing in THINGS)]
    given = {
        "task": {"name": "kefir", "kind": "binary", "labels": labels},
        "corpus": {"path": str(place / "names.csv"), "text": "text"},
        "storage": str(place / "run"),
        "learner": {"kind": "linear"},
        "oracle": {"kind": "replay", "label": "label"},
        "init": {"per_class": 2, "max_queries": 24},
        "evaluation": {"size": 20, "stop_set": 20},
        "budget": {"annotations": 40},
    }
    return config.parse(json.dumps(given))


def test_a_positive_class_that_is_not_there_ends_the_run(
    ray_session: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes: list[str] = []

    def observe(event: loop.Event) -> None:
        if event.kind == "note":
            notes.append(event.note)

    wanted = settings(tmp_path)
    reason = (
        "seed: 'kefir' was not found in 12 queries; every example is 'other', so no model can be trained and "
        "the zero-shot model stays current"
    )
    for _ in range(2):
        outcome = loop.run(wanted, observe)
        assert (outcome.state, outcome.reason, outcome.model) == ("finished", reason, "zero-shot")
    assert notes == ["not found: 'kefir' in 12 queries"] * 2
    with look_at(wanted.storage) as folder:
        seeds = folder.store.queries("seed")
        assert len(seeds) <= 14
        assert {a.label for a in seeds} == {"other"}
        assert [result.number for result in folder.store.history()] == [0]
    cli.main(["status", wanted.storage, "--json"])
    status = json.loads(capsys.readouterr().out)
    assert (status["state"], status["stop_reason"]) == ("finished", reason)
    assert (status["not_found"], status["not_found_in"]) == (["kefir"], {"kefir": 12})
