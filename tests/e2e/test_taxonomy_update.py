"""Data keep coming to a run on a taxonomy: a kind by other words, and then one that the tree has no leaf for."""

import json
import random
from pathlib import Path

import pytest
import yaml

from laud_ray import config, loop
from tests.commands import laud
from tests.e2e.test_update import rows, write

KINDS = {
    "Drinks > Hot > Tea": "green black oolong mint sencha",
    "Drinks > Hot > Coffee": "latte mocha espresso arabica decaf",
    "Drinks > Juice": "apple orange pear mango grape",
    "Tools > Saws": "hacksaw jigsaw blade fretsaw bowsaw",
}
# Coffee by other words, and what the tree has no leaf for.
OTHER, NEW = "ristretto lungo macchiato cortado crema affogato", "portafilter grinder burr tamper descaler gasket"


def names(n: int, seed: int, words: str = "", label: str = "", novel: float = 0.0) -> list[str]:
    rng, found = random.Random(seed), []
    for i in range(n):
        if rng.random() < novel:
            found.append(f"{rng.choice(words.split())} {rng.choice(words.split())} {seed}{i},{label}")
        else:
            kind = rng.choice(list(KINDS))
            found.append(f"{rng.choice(KINDS[kind].split())} {rng.choice('xyz')}{seed}{i},{kind}")
    return found


def test_an_update_of_a_taxonomy(ray_session: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, tree = tmp_path / "run", tmp_path / "tree.txt"
    tree.write_text("\n".join(KINDS))
    settings = {
        "task": {"name": "shop", "kind": "taxonomy", "labels": str(tree)},
        "corpus": {"path": str(write(tmp_path / "names.csv", names(700, 1))), "text": "text"},
        "storage": str(run),
        "learner": {"kind": "linear"},
        "oracle": {"kind": "replay", "label": "label"},
        "init": {"per_class": 2},
        "query": {"batch": 12, "strategy": "margin"},
        "evaluation": {"size": 60, "stop_set": 50},
        "budget": {"annotations": 24},
        "update": {"annotations": 60, "margin": 0.1},
    }
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump(settings))
    assert loop.run(config.load(str(path))).state == "finished"

    night = write(tmp_path / "night.csv", names(240, 2, OTHER, "Drinks > Hot > Coffee", 0.4))
    assert laud("update", str(run), str(night)) == 0
    ((verdict, words),) = rows(run, "select verdict, words from decisions")
    assert "hierarchical F1" in str(words)
    assert verdict == "promote", words

    night = write(tmp_path / "parts.csv", names(240, 3, NEW, "Tools > Parts", 0.4))
    capsys.readouterr()
    assert laud("update", str(run), str(night), "--json") == 3
    assert not [one for one in json.loads(capsys.readouterr().out)["commands"] if " accept " in one]
    assert laud("labels", str(run), "--json") == 0
    proposed = json.loads(capsys.readouterr().out)["proposals"]
    first = proposed[0]
    assert first["state"] == "open"
    assert first["name"].rpartition(" > ")[0] in ("", "Drinks", "Drinks > Hot", "Tools"), proposed
    assert laud("labels", str(run), "accept", str(first["number"]), "--name", "Tools > Parts") == 2
    assert "a taxonomy changes by its file: write 'Tools > Parts' into it" in capsys.readouterr().err
    assert laud("labels", str(run), "merge", str(first["number"]), "Tools > Parts") == 2
    assert "'Tools > Parts' is not a node of the taxonomy" in capsys.readouterr().err

    tree.write_text("\n".join([*KINDS, "Tools > Parts"]))
    path.write_text(yaml.safe_dump({**settings, "budget": {"annotations": 110}}))
    assert loop.run(config.load(str(path)), accept=lambda lines: None).state == "finished"
    for one in proposed:
        assert laud("labels", str(run), "merge", str(one["number"]), "Tools > Parts") == 0
    assert laud("update", str(run)) == 0
    assert {state for (state,) in rows(run, "select state from generations")} == {"decided"}
    assert ("Tools > Parts",) in rows(run, "select distinct label from renewed_answers")
    capsys.readouterr()
    assert laud("status", str(run)) == 0
