"""A large file of text that is read in pieces gives the very rows, notes and errors of one that is read as a whole."""

import random
from pathlib import Path

import pytest

from laud_ray.config import CorpusConfig
from laud_ray.data.formats.text_files import Piece
from laud_ray.data.sharding import normalise as normalising
from laud_ray.data.sharding import pieces, units
from laud_ray.data.sharding.normalise import normalise
from laud_ray.errors import CorpusError
from laud_ray.storage.charset import HEAD
from laud_ray.storage.folder import Folder
from laud_ray.storage.listing import list_inputs
from laud_ray.storage.text_reading import AS_FOUND

SIZE = HEAD + 1000  # bytes of a piece: how a file is written is found out from its first HEAD


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE", SIZE)


def write(path: Path, lines: list[bytes], header: bytes = b"id,text,label", end: bytes = b"\n") -> Path:
    path.write_bytes(b"".join(line + end for line in [*([header] if header else []), *lines]))
    return path


def plain(n: int = 33_000, *, seed: int = 0) -> list[bytes]:
    rng = random.Random(seed)
    return [b"%d,choc bar %d %dg,%s" % (i, rng.randrange(9000), i % 77, rng.choice([b"a", b"b"])) for i in range(n)]


def outcome(path: Path, place: Path, **settings: object) -> object:
    """All that comes of a source, or the error."""
    config = CorpusConfig(path=str(path), text="text", **settings)  # type: ignore[arg-type]
    try:
        made = normalise(config, Folder(str(place)), sealed="label")
    except CorpusError as error:
        return str(error)
    tables = [made.read(one.name).to_pylist() for one in made.ranges]
    return made.fingerprint, made.counts, made.notes, (place / "corpus.json").read_bytes(), tables


def parts(path: Path) -> int:
    (entry,) = list_inputs(str(path))
    return len(pieces.cut(entry, ("text",), AS_FOUND))


def same(path: Path, place: Path, monkeypatch: pytest.MonkeyPatch, **settings: object) -> object:
    whole = outcome(path, place / "whole", **settings)
    monkeypatch.setattr(pieces, "PIECE", SIZE)
    assert parts(path) > 2
    cut = outcome(path, place / "cut", **settings)
    assert cut == whole
    return cut


def changed(lines: list[bytes], at: int, line: bytes) -> list[bytes]:
    return [*lines[:at], line, *lines[at + 1 :]]


CASES = {
    "plain": plain(),
    "blank lines": [one for line in plain() for one in ([b"", line] if line.endswith(b"7g,a") else [line])],
    "bytes that are not UTF-8": changed(changed(plain(), 9000, b"x,caf\xe9,a"), 30_000, b"y,cr\xe8me,b"),
    "quotes": [b'%d,"bar, ""%d""",a' % (i, i % 9000) for i in range(33_000)],
    "quotes within cells": changed(plain(), 20_000, b'z,a 5" pipe,a'),
    "a ragged row": changed(plain(), 25_000, b"only one"),
    "two ragged rows": changed(changed(plain(), 32_000, b"x"), 25_000, b"only one"),
    "an open quote": changed(plain(), 25_000, b'z,"open,a'),
    "a quoted line end": changed(plain(), 25_000, b'z,"two\nlines",a'),
    "a quoted row": changed(plain(), 25_000, b'z,"two\n1,like rows,a\n2,of their own",a'),
    "an escaped quote": changed(plain(), 25_000, b'z,"5\\" pipe",a'),
    "a repeated id": changed(plain(), 30_000, b"17,again,a"),
    "no id": changed(plain(), 30_000, b",nobody,a"),
}


@pytest.mark.parametrize(
    ("case", "end"),
    [*((case, b"\n") for case in CASES), *((case, b"\r\n") for case in ("blank lines", "quotes", "a ragged row"))],
)
def test_delimited_text(case: str, end: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "names.csv", CASES[case], end=end)
    ids = {"id": "id"} if case.endswith("id") else {}
    found = same(path, tmp_path, monkeypatch, **ids)
    errors = ("a ragged row", "two ragged rows", "a repeated id", "no id", "an open quote")
    assert isinstance(found, str) == (case in (*errors, "an escaped quote")), found


@pytest.mark.parametrize(
    ("begins", "settings"),
    [(b"\xef\xbb\xbf", {}), (b"\n\n", {}), (b"sep=,\n", {}), (b"", {"quote": "none"}), (b"", {"delimiter": "comma"})],
)
def test_what_stands_before_the_header(
    begins: bytes, settings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "names.csv", changed(plain(), 30_000, b"x,caf\xe9,a"), header=begins + b"id,text,label")
    same(path, tmp_path, monkeypatch, **settings)


def json_lines(n: int = 30_000) -> list[bytes]:
    return [b'{"id": "%d", "text": "choc bar %d", "label": "a"}' % (i, i % 9000) for i in range(n)]


@pytest.mark.parametrize(
    "lines",
    [
        json_lines(),
        [one for line in json_lines() for one in ([b" ", line] if b"7" in line else [line])],
        changed(json_lines(), 25_000, b'{"text": "not closed"'),
        changed(json_lines(), 25_000, b'{"text": 1.5, "label": "a"}'),
        changed([b'{"text": "t %d"}' % i for i in range(60_000)], 50_000, b'{"text": "u", "label": "a"}'),
        [b'{"text": "t %d", "k%d": 1}' % (i, i // 9000) for i in range(60_000)],
    ],
    ids=["plain", "blank lines", "not JSON", "no text", "a key that comes late", "a key that never comes"],
)
def test_json_lines(lines: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    same(write(tmp_path / "names.jsonl", lines, header=b""), tmp_path, monkeypatch)


@pytest.mark.usefixtures("small")
def test_what_is_not_cut(tmp_path: Path) -> None:
    data = b"".join(line + b"\n" for line in [b"id,text,label", *plain()])
    for name, content in {
        "packed.csv.gz": data,
        "wide.csv": data.decode().encode("utf-16"),
        "returns.csv": data.replace(b"\n", b"\r"),
        "small.csv": data[:SIZE],
    }.items():
        (tmp_path / name).write_bytes(content)
        assert parts(tmp_path / name) == 0, name


@pytest.mark.usefixtures("small")
def test_a_piece_begins_with_a_line_and_says_how_many_rows_it_has(tmp_path: Path) -> None:
    path = write(tmp_path / "names.csv", plain())
    (entry,) = list_inputs(str(path))
    planned = units.plan_units([entry], ("text",), AS_FOUND)
    found = [unit.part for unit in planned]
    data = path.read_bytes()
    assert all(isinstance(one, Piece) for one in found)
    assert b"".join(data[one.start : one.end] for one in found) == data  # type: ignore[union-attr]
    assert all(data[one.end - 1 : one.end] == b"\n" for one in found)  # type: ignore[union-attr]
    job = units.CountJob({unit.name: unit for unit in planned}, AS_FOUND)
    rows = {unit.name: units.count_unit(unit.name, job) for unit in planned}
    numbered = units.numbered(planned, rows)
    assert numbered[0].first == 1
    for unit, part in zip(numbered[1:], found[1:], strict=True):
        assert data[part.start :].startswith(b"%d," % (unit.first - 1))  # type: ignore[union-attr]
    (whole,) = units.numbered(planned, rows | {planned[1].name: None})
    assert (whole.part, whole.first) == (None, 1)


def test_the_cluster_is_used_from_a_size_on_at_which_files_are_cut() -> None:
    assert normalising.LARGE <= 2 * pieces.PIECE
