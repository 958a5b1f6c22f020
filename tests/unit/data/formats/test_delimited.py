"""Tables with hostile cells, in every format, dialect and encoding: each row is read exactly once, or the file refused.

LAUD_TABLES=1000 with --hypothesis-show-statistics tries a thousand tables and shows how many were refused.
"""

import gzip
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from laud_ray.data import sources
from laud_ray.data.formats import delimited
from laud_ray.errors import CorpusError
from laud_ray.storage.text_reading import AS_FOUND, NONE, Reading

HOSTILE = ['"', '""', '\\"', "\\", ",", ";", "\t", "|", "\n", "\r", "\r\n", " ", "a", "5", "\x00", "ü", "日", "🍞", "'"]
HOSTILE += ["\ufeff", "\u202e", "\u2028", "\x1c", "\x85", "#", '","', '"\n"', '\n1,"', "\ta\t"]
# Cells with a quote at one end, of which two make what looks like one cell over several rows.
LONE = ['"', '"open', 'close"', '5"', "plain", 'a\\"', '\\"a', "x"]
NAMES = ["Milk", '5" pipe, 3" hose', '"Best" bread', "Brötchen", "", "two\nlines", 'say "hi"', "-", "NULL"]
HOSTILE_CELLS = st.one_of(
    st.lists(st.sampled_from(HOSTILE), max_size=8).map("".join),
    st.sampled_from(NAMES),
    st.text(st.characters(codec="utf-8"), max_size=12),
)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "shift_jis", "gb18030")


@dataclass(frozen=True)
class Written:
    """How a table is written. `stated` says whether the reader is told so."""

    kind: str
    delimiter: str
    quote: str
    always: bool
    end: str
    encoding: str
    packed: bool
    last_end: bool
    stated: bool
    block: int

    @property
    def name(self) -> str:
        return f"a.{self.kind}{'.gz' if self.packed else ''}"

    @property
    def reading(self) -> Reading:
        return Reading(self.delimiter, self.quote, self.encoding) if self.stated else AS_FOUND


WRITTEN = st.builds(
    Written,
    kind=st.sampled_from(["csv", "csv", "csv", "tsv", "tsv", "jsonl", "parquet"]),
    delimiter=st.sampled_from(",;\t|"),
    quote=st.sampled_from(['"', '"', '\\"', NONE]),
    always=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(ENCODINGS),
    packed=st.booleans(),
    last_end=st.booleans(),
    stated=st.booleans(),
    block=st.sampled_from([1, 7, 64, 1 << 18]),
)
TABLES = st.tuples(st.integers(1, 4), st.sampled_from([HOSTILE_CELLS, st.sampled_from(LONE)])).flatmap(
    lambda drawn: st.lists(st.tuples(*[drawn[1]] * drawn[0]), max_size=25)
)


def can_hold(cell: str, how: Written, columns: int) -> str:
    """The cell without what the dialect or the encoding cannot express."""
    codec = "utf-8" if how.kind in ("jsonl", "parquet") else how.encoding
    cell = cell.encode(codec, "ignore").decode(codec, "ignore").lstrip("\ufeff")
    if how.kind in ("csv", "tsv") and how.quote == NONE:
        for sign in (how.delimiter, "\n", "\r"):
            cell = cell.replace(sign, " ")
        if columns == 1 and not cell.strip():
            return "-"  # white space in a row of its own is a blank line
    return cell


def written(names: Sequence[str], rows: Sequence[Sequence[str]], how: Written) -> bytes:
    def cell(text: str) -> str:
        needs = text == "" and len(names) == 1
        needs |= any(sign in text for sign in (how.delimiter, '"', "\n", "\r"))
        needs |= how.quote == '\\"' and "\\" in text
        if how.quote == NONE or not (needs or how.always):
            return text
        if how.quote == '"':
            return f'"{text.replace(chr(34), chr(34) * 2)}"'
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text = how.end.join(how.delimiter.join(map(cell, row)) for row in [names, *rows])
    return (text + (how.end if how.last_end or len(names) == 1 else "")).encode(how.encoding)


def write(place: Path, names: Sequence[str], rows: Sequence[Sequence[str]], how: Written) -> Path:
    path = place / (f"a.{how.kind}" if how.kind == "parquet" else how.name)
    if how.kind == "parquet":
        columns = list(zip(*rows, strict=True)) or [()] * len(names)
        pq.write_table(pa.table([pa.array(c, pa.string()) for c in columns], names=list(names)), path, row_group_size=7)
        return path
    if how.kind == "jsonl":
        lines = (json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=how.always) for row in rows)
        data = "".join(f"{line}\n" for line in lines).encode("utf-8-sig" if how.last_end else "utf-8")
    else:
        data = written(names, rows, how)
    path.write_bytes(gzip.compress(data) if how.packed else data)
    return path


def read(
    path: Path, names: Sequence[str], reading: Reading, block: int
) -> tuple[list[tuple[bytes | None, ...]], str | None]:
    """The rows, or why the file is refused; in blocks of so many bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "BLOCK", block)
        if block > 1:
            patch.setattr(delimited, "HEAD", max(block, 64))
        try:
            parts = sources.read(str(path), names, reading)
            return [row for part in parts for row in zip(*part.columns, strict=True)], None
        except CorpusError as error:
            return [], str(error)


def plain(cell: bytes | None) -> str:
    """A cell apart from what quotes may have meant, where nobody said it."""
    text = "" if cell is None else cell.decode(errors="replace")
    return text.replace('"', "").replace("\\", "")


@settings(
    max_examples=int(os.environ.get("LAUD_TABLES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(TABLES, WRITTEN)
def test_each_row_is_read_once_or_the_file_is_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], how: Written
) -> None:
    columns = len(rows[0]) if rows else 2
    numbered = columns > 1
    clean = [tuple(can_hold(cell, how, columns) for cell in row) for row in rows]
    if numbered:
        clean = [(str(number), *row[1:]) for number, row in enumerate(clean)]
    names = ["n", "text", "c", "d"][:columns] if numbered else ["text"]
    path = write(tmp_path_factory.mktemp("table"), names, clean, how)
    text_file = how.kind in ("csv", "tsv")
    reading = how.reading if text_file else AS_FOUND
    found, refusal = read(path, names, reading, how.block)
    if refusal is not None:
        assert "\n" not in refusal
        assert refusal.isprintable()
        # A file whose quotes are known is refused only for line ends of two kinds.
        known = not text_file or (how.stated and how.encoding != "utf-16-le")
        assert not known or "carriage return" in refusal or "line feed" in refusal, refusal
        event(f"refused, {'stated' if how.stated else 'found out'}: {refusal.partition(': ')[2][:40]}")
        return
    event(f"read, {'stated' if how.stated else 'found out'}")
    assert len(found) == len(clean)
    if numbered:
        assert [row[0] for row in found] == [row[0].encode() for row in clean]
    if not text_file or how.stated:
        assert [[cell or b"" for cell in row] for row in found] == [[cell.encode() for cell in row] for row in clean]
    elif how.encoding not in ("cp1252", "shift_jis", "gb18030"):
        assert [list(map(plain, row)) for row in found] == [[plain(cell.encode()) for cell in row] for row in clean]
