"""From a run to an audience and its rule: the commands as users call them, with ranges labelled in this process."""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laud_ray.cluster import connect
from laud_ray.cluster.retry_limits import Done
from laud_ray.models import kinds
from laud_ray.passes.missing import Missing
from laud_ray.relabel import steps
from laud_ray.store.run import claim, configured
from laud_ray.types import Annotation
from tests.commands import laud
from tests.relabeling import rows
from tests.served import serve_run
from tests.tiny import products


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A run whose model is right about its whole evaluation sample, and the label that it gives most."""
    place = serve_run(tmp_path_factory.mktemp("audience") / "run")
    with claim(configured(str(place / "config.yaml"))) as folder:
        drawn, scorer = folder.store.sample("evaluation"), kinds.load(str(place / "models/round-0001"))
        asked = [one.query.document for one in folder.store.queries("evaluation")]
        proba = scorer.score([one.text for one in asked])
        labels = [scorer.labels[i] for i in proba.argmax(1)]
        table = pa.table({"label": labels, "confidence": proba.max(1).astype(np.float32)})
        folder.scores(1).write_table(drawn[0].range, table)
        folder.store.add_annotations(
            [Annotation(one.id, label, "replay") for one, label in zip(asked, labels, strict=True)]
        )
    return str(place), Counter(labels).most_common(1)[0][0]


@pytest.fixture
def labelled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Label ranges in this process, without Ray; the list has the names of all that were labelled."""
    done = list[str]()

    def here(missing: Missing, work: Callable[[str, Any], object], job: Any, *_: object, **__: object) -> Iterator[Any]:
        rows = missing.done
        for name in missing.names:
            done.append(name)
            rows += missing.sizes[name]
            yield rows, Done(name, work(name, job))  # type: ignore[call-arg]

    monkeypatch.setattr(steps, "map_missing", here)
    monkeypatch.setattr(connect, "connect", lambda: None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return done


def test_an_audience_is_sized_and_its_rule_applied(
    run: tuple[str, str], labelled: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The names that the rule selects are those that were counted, and no name is labelled twice."""
    (place, label), rule, out = run, str(tmp_path / "rule.json"), str(tmp_path / "out")
    names = [one.text for one in products(150, seed=7)]
    data = str(tmp_path / "names.parquet")
    pq.write_table(pa.table({"text": names, "who": [f"u{i % 40}" for i in range(150)]}), data)
    size = ["audience", "size", place, data, "--label", label, "--user", "who", "--precision"]
    assert laud(*size, "40%", "--out", rule, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    audience, times = found["audience"], len(labelled)
    assert (found["names"], found["users"], times > 0) == (150, 40, True)
    assert 0 < audience["users"] <= audience["names"] <= found["labelled"]
    assert laud(*size, "41%", "--json") == 0
    assert json.loads(capsys.readouterr().out)["steps"] == found["steps"]
    assert len(labelled) == times
    assert laud("relabel", place, data, "--out", out, "--rule", rule, "--json") == 0
    assert json.loads(capsys.readouterr().out)["in_audience"] == audience["names"]
    chosen = rows(Path(out)).filter(rows(Path(out))["in_audience"])
    assert chosen.num_rows == audience["names"]
    assert set(chosen["label"].to_pylist()) == {label}
    assert min(chosen["confidence"].to_pylist()) >= np.float32(audience["threshold"])
    # An output of relabel is not labelled again.
    times = len(labelled)
    assert laud("audience", "size", place, out, "--label", label, "--precision", "40%", "--json") == 0
    assert json.loads(capsys.readouterr().out)["audience"]["names"] == audience["names"]
    assert len(labelled) == times
    assert laud("audience", "size", place, out, "--label", label, "--precision", "99%", "--json") == 3
    shown = capsys.readouterr()
    assert (json.loads(shown.out)["audience"], json.loads(shown.out)["shown"]) == (None, False)
    assert shown.err == f"laud: no audience of {label} is shown to have a precision of 0.99\n"
    Path(rule).unlink()
    assert laud(*size, "99%", "--out", rule) == 3
    shown = capsys.readouterr()
    assert f"No audience of {label} is shown to have a precision of 99 %" in " ".join(shown.out.split())
    assert shown.err.endswith(f"; {rule} was not written\n")
    assert not Path(rule).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "Nothing", "--precision", "0.9"], "--label: 'Nothing' is not valid; expected a label of"),
        (["--label", "LABEL", "--precision", "0.9", "--user", "nobody"], "no column 'nobody'"),
        (["--label", "LABEL", "--precision", "0.9", "--text", "title"], "no column 'title'"),
        (["--label", "LABEL", "--precision", "0.9", "--model", "round-0077"], "round-0077"),
        (["--label", "LABEL", "--precision", "95"], "expected a share above 0 and below 1"),
    ],
)
def test_a_wrong_argument_is_one_line(
    arguments: list[str],
    message: str,
    run: tuple[str, str],
    labelled: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pq.write_table(pa.table({"text": ["tea"]}), tmp_path / "names.parquet")
    given = [run[1] if one == "LABEL" else one for one in arguments]
    assert laud("audience", "size", run[0], str(tmp_path / "names.parquet"), *given) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), labelled) == ("", 1, [])
    assert message in err


def test_the_folder_of_a_model_has_no_sample(run: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    place = f"{run[0]}/models/round-0001"
    assert laud("audience", "size", place, "names.parquet", "--label", run[1], "--precision", "0.9") == 2
    assert "is the folder of a model, without an evaluation sample" in capsys.readouterr().err
