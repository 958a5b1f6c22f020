"""Files as people have them: each kind is read rightly, or refused in one line with file and row."""

import gzip
import os
from pathlib import Path

import pytest

from laud_ray.data import sources
from laud_ray.data.formats import delimited, files
from laud_ray.data.seen import Seen
from laud_ray.errors import CorpusError
from laud_ray.storage.text_reading import AS_FOUND, Reading

CASES = Path(__file__).parents[4].parent / "shared" / "cases"


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def texts(path: Path, reading: Reading = AS_FOUND, seen: Seen | None = None, column: str = "text") -> list[str | None]:
    return [
        None if cell is None else cell.decode(errors="replace")
        for rows in sources.read(str(path), [column], reading, seen)
        for cell in rows.columns[0]
    ]


def notes(path: Path, reading: Reading = AS_FOUND) -> list[str]:
    seen = Seen()
    texts(path, reading, seen)
    return seen.notes


def refusal(path: Path, reading: Reading = AS_FOUND, *columns: str) -> str:
    with pytest.raises(CorpusError) as raised:
        list(sources.read(str(path), list(columns) or ["text"], reading))
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.tsv", b'id\ttext\n1\t"open\n2\tplain\n3\t5" pipe\n', ['"open', "plain", '5" pipe']),
        ("a.tsv", b'id\ttext\n1\t"say ""hi"""\n2\tb\n', ['say "hi"', "b"]),
        ("a.tsv", b'"id"\t"text"\n"1"\t"a\tb"\n', ["a\tb"]),
        ("a.csv", b'id,text\n1,5" pipe\n2,"x, y"\n', ['5" pipe', "x, y"]),
        ("a.csv", b'id,text\n1,"two\r\nlines"\r\n', ["two\r\nlines"]),
        ("a.csv", b'id,text\n1,"5\\" pipe, long"\n', ['5" pipe, long']),
        ("a.csv", b'id,text,label\n1,"Best" pizza,Food\n', ['"Best" pizza']),
        ("a.csv", b"id;text\n1;a, b\n", ["a, b"]),
        ("a.csv", b"id|text\r\n1|a\r\n", ["a"]),
        ("a.csv", b"id\ttext\n1\ta,b;c\n", ["a,b;c"]),
        ("a.csv", b"id,text\r1,a\r2,b\r", ["a", "b"]),
        ("a.csv", b" id , text \n1, a\n", [" a"]),
        ("a.csv", "\ufeffid,text\n1,a\n".encode(), ["a"]),
        ("a.csv", "\ufefftext,id\n\ufeffa,1\n".encode(), ["\ufeffa"]),
        ("a.csv", "id,text\n1,ä\n".encode("utf-16"), ["ä"]),
        ("a.csv", "id,text\n1,ä\n".encode("utf-16-le"), ["ä"]),
        ("a.csv", "id,text\n1,ä\n".encode("utf-32"), ["ä"]),
        ("a.csv", b"text\na\n\nb\n", ["a", None, "b"]),
        ("a.csv", b"text,\na,\n", ["a"]),
        ("a.csv", b"\r\n\ntext,id\n\na,1\n\n\n", ["a"]),
        ("a.jsonl", "\ufeff".encode() + b'{"text": "a"}\n', ["a"]),
        ("a.jsonl", '{"text": "ä"}\n'.encode("utf-16"), ["ä"]),
        ("a.jsonl", b'{"id": 1}\n{"text": "a"}\n', [None, "a"]),
        ("a.jsonl", b'{"text": true}\n{"text": 3.0}\n{"text": ["x"]}\n{"text": NaN}\n', ["true", "3", "x", None]),
        ("a.jsonl", b'{"text": "a", "n": 1, "n": 2}\n', ["a"]),
    ],
)
def test_what_can_be_read_is(tmp_path: Path, name: str, content: bytes, expected: list[str | None]) -> None:
    assert texts(write(tmp_path / name, content)) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            b'id,text,label\n1,"a,X\n2,b,Y\n3,c",Z\n',
            "row 1: has a quoted cell of 3 lines that look",
        ),
        ("a.csv", b'id,text,l\n1,"x, y",X\n2,"a"b,Y\n', "row 2: has a quoted cell with text after its closing quote"),
        ("a.csv", b'id,text,l\n1,"x, y",X\n2,"ab,Y\n', "row 2: has a quoted cell that is not closed"),
        ("a.csv", b"id,text\n1,a\n2\n", "row 2: has 1 cell; expected 2, as in the header"),
        ("a.csv", b"text\na\rb\nc\n", "row 1: contains a carriage return"),
        ("a.csv", b"id,text\r1,a\nb\r", "row 1: contains a line feed"),
        ("a.csv", b"id,text,text\n1,a,b\n", "2 columns are named 'text'; expected one"),
        ("a.csv", b"id,t\x1b[31mxt\n1,a\n", r"no column 'text'; expected one of id, t\x1b[31mxt"),
        (
            "a.csv",
            "id,text,größe\n1,a,b\n".encode("cp1252"),
            "header: 'gr\\xf6\\xdfe' is not UTF-8; as cp1252 they would read 'gr\xf6\xdfe'",
        ),
        ("a.csv", b"PK\x03\x04..xl/workbook.xml", "a.csv: is an Excel workbook (xlsx); expected text, as the ending"),
        ("a.tsv", b"PK\x03\x04..names.csv", "a.tsv: is a zip archive; expected text"),
        ("a.csv", gzip.compress(b"text\na\n", mtime=0), "a.csv: is gzip data; expected text"),
        (
            "a.csv.gz",
            gzip.compress(gzip.compress(b"text\na\n", mtime=0), mtime=0),
            "a.csv.gz: is gzip data; expected text",
        ),
        ("a.jsonl", b"PAR1\x15\x04", "a.jsonl: is a Parquet file; expected text"),
        ("a.csv", b"%PDF-1.7\n%\xe2", "a.csv: is a PDF file; expected text"),
        ("a.jsonl", b'{"text": "a", "text": "b"}\n', "row 1: the key 'text' occurs twice"),
        ("a.jsonl", b'[{"text": "a"}]\n', "row 1: holds a JSON array; expected one object per line"),
        ("a.jsonl", b'[\n{"text": "a"}]\n', "row 1: begins a JSON array; expected one object per line"),
        ("a.jsonl", b'{"text": ' + b"[" * 100_000 + b"\n", "row 1: is nested too deeply"),
        ("a.jsonl", b'{"text": {"a": 1}}\n', """row 1: 'text' holds '{"a": 1}'; expected a text"""),
        ("a.jsonl", b'{"text": 0.5}\n', "row 1: 'text' holds '0.5'; expected a text"),
        ("a.jsonl", b'{"texts": "a"}\n', "no column 'text'; expected one of texts - did you mean 'texts'?"),
        ("a.json", b'[{"text": "a"}]', "is a JSON array; expected one object per line, in a file that ends in .jsonl"),
        ("a.json", b'{"text": "a"}\n', "is JSON; expected one object per line, in a file that ends in .jsonl"),
    ],
)
def test_what_cannot_be_read_without_doubt_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    assert message in refusal(write(tmp_path / name, content))


def test_a_stated_quote_decides_and_what_it_merges_is_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b'id,text,label\n1,"a,X\n2,b,Y\n3,c",Z\n4,"d,X\n5,e",Y\n')
    assert texts(path, Reading(quote="none")) == ['"a', "b", 'c"', '"d', 'e"']
    assert texts(path, Reading(quote='"')) == ["a,X\n2,b,Y\n3,c", "d,X\n5,e"]
    assert (
        "row 1: a quoted cell contains lines that look like separate rows (2 such cells in all)"
        in notes(path, Reading(quote='"'))[0]
    )
    # A default of a run's merges nothing: it does not fit, and so nothing is known of the quotes.
    assert "a quoted cell of 3 lines" in refusal(path, Reading(quote='"').as_default())


def test_a_default_holds_where_it_fits(tmp_path: Path) -> None:
    runs = Reading(";", '"', "cp1252").as_default()
    same = write(tmp_path / "same.csv", "id;text\n1;grün\n".encode("cp1252"))
    other = write(tmp_path / "other.csv", "id,text\n1,grün\n".encode())
    assert texts(same, runs) == texts(other, runs) == ["grün"]
    assert notes(other, runs)[0].endswith(
        "other.csv: does not fit the settings of the run's corpus (delimiter ';', quote '\"', encoding cp1252); "
        "its own were detected"
    )
    late = write(tmp_path / "late.csv", b"id;text\n" + b"1;plain\n" * 60_000 + "2;grün\n".encode())
    assert texts(late, runs)[-1] == "grün"


def test_bytes_that_are_not_the_encoding_are_said_with_row_count_and_likeness(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,text\n1,tea\n2,grün\n3,weiß\n".encode("cp1252"))
    (said,) = notes(path)
    assert said.endswith(
        "a.csv row 2: 2 rows hold bytes that are not utf-8; as cp1252 they would read 'grün weiß': if that is right, "
        "state `encoding: cp1252`"
    )
    assert texts(path, Reading(encoding="cp1252")) == ["tea", "grün", "weiß"]
    japanese = write(tmp_path / "b.csv", "id,text\n1,みかん 大\n2,食パン\n".encode("shift_jis"))
    assert "as shift_jis they would read 'みかん 大 食パン'" in notes(japanese)[0]
    wrong = write(tmp_path / "c.csv", b"id,text\n1,a\x81b\n")
    assert "row 1: 1 row holds bytes that are not cp1252" in notes(wrong, Reading(encoding="cp1252"))[-1]


def test_a_mark_decides_over_what_is_stated(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "\ufefftext,id\ngrün,1\n".encode())
    assert texts(path, Reading(encoding="cp1252")) == ["grün"]
    assert "byte order mark of utf-8" in notes(path, Reading(encoding="cp1252"))[0]


def test_a_cell_larger_than_the_block_is_read(tmp_path: Path) -> None:
    long = "x, " * delimited.BLOCK
    path = write(tmp_path / "a.csv", f'id,text\n1,"{long}"\n2,short\n')
    assert texts(path) == [long, "short"]
    assert texts(write(tmp_path / "b.csv", f"id;text\n1;{long}\n")) == [long]


def test_a_quote_that_nothing_closes_does_not_take_the_file_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "LONG", 1 << 19)
    monkeypatch.setattr(delimited, "LONGEST", 1 << 20)
    good = b'1,"x, y"\n' * 40_000
    path = write(tmp_path / "a.csv", b"id,text\n" + good + b'2,"open\n' + b"3,plain\n" * 400_000)
    assert "row 40001: has a quoted cell of" in refusal(path)
    assert "row 40001: is longer than 1 MiB" in refusal(path, Reading(quote='"'))


def test_files_passed_over_are_named_and_each_file_is_read_once(tmp_path: Path) -> None:
    place = tmp_path / "in"
    write(place / "deep" / "a.csv", "text\none\n")
    write(place / "b.txt", "text\ntwo\n")
    write(place / "empty.csv", "")
    write(place / "header.csv", "text\n")
    write(place / "empty.parquet", "")
    for name in ("Thumbs.db", ".a.csv.crc", "x.crc", "_SUCCESS", ".DS_Store", "desktop.ini"):
        write(place / name, "?")
    os.symlink(place, place / "deep" / "up")
    os.symlink(place / "deep", place / "again")
    os.symlink(place / "deep" / "a.csv", place / "link.csv")
    os.symlink(place / "nowhere.csv", place / "broken.csv")
    os.link(place / "deep" / "a.csv", place / "z.csv")
    seen = Seen()
    assert texts(place, seen=seen) == ["one"]
    assert list(seen.rows) == [str(place / "deep" / "a.csv"), str(place / "header.csv")]
    assert seen.notes == [
        f"{place}: 1 file was skipped because of the file extension: b.txt; "
        "expected .parquet, .pq, .csv, .tsv, .jsonl, .ndjson",
        f"{place}: 3 files without rows were skipped: empty.csv, empty.parquet, header.csv",
    ]
    assert texts(place / "**" / "*.csv") == ["one"]
    (place / "deep" / "a.csv").unlink()
    (place / "z.csv").unlink()
    assert "expected" in refusal(write(tmp_path / "other" / "c.txt", "?").parent)


def test_a_folder_may_name_a_column(tmp_path: Path) -> None:
    write(tmp_path / "label=Milk" / "a.csv", "text\none\ntwo\n")
    write(tmp_path / "label=Caf%C3%A9" / "a.jsonl", '{"text": "three"}\n')
    write(tmp_path / "label=__HIVE_DEFAULT_PARTITION__" / "a.csv", "text\nfour\n")
    rows = [row for part in sources.read(str(tmp_path), ["text", "label"]) for row in zip(*part.columns, strict=True)]
    assert sorted(rows, key=str) == [
        (b"four", None), (b"one", b"Milk"), (b"three", "Café".encode()), (b"two", b"Milk"),
    ]  # fmt: skip
    assert sources.column_names(str(tmp_path)) == ["text", "label"]


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
@pytest.mark.parametrize(
    ("case", "column", "rows"),
    [
        ("quotes/items.tsv", "text", 160),
        ("bom/items.csv", "text", 160),
        ("bom/items.jsonl", "text", 160),
        ("cp1252/items.csv", "text", 160),
        ("delimiter/semi.csv", "text", 160),
        ("delimiter/pipe.csv", "text", 160),
        ("delimiter/tab.csv", "product_name", 160),
        ("string-view/items.parquet", "text", 160),
        ("folders/empties", "text", 160),
        ("folders/skipped", "text", 80),
        ("jsonl/sparse.jsonl", "label", 160),
        ("label-variants/spaces.csv", "label", 160),
    ],
)
def test_the_shared_cases(case: str, column: str, rows: int) -> None:
    assert len(texts(CASES / case, column=column)) == rows


@pytest.mark.parametrize("line", ["sep=;\r\n", '"sep=;"\r\n', "\ufeffsep=;\n", "SEP=;\r"])
def test_excels_line_that_names_the_delimiter_is_no_header(tmp_path: Path, line: str) -> None:
    end = line[-2:] if line.endswith("\r\n") else line[-1:]
    path = write(tmp_path / "a.csv", (line + end.join(["id;text", "1;tea, green", "2;milk", ""])).encode())
    assert texts(path) == ["tea, green", "milk"]
    assert files.column_names(str(path)) == ["id", "text"]
