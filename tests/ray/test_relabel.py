"""The whole command over real Ray labels every row once, whatever happens on the way, and says what it did."""

from __future__ import annotations  # a class that is sent to workers must not need this module's names

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import boto3
import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from laud_ray.cli import main
from laud_ray.config import CorpusConfig
from laud_ray.data.sharding.normalise import normalise
from laud_ray.errors import PassError
from laud_ray.events import Event
from laud_ray.models import kinds as models
from laud_ray.passes.run import run_pass
from laud_ray.relabel import Columns, Options, Outcome, open_source, relabel
from laud_ray.storage.folder import Folder
from laud_ray.store.run import look_at
from laud_ray.types import Floats, Scorer
from tests.relabeling import rows
from tests.s3 import s3_server
from tests.served import add_model, eventually, serve_run
from tests.tiny import products

ROWS = 3000
SEED = 5
# What does not depend on which texts are scored together.
EXACT = ["id", "label", "abstained", "model", "source", "source_row", "error"]


@dataclass(frozen=True, slots=True)
class Place:
    """A run with two models, and 3,000 rows in two files: some broken, some with the same text."""

    run: str
    data: str
    texts: dict[str, str | None]


@pytest.fixture(scope="module")
def place(ray_session: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    where = tmp_path_factory.mktemp("relabel")
    serve_run(where / "run", models=1)
    add_model(where / "run", 2, products(600, seed=9), accepted=True)
    made = [one.text for one in products(900, seed=SEED)]
    texts: list[str | None] = [None if i % 97 == 0 else "" if i % 101 == 0 else made[i * 7 % 900] for i in range(ROWS)]
    ids = [f"p{i}" for i in range(ROWS)]
    (where / "in").mkdir()
    for name, part in (("a", slice(0, 1800)), ("b", slice(1800, ROWS))):
        table = pa.table({"id": ids[part], "text": texts[part], "shop": [i % 3 for i in range(ROWS)][part]})
        pq.write_table(table, where / f"in/{name}.parquet", row_group_size=500)
    return Place(str(where / "run"), str(where / "in"), dict(zip(ids, texts, strict=True)))


@pytest.fixture(scope="module")
def whole(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unbroken output, of the first model."""
    out = tmp_path_factory.mktemp("whole") / "out"
    main(command(place, out))
    return out


def command(place: Place, out: Path, *more: str, model: str = "round-0001", size: int = 100) -> list[str]:
    given = ["relabel", place.run, place.data, "--out", str(out), "--text", "text", "--id", "id", "--model", model]
    return [*given, "--range-rows", str(size), *more]


def fails(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run the command; return its exit code and its last line, without steps."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main(arguments)
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("laud: ")]
    assert len(said) == 1, said
    return int(left.value.code or 0), said[0].removeprefix("laud: ")


def totals(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    capsys.readouterr()
    main([*arguments, "--json"])
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


@contextmanager
def process(arguments: Sequence[str], **environment: str) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-m", "laud_ray", *arguments],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def committed(out: Path) -> list[Path]:
    return sorted((out / "_laud/ranges").glob("*.json"))


def times(out: Path) -> dict[Path, int]:
    """When the files of committed ranges were written."""
    return {path: path.stat().st_mtime_ns for one in committed(out) for path in out.rglob(f"{one.stem}.parquet")}


def test_the_output_is_what_the_model_says(place: Place, whole: Path) -> None:
    found = rows(whole).to_pylist()
    assert [row["id"] for row in found] == list(place.texts)
    scorer = models.load(f"{place.run}/models/round-0001")
    good = [row for row in found if row["error"] is None]
    proba = scorer.score([" ".join(str(place.texts[row["id"]]).split()) for row in good])
    best = -np.sort(-proba, axis=1)[:, :5]
    assert (
        np.abs(np.asarray([row["top_probabilities"] for row in good]) - best).max() < 1e-5
    )  # float32 sums depend on the batch
    assert [row["label"] for row in good] == [scorer.labels[i] for i in proba.argmax(1)]
    bad = {row["id"]: row["error"] for row in found if row["error"] is not None}
    assert bad == {k: "null text" if t is None else "empty text" for k, t in place.texts.items() if not t}


def test_anything_reads_the_output(whole: Path) -> None:
    read = pd.read_parquet(whole)
    assert (len(read), read["id"].nunique()) == (ROWS, ROWS)
    counted = duckdb.execute(
        f"SELECT label, count(*) FROM read_parquet('{whole}/*.parquet') WHERE label IS NOT NULL GROUP BY label"
    ).fetchall()
    assert dict(counted) == read["label"].value_counts().to_dict()
    assert ds.dataset(whole).count_rows() == ROWS
    manifest = json.loads((whole / "_manifest.json").read_text())
    assert manifest["totals"]["labels"] == dict(counted)
    assert {file["name"] for part in manifest["ranges"] for file in part["files"]} == {
        path.name for path in whole.glob("*.parquet")
    }


def test_a_killed_driver_costs_nothing(
    place: Place, whole: Path, tmp_path: Path, ray_session: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with process(command(place, out), RAY_ADDRESS=ray_session) as child:
        eventually(lambda: len(committed(out)) > 4 or child.poll() is not None)
        os.kill(child.pid, signal.SIGSTOP)
        said = fails(command(place, out), capsys)
        assert said == (2, f"{out}: another process is working on this output; expected one at a time")
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert not (out / "_SUCCESS").exists()
    (out / f".part-00029.parquet-{'0' * 32}").write_bytes(b"PAR1")
    before = times(out)
    assert 4 < len(before) < 30
    main(command(place, out))
    assert before == {path: time for path, time in times(out).items() if path in before}
    assert rows(out).equals(rows(whole))
    assert not list(out.glob(".*"))


def test_a_whole_output_needs_no_ray(place: Place, whole: Path) -> None:
    before = times(whole)
    with process(command(place, whole), RAY_ADDRESS="127.0.0.1:1") as child:
        shown, said = child.communicate(timeout=300)
    assert child.returncode == 0, said
    assert f"{ROWS:,} rows in 30 ranges, labelled by round-0001 (was already complete)" in " ".join(shown.split())
    assert times(whole) == before


def test_something_else_is_refused(place: Place, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = fails(command(place, whole, model="round-0002"), capsys)
    assert (code, "model: name round-0001, now round-0002" in said) == (2, True)
    changed = Path(place.data) / "b.parquet"
    stat = changed.stat()
    os.utime(changed, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    try:
        code, said = fails(command(place, whole), capsys)
    finally:
        os.utime(changed, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert code == 2
    assert f"inputs: {changed} {stat.st_size:,} bytes, modified at {stat.st_mtime_ns}, now" in said
    code, said = fails(command(place, Path(place.data) / "out"), capsys)
    assert (code, said) == (
        2,
        f"--out {place.data}/out: is within the data {place.data}; expected a folder outside of it",
    )


def test_partitions_have_the_same_rows(place: Place, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "label=Gone").mkdir(parents=True)
    main(command(place, out, "--partition", "label", "--keep", "shop", "--no-deduplicate", size=700))
    found, expected = rows(out), rows(whole)
    assert found.select(EXACT).equals(expected.select(EXACT))
    assert found["confidence"].to_numpy() == pytest.approx(expected["confidence"].to_numpy(), abs=1e-5, nan_ok=True)
    assert found["shop"].to_pylist() == [i % 3 for i in range(ROWS)]


def test_what_an_earlier_attempt_left_is_not_in_the_output(place: Place, tmp_path: Path) -> None:
    """An attempt that was broken off had written another label than the one that finished."""
    out = tmp_path / "out"
    main(command(place, out, "--partition", "label"))
    expected = rows(out)
    (out / "_SUCCESS").unlink()
    (out / "label=Gone").mkdir()
    source = next(out.glob("label=*/part-00003.parquet"))
    (out / "label=Gone/part-00003.parquet").write_bytes(source.read_bytes())
    (out / "label=Gone/part-00003.txt").write_text("not ours")
    main(command(place, out, "--partition", "label"))
    assert [path.name for path in (out / "label=Gone").iterdir()] == ["part-00003.txt"]
    (out / "label=Gone/part-00003.txt").unlink()
    assert rows(out).equals(expected)


def test_damage_is_found_and_mended_by_the_same_command(
    place: Place, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    main(command(place, out))
    (out / "_SUCCESS").unlink()
    file = out / "part-00007.parquet"
    data = file.read_bytes()
    file.write_bytes(data[:500] + bytes([data[500] ^ 1]) + data[501:])
    code, said = fails(command(place, out), capsys)
    assert code == 1
    assert (
        said
        == f"{file}: was changed or is damaged: its checksum differs. Run the same command again to label it again."
    )
    assert not (out / "_SUCCESS").exists()
    main(command(place, out))
    assert rows(out).equals(rows(whole))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with so little room that an output does not fit."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no file system of a test's own can be mounted: {made.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_is_one_line_and_no_loss(
    place: Place, whole: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = small_disk / "out"
    code, said = fails(command(place, out), capsys)
    assert code == 1
    assert "No space left on device" in said
    before = times(out)
    assert before
    subprocess.run(["mount", "-o", "remount,size=50m", small_disk], check=True)
    main(command(place, out))
    assert before == {path: time for path, time in times(out).items() if path in before}
    assert rows(out).equals(rows(whole))


def scorer(crash: str | None = None, deadly: str | None = None, poison: str | None = None) -> Callable[[str], Scorer]:
    """A loader of a scorer that hashes: it kills its process once, or at a text, or cannot score a text."""

    def load(_: str) -> Scorer:
        class Hashing:
            labels = ("Tea", "Coffee", "Juice")

            def score(self, texts: Sequence[str]) -> Floats:
                if crash is not None and not os.path.exists(crash):
                    open(crash, "w").close()
                    os.kill(os.getpid(), signal.SIGKILL)
                if deadly is not None and any(deadly == text for text in texts):
                    os.kill(os.getpid(), signal.SIGKILL)
                if poison is not None and any(poison == text for text in texts):
                    raise ValueError("cannot read this")
                numbers = np.asarray([[sum(map(ord, t)) * p % 97 + 1 for p in (3, 7, 31)] for t in texts], np.float32)
                proba: Floats = numbers / numbers.sum(1, keepdims=True)
                return proba

        return Hashing()

    return load


def scored(place: Place, data: str, out: Path, load: Callable[[str], Scorer]) -> tuple[Outcome, list[Event]]:
    seen: list[Event] = []
    source = replace(open_source(place.run, "round-0001"), load=load)
    return relabel(source, data, str(out), Options(Columns("text", "id"), 100), None, seen.append), seen


@pytest.fixture
def names(tmp_path: Path) -> str:
    """500 rows in five ranges; `twice` stands twice in the second one."""
    texts = [f"name {i}" for i in range(500)]
    texts[150] = texts[160] = "twice"
    pq.write_table(pa.table({"id": list(range(500)), "text": texts}), tmp_path / "names.parquet")
    return str(tmp_path / "names.parquet")


def test_a_killed_worker_costs_nothing(place: Place, names: str, tmp_path: Path) -> None:
    crash = tmp_path / "crashed"
    scored(place, names, tmp_path / "broken", scorer(crash=str(crash)))
    scored(place, names, tmp_path / "whole", scorer())
    assert crash.exists()
    assert rows(tmp_path / "broken").equals(rows(tmp_path / "whole"))


def test_poison_is_an_error_row(place: Place, names: str, tmp_path: Path) -> None:
    outcome, _ = scored(place, names, tmp_path / "out", scorer(poison="name 42"))
    found = rows(tmp_path / "out").to_pylist()
    assert [(row["id"], row["error"]) for row in found if row["error"]] == [("42", "ValueError: cannot read this")]
    assert outcome.totals.errors == 1


def test_a_range_that_kills_its_workers_is_set_aside(place: Place, names: str, tmp_path: Path) -> None:
    """The text stands in it twice, so that it kills those who score the repeated texts before."""
    out = tmp_path / "out"
    with pytest.raises(PassError) as stopped:
        scored(place, names, out, scorer(deadly="twice"))
    assert str(stopped.value) == (
        "1 of 5 ranges were set aside: part-00001 (its worker process died, 3 times); the others are committed, "
        "run the same command again to retry these"
    )
    assert [path.stem for path in committed(out)] == ["part-00000", "part-00002", "part-00003", "part-00004"]
    assert not (out / "_SUCCESS").exists()
    outcome, _ = scored(place, names, out, scorer())
    assert (outcome.rows, outcome.totals.rows, rows(out)["label"].null_count) == (100, 500, 0)


def test_a_scorer_that_fails_on_everything_is_an_error(place: Place, names: str, tmp_path: Path) -> None:
    def load(_: str) -> Scorer:
        class Broken:
            labels = ("Tea", "Coffee")

            def score(self, texts: Sequence[str]) -> Floats:
                raise ValueError("no weights")

        return Broken()

    with pytest.raises(PassError, match="its engine ended: ValueError: no weights; the engines of other ranges failed"):
        scored(place, names, tmp_path / "out", load)
    assert not committed(tmp_path / "out")


def test_a_night_scores_what_is_new(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The output beside it is found; another model scores everything, and says so."""
    (tmp_path / "in").mkdir()
    old = pa.table({"id": list(place.texts), "text": list(place.texts.values())})
    pq.write_table(old, tmp_path / "in/a.parquet")

    def night(name: str, model: str = "round-0001") -> tuple[dict[str, object], str]:
        where = replace(place, data=str(tmp_path / "in"))
        given = command(where, tmp_path / "out" / name, "--changed", model=model, size=1000)
        capsys.readouterr()
        main([*given, "--json"])
        said = capsys.readouterr()
        found: dict[str, object] = json.loads(said.out)
        return found, " ".join(said.err.split())

    first, said = night("2026-11-28")
    assert first["carried"] == 0
    assert "there is no earlier output, so that all rows are scored" in said
    pq.write_table(pa.table({"id": ["n1", "n2"], "text": ["quite new", "also new"]}), tmp_path / "in/b.parquet")
    second, said = night("2026-11-29")
    labelled = sum(text not in (None, "") for text in place.texts.values())
    assert (second["rows"], second["carried"], second["scored"]) == (ROWS + 2, labelled, 2)
    assert night("2026-11-29")[0]["carried"] == labelled  # the same command again
    whole, again = rows(tmp_path / "out/2026-11-28"), rows(tmp_path / "out/2026-11-29")
    exact = [*EXACT, "confidence", "top_labels", "top_probabilities", "text_hash"]
    assert whole.select(exact).equals(again.select(exact).slice(0, ROWS))
    third, said = night("2026-11-30", "round-0002")
    assert third["carried"] == 0
    assert "it was labelled by another model, round-0001; all rows are scored" in said


def test_a_canary_stops_what_would_change_too_much(
    place: Place, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    checked = command(place, out, "--previous", str(whole), "--sample", "20%", model="round-0002")
    code, said = fails([*checked, "--max-change", "0.1%"], capsys)
    assert code == 1
    assert said.startswith("stopped after a sample of ")
    assert "limit 0.1 %" in said
    assert not list(out.glob("part-*"))
    assert not committed(out)
    drawn = next(out.glob("_laud/*/sample-*"))
    before = {path: path.stat().st_mtime_ns for path in drawn.iterdir()}
    n = ds.dataset(sorted(map(str, before)), format="parquet").count_rows()
    assert 450 < n < 750
    assert f"a sample of {n:,} rows" in said
    found = totals([*checked, "--max-change", "100%"], capsys)
    assert {path: path.stat().st_mtime_ns for path in drawn.iterdir()} == before
    old, new = rows(whole)["label"].to_pylist(), rows(out)["label"].to_pylist()
    assert rows(out)["previous_label"].to_pylist() == old
    assert found["compared"] == sum(one is not None for one in old)
    changed = sum(one is not None and one != other for one, other in zip(old, new, strict=True))
    assert found["changed"] == changed > 0
    main(["diff", str(whole), str(out), "--json"])
    assert json.loads(capsys.readouterr().out)["changed"]["count"] == changed


def test_a_canary_measures_drift_against_the_evaluation_sample(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with look_at(place.run) as run:
        scores = run.scores(1)
        drawn = [one.text for one in products(60, seed=3)]
    config = CorpusConfig(path=str(tmp_path / "drawn.parquet"), text="text", id="id")
    pq.write_table(pa.table({"id": [f"e{i}" for i in range(60)], "text": drawn}), config.path)
    corpus = normalise(config, Folder(str(tmp_path / "corpus")))
    sampled = ["--sample", "30%", "--max-drift"]
    code, said = fails(command(place, tmp_path / "out", *sampled, "50"), capsys)
    assert (code, "drift cannot be measured: there is no sample" in said) == (1, True)
    run_pass(corpus, Folder(f"{place.run}/models/round-0001"), scores, name="round-0001")
    scores.write_table("part-00000", scores.read_table(corpus.ranges[0].name))  # as the run's sample calls it
    code, said = fails(command(place, tmp_path / "out", *sampled, "0.000001"), capsys)
    assert code == 1
    assert "drift of labels" in said
    assert "against 60 of the evaluation sample" in said
    assert not committed(tmp_path / "out")
    assert totals(command(place, tmp_path / "out", *sampled, "50"), capsys)["rows"] == ROWS


def test_a_student_answers_where_it_may(
    place: Place, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    found = totals(command(place, out, "--cascade", "70%", "--no-deduplicate"), capsys)
    student = found["student"]
    assert isinstance(student, dict)
    old, new = rows(whole), rows(out)
    pairs = list(zip(old["label"].to_pylist(), new["label"].to_pylist(), strict=True))
    assert new["error"].equals(old["error"])
    assert np.mean([one == other for one, other in pairs]) > 0.7
    assert isinstance(found["by_student"], int)
    assert found["by_student"] > 0
    again = totals(command(place, out, "--cascade", "70%", "--no-deduplicate"), capsys)
    assert {**again, "seconds": 0, "student": None} == {**found, "seconds": 0, "student": None}


def test_from_a_bucket_into_a_bucket(place: Place, whole: Path) -> None:
    """Two processes with a Ray of their own, since its workers must know the store: the second one continues."""
    with s3_server("catalog"):
        store = boto3.client("s3")
        for path in Path(place.data).iterdir():
            store.upload_file(str(path), "catalog", f"in/{path.name}")
        arguments = command(place, Path("unused"), size=500)
        arguments[2], arguments[4] = "s3://catalog/in", "s3://catalog/out"
        out = Folder("s3://catalog/out")
        with process(arguments) as child:
            said = child.communicate(timeout=300)[1]
        assert child.returncode == 0, said
        first = from_bucket(out)
        assert first.select(EXACT).equals(rows(whole).select(EXACT))
        for name in ("_SUCCESS", "_manifest.json", "part-00002.parquet", "_laud/ranges/part-00002.json"):
            out.delete(name)
        before = {entry.path: entry.modified for entry in out.entries()}
        with process(arguments) as child:
            said = child.communicate(timeout=300)[1]
        assert child.returncode == 0, said
        assert {entry.path: entry.modified for entry in out.entries() if entry.path in before} == before
        assert from_bucket(out).equals(first)


def from_bucket(out: Folder) -> pa.Table:
    parts = [out.read_table(name) for name in sorted(out.names()) if name.endswith(".parquet")]
    schema = rows_schema(parts[0])
    return pa.concat_tables([part.cast(schema) for part in parts])


def rows_schema(table: pa.Table) -> pa.Schema:
    plain = {"top_labels": pa.list_(pa.string())}
    kinds = [(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in table.schema]
    return pa.schema([(name, plain.get(name, kind)) for name, kind in kinds])
