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
from laud_ray.store.run import look_at
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


SPLIT, RENAMED = "Tools > Workshop > saw", ("Drinks > Hot > hot chocolate", "Drinks > Hot > cocoa")


def of_version(text: str, new: bool) -> list[str]:
    """Return the right leaf of a product and the nodes above it, from below, in the old or the new tree."""
    path = next(one for one in PATHS if text.startswith(one.rsplit(" > ", 1)[1]))
    if new and path == SPLIT:
        path += " > jigsaw" if text.endswith((" cheap", " fine")) else " > hand saw"
    if new and path == RENAMED[0]:
        path = RENAMED[1]
    names = path.split(" > ")
    return [" > ".join(names[:depth]) for depth in range(len(names), 0, -1)]


def test_a_language_model_goes_on_with_another_version_of_a_taxonomy(ray_session: str, tmp_path: Path) -> None:
    """What was renamed is not asked about again; what was split is, from lists of the new tree."""
    kinds = ("small", "large", "cheap", "fine")
    texts = [f"{path.rsplit(' > ', 1)[1]} {kind}" for path, kind in itertools.product(PATHS, kinds)]
    (tmp_path / "names.csv").write_text("text\n" + "\n".join(texts) + "\n")
    above = dict.fromkeys(one for path in PATHS for one in of_version(path.rsplit(" > ", 1)[1], new=False)[1:])
    old = "".join(f"{code},{path}\n" for code, path in enumerate([*above, *PATHS]))
    new = old.replace(RENAMED[0], RENAMED[1]) + f"100,{SPLIT} > hand saw\n101,{SPLIT} > jigsaw\n"
    for name, lines in (("old", old), ("new", new)):
        (tmp_path / f"{name}.csv").write_text("code,path\n" + lines)

    def script(body: dict, before: int) -> Reply:
        prompt = body["messages"][0]["content"]
        text = prompt.rsplit("<text>\n", 1)[1].split("\n</text>")[0]
        listed = dict(line.split(" = ")[::-1] for line in prompt.splitlines() if " = " in line)
        right = next((path for path in of_version(text, changed) if path in listed), NONE_OF_THESE)
        return chat(listed[right])

    def settings(tree: str, budget: int) -> str:
        llm = {"kind": "llm", "engine": "openai", "model": "m", "base_url": server.url, "shortlist": 8}
        path = tmp_path / f"{tree}.yaml"
        found = {
            "task": {"name": "shop", "kind": "taxonomy", "labels": str(tmp_path / f"{tree}.csv")},
            "corpus": {"path": str(tmp_path / "names.csv"), "text": "text"},
            "storage": str(tmp_path / "run"),
            "learner": {"kind": "linear"},
            "oracle": llm | {"input_price": 1.0, "concurrency": 4},
            "evaluation": {"size": 90, "stop_set": 30},
            "init": {"per_class": 1, "max_queries": 30},
            "query": {"batch": 10},
            "budget": {"annotations": budget},
        }
        path.write_text(yaml.safe_dump(found))
        return str(path)

    with endpoint(script) as server:
        changed = False
        cli.main(["run", settings("old", 50)])
        before = len(server.prompts)
        with sqlite3.connect(tmp_path / "run" / "laud.db") as database:
            answered = dict(
                database.execute("select q.text, a.label from queries q join annotations a using (document_id)")
            )
        assert {SPLIT, RENAMED[0]} <= set(answered.values())
        changed = True
        cli.main(["run", settings("new", 80), "--yes"])
        later = server.prompts[before:]
        cli.main(["run", settings("new", 80), "--yes"])
        assert server.prompts[before:] == later, "the same command asks nothing more"
    asked = {prompt.rsplit("<text>\n", 1)[1].split("\n</text>")[0] for prompt in later}
    listed = {line.split(" = ")[1] for prompt in later for line in prompt.splitlines() if " = " in line}
    assert RENAMED[0] not in listed
    assert f"{SPLIT} > jigsaw" in listed
    assert {text for text, label in answered.items() if label == SPLIT} <= asked
    assert not {text for text, label in answered.items() if label not in (SPLIT, None)} & asked
    with look_at(str(tmp_path / "run")) as folder:
        told = {a.query.document.text: a.label for a in folder.store.queries()}
    assert RENAMED[1] in told.values()
    for text, label in told.items():
        assert label in of_version(text, new=True)
    assert sum(label == of_version(text, new=True)[0] for text, label in told.items()) > 0.8 * len(told)
    with sqlite3.connect(tmp_path / "run" / "laud.db") as database:
        keys = [row[0] for row in database.execute("select key from oracle_calls")]
    assert len(keys) == len(set(keys)) == before + len(later)
