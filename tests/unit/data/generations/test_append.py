"""What is appended is what is new, whatever comes again, changes or is interrupted."""

import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.config import CorpusConfig
from laud_ray.data.corpus import Corpus, document_id, open_corpus, sealed_labels, sealed_values
from laud_ray.data.generations import append as appending
from laud_ray.data.generations import known
from laud_ray.data.generations.append import Appended, append
from laud_ray.data.generations.index import INDEX
from laud_ray.data.sharding import ordering
from laud_ray.data.sharding.normalise import SCRATCH, normalise
from laud_ray.errors import CorpusError
from laud_ray.storage.folder import Folder
from laud_ray.storage.local import atomic


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    class Still(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Still":
            return cls(2026, 11, 30, 3, tzinfo=tz or UTC)

    monkeypatch.setattr(appending, "datetime", Still)


def write(path: Path, text: list[str | None], **columns: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"text": pa.array(text, pa.string()), **columns}), path)
    return path


def settings_of(path: Path | str, **keys: Any) -> CorpusConfig:
    return CorpusConfig.model_validate({"path": str(path), "text": "text", **keys})


def begin(path: Path, out: Path, *, sealed: str | None = None, **keys: Any) -> Corpus:
    return normalise(settings_of(path, **keys), Folder(str(out)), sealed=sealed)


def add(path: Path | str, out: Path, *, sealed: str | None = None, **keys: Any) -> Appended:
    corpus = open_corpus(Folder(str(out)))
    assert corpus is not None
    return append(settings_of(path, **keys), Folder(str(out)), corpus, sealed=sealed)


def rows(corpus: Corpus) -> list[dict[str, Any]]:
    return [row for part in corpus.ranges for row in corpus.read(part.name).to_pylist()]


def files(out: Path) -> dict[str, bytes]:
    """All files of a corpus with their bytes, without the times of its input files."""
    return {str(one.relative_to(out)): one.read_bytes() for one in sorted(out.rglob("*")) if one.is_file()}


def test_only_what_is_new_is_appended(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = begin(write(tmp_path / "a.parquet", ["tea", "milk", "milk", None]), out)
    before = files(out)
    found = add(write(tmp_path / "b.parquet", [" milk ", "oats", "oats", "plum", None, ""]), out)
    assert (found.number, found.documents, found.new, found.seen_by_text) == (2, 6, 3, 3)
    later = found.corpus.of_generation(2)
    assert sorted(row["id"] for row in rows(later)) == sorted(
        [document_id("oats"), f"{document_id('oats')}-2", document_id("plum")]
    )
    expected = {"documents": 3, "unique": 2, "duplicates": 1, "errors": 0, "truncated": 0}
    assert dict(later.counts) == expected
    assert rows(found.corpus) == [*rows(first), *rows(later)]
    assert found.corpus.counts["unique"] == first.counts["unique"] + 2
    assert found.corpus.generations[1].added == "2026-11-30T03:00:00+00:00"
    assert found.corpus.generations[1].source == str(tmp_path / "b.parquet")
    after = files(out)
    assert {name: after[name] for name in before} == before, "nothing of the first generation is touched"
    assert not (out / SCRATCH).exists()


def test_nothing_new_is_not_an_error_and_not_a_generation(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = begin(write(tmp_path / "a.parquet", ["tea", "milk"]), out)
    again = add(write(tmp_path / "b.parquet", ["milk", "tea", "tea"]), out)
    assert (again.number, again.documents, again.new, again.seen_by_text) == (None, 3, 0, 3)
    empty = add(write(tmp_path / "c.parquet", []), out)
    assert (empty.number, empty.documents) == (None, 0)
    (tmp_path / "d.csv").write_text("text\n")
    assert add(tmp_path / "d.csv", out).number is None
    assert empty.corpus == first == open_corpus(first.folder)


def test_ids_tell_what_was_seen_and_what_changed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    begin(write(tmp_path / "a.parquet", ["tea", "milk", None, "oats"], id=["1", "2", "3", "4"]), out, id="id")
    new = write(
        tmp_path / "b.parquet", ["tea", "soy milk", None, None, "milk", "fig"], id=["1", "2", "3", "4", "5", "6"]
    )
    found = add(new, out, id="id")
    assert (found.number, found.documents, found.new) == (2, 6, 1)
    assert (found.seen_by_id, found.seen_by_text, found.changed) == (2, 1, 2)
    assert {(one.id, one.before, one.now) for one in found.changes} == {("2", "milk", "soy milk"), ("4", "oats", None)}
    assert [row["id"] for row in rows(found.corpus.of_generation(2))] == ["6"]
    (said,) = found.notes
    assert "b.parquet: 2 rows have an id that the corpus has with another text, and were left out: " in said
    assert "'2' was 'milk' and is now 'soy milk'" in said
    assert "'4' was 'oats' and is now without a text" in said
    # What was left out is not known: "soy milk" may still come under another id.
    last = add(write(tmp_path / "c.parquet", ["soy milk", "fig"], id=["7", "6"]), out, id="id")
    assert (last.number, last.new, last.seen_by_id) == (3, 1, 1)


def test_an_id_that_comes_twice_is_an_error_as_in_a_first_run(tmp_path: Path) -> None:
    out = tmp_path / "out"
    begin(write(tmp_path / "a.parquet", ["tea"], id=["1"]), out, id="id")
    before = files(out)
    with pytest.raises(CorpusError, match=r"b.parquet row 2: the id '2' is already in .*b.parquet row 1"):
        add(write(tmp_path / "b.parquet", ["fig", "plum"], id=["2", "2"]), out, id="id")
    assert {name: data for name, data in files(out).items() if not name.startswith(f"{INDEX}/")} == before


def test_errors_are_those_of_a_first_run(tmp_path: Path) -> None:
    out = tmp_path / "out"
    begin(write(tmp_path / "a.parquet", ["tea"]), out)
    pq.write_table(pa.table({"name": ["x"]}), tmp_path / "b.parquet")
    with pytest.raises(CorpusError, match="b.parquet: no column 'text'; expected one of name"):
        add(tmp_path / "b.parquet", out)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(CorpusError, match="nothing: has no files; expected a file, folder"):
        add(tmp_path / "nothing", out)
    (tmp_path / "c.csv").write_bytes("text\ncrème brûlée\n".encode("utf-16"))
    found = add(tmp_path / "c.csv", out)
    assert [row["text"] for row in rows(found.corpus.of_generation(2))] == ["crème brûlée"]


def test_sealed_labels_of_all_generations(tmp_path: Path) -> None:
    out = tmp_path / "out"
    begin(write(tmp_path / "a.parquet", ["tea", "fig", "pear"], label=["Drink", "Fruit", "Fruit"]), out, sealed="label")
    with pytest.raises(CorpusError, match="b.parquet: no column 'label'; expected one of text"):
        add(write(tmp_path / "b.parquet", ["oats"]), out, sealed="label")
    with pytest.raises(ValueError, match="sealed: None is not valid"):
        add(tmp_path / "b.parquet", out)
    found = add(
        write(tmp_path / "b.parquet", ["oats", "tea", "rye"], label=["Grain", "Grain", None]), out, sealed="label"
    )
    ids = [document_id(text) for text in ("tea", "oats", "rye")]
    assert sealed_values(found.corpus, ids) == dict(zip(ids, ["Drink", "Grain", None], strict=True))
    counts = sealed_labels(found.corpus)
    assert counts is not None
    assert (dict(counts.counts), counts.missing) == ({"Drink": 1, "Fruit": 2, "Grain": 1}, 1)
    assert set(rows(found.corpus)[-1]) == {"id", "text", "error", "duplicate_of"}


def test_of_the_same_folder_only_new_and_changed_files_are_read(tmp_path: Path) -> None:
    out, data = tmp_path / "out", tmp_path / "data"
    for name in "abc":
        write(data / f"{name}.parquet", [f"{name} 1", f"{name} 2"])
    begin(data, out)
    same = add(data, out)
    assert (same.number, same.documents, same.files_unchanged, same.notes) == (None, 0, 3, ())
    write(data / "d.parquet", ["d 1", "a 1"])
    write(data / "b.parquet", ["b 1", "b 2", "b 3"])
    (data / "c.parquet").unlink()
    found = add(data, out)
    assert (found.number, found.documents, found.new, found.files_unchanged) == (2, 5, 2, 1)
    assert (found.files_changed, found.files_gone) == ((str(data / "b.parquet"),), (str(data / "c.parquet"),))
    assert "1 file has changed since the last time: b.parquet" in found.notes[0]
    assert "1 file is gone: c.parquet; the documents that were read from there stay" in found.notes[1]
    # A file without anything new is not read again either; one with other settings is.
    write(data / "e.parquet", ["a 1"])
    assert [add(data, out).documents for _ in range(2)] == [1, 0]
    assert add(data, out, max_chars=50).documents == 8


def test_a_run_of_an_earlier_version_says_that_it_has_no_record_of_files(tmp_path: Path) -> None:
    out = tmp_path / "out"
    source = write(tmp_path / "a.parquet", ["tea", "fig"])
    corpus = begin(source, out)
    manifest = out / "corpus.json"
    parsed = {"ranges": [{"name": one.name, "rows": one.rows} for one in corpus.ranges]}
    parsed |= {"counts": dict(corpus.counts), "fingerprint": corpus.fingerprint}
    from laud_ray.storage.checksums import dump_json

    manifest.write_bytes(dump_json(parsed))
    found = add(source, out)
    assert (found.number, found.documents, found.seen_by_text) == (None, 2, 2)
    assert "every file was read, because this run began with a version that did not record its files" in found.notes[0]
    assert (add(source, out).documents, add(source, out).notes) == (0, ())


class Killed(BaseException):
    """What stands for kill -9: nothing catches it."""


def killing(monkeypatch: pytest.MonkeyPatch, at: int) -> Iterator[None]:
    """Fail at the write, deletion or removal number `at`, before it or after half of its effect."""
    done = 0

    def counted(before: Any) -> Any:
        def call(folder: Folder, *args: Any, **keys: Any) -> Any:
            nonlocal done
            done += 1
            if done == at:
                raise Killed
            return before(folder, *args, **keys)

        return call

    with monkeypatch.context() as patch:
        for name in ("write", "delete"):
            patch.setattr(Folder, name, counted(getattr(Folder, name)))
        # A killed process does not remove its scratch files.
        patch.setattr(Folder, "remove", lambda folder: None)
        yield


@pytest.mark.parametrize("ids", [True, False])
def test_killed_before_any_write_the_same_call_ends_as_unbroken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, ids: bool
) -> None:
    monkeypatch.setattr(ordering, "GROUP_ROWS", 400)
    monkeypatch.setattr(known, "ID_ROWS", 700)
    keys = {"id": "id"} if ids else {}
    names = [f"name {i}" for i in range(1_500)]
    old = write(tmp_path / "a.parquet", names, id=[f"i{i}" for i in range(1_500)], label=["x"] * 1_500)
    texts = [f"name {i}" for i in range(1_000, 2_200)]
    new = write(tmp_path / "b.parquet", texts, id=[f"i{i}" for i in range(1_001, 2_201)], label=["y"] * 1_200)
    unbroken = tmp_path / "unbroken"
    begin(old, unbroken, sealed="label", **keys)
    wanted = add(new, unbroken, sealed="label", **keys)
    assert wanted.number == 2
    assert len(wanted.corpus.of_generation(2).ranges) > 1
    final = files(unbroken)

    out, at, kills = tmp_path / "out", 0, 0
    begin(old, out, sealed="label", **keys)
    while True:
        at += 1
        seen = open_corpus(Folder(str(out)))
        assert seen is not None
        assert len(seen.generations) == 1, "a half-written generation is not part of the corpus"
        run = killing(monkeypatch, at)
        next(run)
        try:
            found = add(new, out, sealed="label", **keys)
        except Killed:
            kills += 1
            # The next attempt may also begin with other data.
            if kills % 5 == 0:
                run.close()
                add_other = write(tmp_path / "c.parquet", ["name 1"], id=["i1"], label=["x"])
                assert add(add_other, out, sealed="label", **keys).number is None
                (out / "read.json").unlink()
            continue
        finally:
            run.close()
        break
    assert kills > 8
    found_files = {name: data for name, data in files(out).items() if not name.startswith(f"{SCRATCH}/")}
    assert found_files == final
    assert (found.number, found.new, found.changed) == (2, wanted.new, wanted.changed)
    after = add(new, out, sealed="label", **keys)
    assert (after.number, after.documents, after.files_unchanged) == (None, 0, 1)


FILE_EVENTS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir")


def killed(work: Callable[[], object], place: Path, at: int | None, after_s: float | None = None) -> bool:
    """Do work in a process of its own, which a real SIGKILL ends; return whether it did.

    Args:
        place: where changes of files count.
        at: the process is killed just before it changes files for this time; None: never.
        after_s: the process is killed after so many seconds.
    """
    pid = os.fork()
    if pid:
        if after_s is not None:
            time.sleep(after_s)
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    changes = 0

    def count(event: str, given: tuple[Any, ...]) -> None:
        nonlocal changes
        if event not in FILE_EVENTS or not str(given[0]).startswith(str(place)):
            return
        if f"/{SCRATCH}/" in str(given[0]):  # which the next attempt deletes
            return
        if event == "open" and not given[2] & (os.O_WRONLY | os.O_RDWR):
            return
        changes += 1
        if changes == at:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(count)
        work()
    except BaseException:  # noqa: BLE001 - the parent sees the exit code
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def test_a_real_kill_at_each_change_of_a_file_or_at_any_moment_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordering, "GROUP_ROWS", 40)
    monkeypatch.setattr(known, "ID_ROWS", 50)
    keys: dict[str, Any] = {"id": "id", "sealed": "label"}
    old = write(
        tmp_path / "a.parquet", [f"name {i}" for i in range(100)], id=[f"i{i}" for i in range(100)], label=["x"] * 100
    )
    texts = [f"name {i}" for i in range(60, 160)]
    new = write(tmp_path / "b.parquet", texts, id=[f"i{i}" for i in range(61, 161)], label=["y"] * 100)
    unbroken, at_changes, at_moments = tmp_path / "unbroken", tmp_path / "at-changes", tmp_path / "at-moments"
    for place in (unbroken, at_changes, at_moments):
        begin(old, place, **keys)
    wanted = add(new, unbroken, **keys)
    assert wanted.number == 2
    kills = 0
    while killed(lambda: add(new, at_changes, **keys), at_changes, kills + 1):
        kills += 1
    assert kills > 15
    rng = random.Random(5)
    for _ in range(8):  # how many of these end before the kill depends on the machine: any number will do
        killed(lambda: add(new, at_moments, **keys), at_moments, None, rng.uniform(0, 0.1))
    assert not killed(lambda: add(new, at_moments, **keys), at_moments, None)
    for out in (at_changes, at_moments):
        atomic.clear([out])  # as whoever claims a run does
        assert files(out) == files(unbroken)
        assert add(new, out, **keys).number is None


def test_a_damaged_or_lost_index_is_built_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    begin(write(tmp_path / "a.parquet", [f"n {i}" for i in range(3_000)]), out)
    assert add(write(tmp_path / "b.parquet", ["x", "n 1"]), out).new == 1
    one, two, *_ = sorted((out / INDEX).glob("part-0*"))
    one.unlink()
    two.write_bytes(two.read_bytes()[:-40])
    (out / INDEX / "generation-0001.json").write_bytes(b"{")
    found = add(write(tmp_path / "c.parquet", [f"n {i}" for i in range(3_001)] + ["x"]), out)
    assert (found.new, found.seen_by_text) == (1, 3_001)
    # Ids are indexed once they are wanted.
    ids = write(tmp_path / "d.parquet", ["y", "x"], id=["n1", "n2"])
    found = add(ids, out, id="id")
    assert (found.new, found.seen_by_text, found.seen_by_id) == (1, 1, 0)


@settings(max_examples=25, deadline=None)
@given(
    parts=st.lists(
        st.lists(st.sampled_from(["a", "b", "c", "", "d e", "f", None]), max_size=12), min_size=2, max_size=5
    )
)
def test_generations_hold_the_texts_that_one_corpus_would(parts: list[list[str | None]]) -> None:
    """However data is split into appends: each text fresh once, and no id twice."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "out"
        begin(write(Path(place) / "0.parquet", ["a", *parts[0]]), out)
        for i, texts in enumerate(parts[1:], 1):
            found = add(write(Path(place) / f"{i}.parquet", texts), out)
            assert found.documents == len(texts) == found.new + found.seen_by_text
        corpus = open_corpus(Folder(str(out)))
        assert corpus is not None
        every = rows(corpus)
        assert len({row["id"] for row in every}) == len(every)
        fresh = [row["text"] for row in every if row["text"] is not None and row["duplicate_of"] is None]
        assert sorted(fresh) == sorted({"a"} | {text for texts in parts for text in texts if text})
        assert corpus.pool_size == len(fresh)


def test_a_stale_corpus_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = begin(write(tmp_path / "a.parquet", ["tea"]), out)
    add(write(tmp_path / "b.parquet", ["fig"]), out)
    with pytest.raises(ValueError, match="has a generation 2; expected the corpus as open_corpus returns it"):
        append(settings_of(tmp_path / "a.parquet"), Folder(str(out)), first)
