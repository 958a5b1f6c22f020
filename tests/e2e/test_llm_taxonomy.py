"""A run in which a language model labels a taxonomy: it is stopped by a cap in the middle of its questions."""

import itertools
import json
import sqlite3
from pathlib import Path

import pytest
import yaml

from laud_ray import cli
from laud_ray.cli.output import EXIT_WAITING
from laud_ray.labels import NONE_OF_THESE
from tests.endpoint import Reply, chat, endpoint
from tests.shelves import PATHS


def script(body: dict, before: int) -> Reply:
    """A model that knows every product, and names the lowest node above it that is listed.

    It overlooks the leaf of fine products, so that it is asked about the branches.
    """
    prompt = body["messages"][0]["content"]
    text = prompt.rsplit("<text>\n", 1)[1].split("\n</text>")[0]
    right = next(path for path in PATHS if text.startswith(path.rsplit(" > ", 1)[1]))
    listed = dict(line.split(" = ")[::-1] for line in prompt.splitlines() if " = " in line)
    depths = (2, 1) if text.endswith(" fine") else (3, 2, 1)
    above = [" > ".join(right.split(" > ")[:depth]) for depth in depths]
    return chat(listed[next((path for path in above if path in listed), NONE_OF_THESE)])


def test_a_run_on_a_taxonomy_lists_leaves_and_buys_no_answer_twice(
    ray_session: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = ("small", "large", "cheap", "fine")
    rows = [f"{path.rsplit(' > ', 1)[1]} {kind},{path}" for path, kind in itertools.product(PATHS, kinds)]
    (tmp_path / "names.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    (tmp_path / "tree.txt").write_text("\n".join(PATHS))
    with endpoint(script) as server:
        llm = {"kind": "llm", "engine": "openai", "model": "m", "base_url": server.url, "shortlist": 4}
        llm |= {"max_calls": 33, "input_price": 1.0, "concurrency": 4}
        settings = {
            "task": {"name": "shop", "kind": "taxonomy", "labels": str(tmp_path / "tree.txt")},
            "corpus": {"path": str(tmp_path / "names.csv"), "text": "text"},
            "storage": str(tmp_path / "run"),
            "learner": {"kind": "linear"},
            "oracle": llm,
            "evaluation": {"size": 30, "stop_set": 30},
            "init": {"per_class": 1, "max_queries": 20},
            "query": {"batch": 10},
            "budget": {"annotations": 30},
        }
        path = tmp_path / "task.yaml"
        path.write_text(yaml.safe_dump(settings))
        with pytest.raises(SystemExit) as left:
            cli.main(["run", str(path)])
        assert left.value.code == EXIT_WAITING
        llm["max_calls"] = 400
        path.write_text(yaml.safe_dump(settings))
        cli.main(["run", str(path)])
        assert all(
            len(prompt.split("Categories:\n")[1].split("\n\n")[0].splitlines()) <= 6 for prompt in server.prompts
        )
        asked = len(server.prompts)
    with sqlite3.connect(tmp_path / "run" / "laud.db") as database:
        told = database.execute(
            "select q.text, a.label from queries q join annotations a using (document_id)"
        ).fetchall()
        keys = [row[0] for row in database.execute("select key from oracle_calls")]
    assert asked == len(keys) == len(set(keys)) > len(told) == 60
    for text, label in told:
        assert next(one for one in PATHS if text.startswith(one.rsplit(" > ", 1)[1])).startswith(str(label))
    assert sum(label in PATHS for _, label in told) > 40
    capsys.readouterr()
    cli.main(["status", str(tmp_path / "run"), "--json"])
    found = json.loads(capsys.readouterr().out)["candidates"]
    assert found["size"] == 4
    assert 0 < found["recall"]["low"] <= found["recall"]["value"] <= found["recall"]["high"] <= 1
