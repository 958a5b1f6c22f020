"""An output goes on only with the inputs, model and options that it was begun with; a refusal says what differs."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from laud_ray.errors import CorpusError, DamageError, RunError
from laud_ray.relabel.inputs import cutting
from laud_ray.relabel.inputs.catalog import Columns
from laud_ray.relabel.plan import PLAN, Options, Plan, begun_with, open_plan, read_plan
from laud_ray.storage.checksums import dump_json
from laud_ray.storage.folder import Folder
from tests.relabeling import NAMED, write

OPTIONS = Options(NAMED, 50)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in "ab":
        write(tmp_path / f"in/{name}.parquet", {"id": [name], "text": ["t"], "brand": ["x"], "size": [1]})
        os.utime(tmp_path / f"in/{name}.parquet", ns=(10**18, 10**18))
    return tmp_path / "in"


def open_(
    data: Path, out: Path, options: Options = OPTIONS, model: str = "round-0001", checksum: str = "c1", run: str = "run"
) -> Plan:
    inputs = cutting.inventory(str(data), options.columns)
    return open_plan(Folder(str(out)), run, str(data), model, checksum, options, inputs)


def refusal(data: Path, out: Path, **changed: object) -> str:
    with pytest.raises(RunError) as refused:
        open_(data, out, **changed)  # type: ignore[arg-type]
    said = str(refused.value)
    start, end = f"{out}: holds a different relabel (", "); expected the same inputs, model and options, or"
    assert said.startswith(start)
    assert end in said
    assert "\n" not in said
    return said[len(start) : said.index(end)]


def test_the_same_goes_on(data: Path, tmp_path: Path) -> None:
    made = open_(data, tmp_path / "out")
    assert open_(data, tmp_path / "out", run="moved") == replace(made, run="moved")
    assert open_(data, tmp_path / "other").key == made.key


def test_without_ids_rows_get_a_hash_of_their_text_unless_it_was_begun_without(data: Path, tmp_path: Path) -> None:
    by_row = Options(Columns("text", None), 50)
    assert open_(data, tmp_path / "out", by_row).hashed
    assert open_(data, tmp_path / "out", by_row).hashed
    assert not open_(data, tmp_path / "named").hashed
    plan = read_plan(Folder(str(tmp_path / "out")))
    del plan["text_hashes"]
    (tmp_path / "out" / PLAN).write_bytes(dump_json(plan))
    assert not open_(data, tmp_path / "out", by_row).hashed


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (replace(OPTIONS, range_rows=51), "range_rows 50, now 51"),
        (replace(OPTIONS, threshold=0.25), "threshold 0.0, now 0.25"),
        (replace(OPTIONS, partition="label"), "partition missing, now label"),
        (replace(OPTIONS, previous="old"), "previous missing, now old"),
        (replace(OPTIONS, deduplicate=False), "deduplicate True, now False"),
        (replace(OPTIONS, cascade=0.99), "cascade missing, now 0.99"),
        (replace(OPTIONS, columns=Columns("brand", "id")), "text text, now brand"),
        (replace(OPTIONS, columns=Columns("text", None)), "id id, now missing"),
        (replace(OPTIONS, columns=Columns("text", "id", ("brand",))), "keep [], now ['brand']"),
        (replace(OPTIONS, columns=Columns("text", "id", ("brand", "size"))), "keep [], now ['brand', 'size']"),
    ],
)
def test_each_option_counts(data: Path, tmp_path: Path, options: Options, said: str) -> None:
    made = open_(data, tmp_path / "out")
    assert said in refusal(data, tmp_path / "out", options=options)
    assert open_(data, tmp_path / "other", options).key != made.key


def test_the_model_counts(data: Path, tmp_path: Path) -> None:
    made = open_(data, tmp_path / "out")
    assert refusal(data, tmp_path / "out", checksum="c2") == "model: checksum c1, now c2"
    assert refusal(data, tmp_path / "out", model="round-0002") == "model: name round-0001, now round-0002"
    assert open_(data, tmp_path / "other", checksum="c2").key != made.key


def test_inputs_count(data: Path, tmp_path: Path) -> None:
    out, a, b = tmp_path / "out", data / "a.parquet", data / "b.parquet"
    open_(data, out)
    size = a.stat().st_size
    os.utime(a, ns=(10**18 + 1, 10**18 + 1))
    time, later = 10**18, 10**18 + 1
    assert (
        refusal(data, out) == f"inputs: {a} {size:,} bytes, modified at {time}, now {size:,} bytes, modified at {later}"
    )
    write(a, {"id": ["a"], "text": ["a longer text"]})
    os.utime(a, ns=(time, time))
    assert f"now {a.stat().st_size:,} bytes, modified at {time}" in refusal(data, out)
    a.unlink()
    assert refusal(data, out) == f"inputs: {a} {size:,} bytes, modified at {time}, now missing"
    b.rename(data / "c.parquet")
    assert f"{b} {size:,} bytes" in refusal(data, out)
    assert f"{data}/c.parquet missing, now {size:,} bytes, modified at {time}" in refusal(data, out)


def test_many_differences_are_not_all_listed(data: Path, tmp_path: Path) -> None:
    for number in range(40):
        write(data / f"{number}.parquet", {"id": [str(number)], "text": ["t"]})
    open_(data, tmp_path / "out")
    for path in data.iterdir():
        path.rename(path.with_name(f"new-{path.name}"))
    assert refusal(data, tmp_path / "out").count(";") == 4


def test_what_is_not_ours_is_left_alone(data: Path, tmp_path: Path) -> None:
    for name in ("notes.txt", "label=Tea/part-00000.parquet"):
        out = tmp_path / name.replace("/", "-")
        (out / name).parent.mkdir(parents=True)
        (out / name).write_text("mine")
        with pytest.raises(RunError) as refused:
            open_(data, out)
        assert (
            str(refused.value)
            == f"{out}: holds {name!r} but no relabel; expected an empty folder, or one that does not exist"
        )
        assert [path.name for path in out.rglob("*") if path.is_file()] == [Path(name).name]


def test_a_cut_that_was_broken_off_goes_on(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,text\n1,x\n")
    copies = tmp_path / "out/_laud/source"
    copies.mkdir(parents=True)
    (copies / "00000-00000.parquet").write_bytes(b"of an attempt whose mark 00000.json is missing")
    assert open_(tmp_path / "in.csv", tmp_path / "out").catalog.rows == 1


def test_wrong_ids_leave_no_plan(tmp_path: Path) -> None:
    path = write(tmp_path / "in.parquet", {"id": ["a", "a"], "text": ["t", "t"]})
    with pytest.raises(CorpusError, match="'a' in 2 rows"):
        open_(path, tmp_path / "out")
    write(path, {"id": ["a", "b"], "text": ["t", "t"]})
    assert open_(path, tmp_path / "out").catalog.rows == 2


def test_what_is_begun_goes_on_with_its_model(data: Path, tmp_path: Path) -> None:
    run, model = str(tmp_path / "run"), tmp_path / "model"
    model.mkdir()
    (model / "model.json").write_text("{}")
    outs = {source: tmp_path / f"out-{place}" for place, source in enumerate((run, str(model)))}
    for source, place in outs.items():
        out = Folder(str(place))
        assert begun_with(out, source) is None
        open_(data, place, run=source)
        assert begun_with(out, source) == (None if source == str(model) else "round-0001")
        assert begun_with(out, "another") is None
        out.write("_SUCCESS", b"")
        assert begun_with(out, source) is None


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (b"", "is not valid JSON"),
        (b"{", "is not valid JSON"),
        (b"[" * 100_000, "is nested too deeply"),
        (b"[]", "has invalid contents"),
        (b"{}", "lacks the key 'run'"),
        (b'{"run": "r", "identity": {"model": {"name": 3}}}', "'3' is not valid; expected a text"),
        (b'{"run": "\xff"}', "is not valid JSON"),
    ],
)
def test_a_broken_plan_is_one_line_with_its_file(data: Path, tmp_path: Path, broken: bytes, said: str) -> None:
    out = Folder(str(tmp_path / "out"))
    open_(data, tmp_path / "out")
    out.write(PLAN, broken)
    for look in (lambda: open_(data, tmp_path / "out"), lambda: begun_with(out, "run")):
        with pytest.raises(DamageError) as refused:
            look()
        assert str(refused.value).startswith(f"{out.uri}/{PLAN}: ")
        assert said in str(refused.value)
        assert "\n" not in str(refused.value)
