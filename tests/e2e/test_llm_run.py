"""A run with a cascade of a language model and a replay: it waits at a cap, and goes on with a higher one."""

import asyncio
import json
import random
import sqlite3
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import laud_ray
from laud_ray import cli
from laud_ray.cli.output import EXIT_WAITING
from laud_ray.models.language import warm
from laud_ray.models.language.warm import POOL
from tests.endpoint import Reply, chat, endpoint
from tests.tiny import LABELS, TINY, products

KINDS = {
    "Tea": "green black oolong mint sencha",
    "Coffee": "latte mocha espresso arabica decaf",
    "Juice": "apple orange pear mango grape",
}


def script(body: dict, before: int) -> Reply:
    """A model that knows tea and coffee, and is not sure of juice."""
    text = body["messages"][0]["content"].rsplit("<text>\n", 1)[1].split("\n</text>")[0]
    place = next(i for i, words in enumerate(KINDS.values()) if text.split()[0] in words.split())
    return chat("ABC"[place], probability=0.4 if place == 2 else 0.9)


def test_a_run_waits_at_its_cap_and_goes_on(
    ray_session: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(0)
    rows = [
        f"{rng.choice(words.split())} {rng.choice('xyz')}{i},{kind}" for i in range(80) for kind, words in KINDS.items()
    ]
    (tmp_path / "names.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    replay = {"kind": "replay", "label": "label"}
    with endpoint(script) as server:
        llm = {"kind": "llm", "engine": "openai", "model": "m", "base_url": server.url, "threshold": 0.6}
        llm |= {"max_calls": 8, "input_price": 1.0, "concurrency": 4}
        settings = {
            "task": {"name": "drinks", "labels": list(KINDS)},
            "corpus": {"path": str(tmp_path / "names.csv"), "text": "text"},
            "storage": str(tmp_path / "run"),
            "learner": {"kind": "linear"},
            "oracle": {"kind": "cascade", "oracles": [llm, replay]},
            "evaluation": {"size": 40, "stop_set": 50, "oracle": replay},
            "init": {"per_class": 2},
            "query": {"batch": 8},
            "budget": {"annotations": 16},
        }
        path = tmp_path / "task.yaml"
        path.write_text(yaml.safe_dump(settings))
        with pytest.raises(SystemExit) as left:
            cli.main(["run", str(path)])
        assert left.value.code == EXIT_WAITING
        assert "oracle.oracles[0].max_calls: 8 of 8 calls of m are used" in capsys.readouterr().out
        assert len(server.seen) == 8
        llm["max_calls"] = 100
        path.write_text(yaml.safe_dump(settings))

        async def cell() -> laud_ray.Outcome:
            """What a notebook does: a call within an event loop that is running."""
            return laud_ray.run(laud_ray.load(str(path)))

        outcome = asyncio.run(cell())
        assert (outcome.state, outcome.reason) == ("finished", "budget: 16 of 16 annotations are spent")
        assert len(server.seen) == len(set(server.prompts)) == 16
    with sqlite3.connect(tmp_path / "run" / "laud.db") as database:
        found = database.execute(
            "select q.text, q.purpose, a.label, a.oracle, a.cost from queries q join annotations a using (document_id)"
        ).fetchall()
    truth = dict(row.split(",") for row in rows)
    assert all(label == truth[text] for text, _, label, _, _ in found)
    assert {oracle for _, purpose, _, oracle, _ in found if purpose == "evaluation"} == {"replay"}
    bought = [(label, oracle) for _, purpose, label, oracle, _ in found if purpose != "evaluation"]
    assert {oracle for label, oracle in bought if label == "Juice"} == {"replay"}
    assert {oracle for label, oracle in bought if label != "Juice"} == {"llm:m"}
    assert sum(cost for *_, cost in found) == pytest.approx(16 * 100 / 1e6), "what abstained was paid for too"


@pytest.mark.skipif(find_spec("vllm") is None, reason="vllm is not installed")
@pytest.mark.timeout(600)
def test_a_whole_run_starts_the_engine_of_its_oracle_once(
    ray_session: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(warm, "LEAST_MEMORY", 0)  # whatever else runs on this machine
    examples = products(300)
    truth = {one.text: one.label for one in examples}
    pq.write_table(pa.table({"text": list(truth), "label": list(truth.values())}), tmp_path / "names.parquet")
    settings = {
        "task": {"name": "shelf", "labels": list(LABELS)},
        "corpus": {"path": str(tmp_path / "names.parquet"), "text": "text"},
        "storage": str(tmp_path / "run"),
        "learner": {"kind": "linear"},
        "oracle": {"kind": "llm", "engine": "vllm", "model": str(TINY), "max_context": 512},
        "audit": {"share": 0.3},
        "evaluation": {"size": 40, "stop_set": 50, "oracle": {"kind": "replay", "label": "label"}, "trusted": 40},
        "init": {"per_class": 1, "max_queries": 30},
        "query": {"batch": 15},
        "budget": {"annotations": 60},
    }
    (tmp_path / "task.yaml").write_text(yaml.safe_dump(settings))
    before = POOL.starts
    outcome = laud_ray.run(laud_ray.load(str(tmp_path / "task.yaml")))
    assert outcome.state == "finished"
    assert POOL.starts - before == 1
    assert POOL.is_empty, "a finished run keeps no engine"
    with sqlite3.connect(tmp_path / "run" / "laud.db") as database:
        ((calls, answered, keys),) = database.execute(
            "select count(*), sum(state = 'done'), count(distinct key) from oracle_calls"
        ).fetchall()
        purposes = dict(database.execute("select purpose, count(*) from queries group by purpose").fetchall())
        ((rounds,),) = database.execute("select max(round) from queries").fetchall()
    assert calls == answered == keys, "nothing is bought twice"
    assert purposes["evaluation"] == 40
    assert purposes["seed"] > 0
    assert purposes["query"] > 0
    assert rounds > 1
    # What the oracle is worth is known from the random documents that both oracles answered.
    capsys.readouterr()
    cli.main(["oracle", str(tmp_path / "run"), "--json"])
    (told, *_) = json.loads(capsys.readouterr().out)["oracles"]
    with sqlite3.connect(tmp_path / "run" / "laud.db") as database:
        labelled = database.execute(
            "select q.text, a.label from queries q join annotations a using (document_id) "
            "where q.purpose = 'evaluation' and a.label is not null and a.oracle like 'llm:%'"
        ).fetchall()
    right = sum(truth[text] == label for text, label in labelled)
    assert (told["name"], told["random"], told["accuracy"]["n"]) == (f"llm:{TINY}", 40, len(labelled))
    assert told["accuracy"]["value"] == pytest.approx(right / len(labelled))
    assert told["accuracy"]["low"] < right / len(labelled) < told["accuracy"]["high"]
