"""Rows of a file that people filled in, as texts, whatever spreadsheet wrote it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from laud_ray.errors import CorpusError
from laud_ray.people.exchange.cells import unguarded
from laud_ray.printable import quoted
from laud_ray.storage.charset import looks_like
from laud_ray.storage.text_reading import Reading
from laud_ray.texts import normalise_text

if TYPE_CHECKING:  # imported when a file is read
    from laud_ray.data.seen import Seen

QUESTION, DOCUMENT, LABEL, TEXT = "question", "document", "label", "text"
COLUMNS = (QUESTION, DOCUMENT, LABEL, TEXT, "comment", "who", "id", "seconds", "answered_at", "show", "run", "version")
_WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods", ".numbers")
_UNICODE = ("utf", "gb18030")


@dataclass(frozen=True, slots=True)
class Row:
    """A row with the columns of `COLUMNS` that the file has.

    Attributes:
        place: the file and the number of the row; the header does not count.
        cells: column -> text; those that are empty are left out.
        label: the label as it is written. Programs guard it, and people do not, so both readings are tried.
        encoding: of the file, where it was not Unicode.
    """

    place: str
    cells: dict[str, str]
    label: str | None = None
    encoding: str | None = None

    def get(self, column: str) -> str | None:
        return self.cells.get(column)

    def is_about(self, text: str) -> bool:
        """Whether the row's text, if it has one, is this one, as far as the file's encoding can write it."""
        found = self.get(TEXT)
        if found is None or normalise_text(found) == normalise_text(text):
            return True
        return self.encoding is not None and _may_stand_for(normalise_text(found), normalise_text(text), self.encoding)


def rows(path: str, reading: Reading, notes: list[str]) -> Iterator[Row]:
    """Yield the rows of a file, or of the files of a folder or glob; rows without anything in them are left out.

    Args:
        reading: what is stated of how the file is written; the rest is found out.
        notes: collects remarks on how the files were read.

    Raises:
        CorpusError: if a file cannot be read, or lacks the columns.
    """
    from laud_ray.data import sources
    from laud_ray.data.seen import Seen

    if path.lower().removesuffix(".gz").endswith(_WORKBOOKS):
        raise CorpusError(
            f'{path}: is a workbook, which is not read; expected a CSV file: save it as "CSV UTF-8" and import that'
        )
    seen = Seen()
    for entry in sources.inputs(path, seen):
        yield from _rows_of(entry.path, reading, seen)
    notes += seen.notes


def _rows_of(file: str, reading: Reading, seen: "Seen") -> Iterator[Row]:
    from laud_ray.data.formats import files
    from laud_ray.data.seen import Seen

    present = files.column_names(file, reading, (LABEL,))
    if present and (LABEL not in present or not {QUESTION, DOCUMENT}.intersection(present)):
        lacking = LABEL if LABEL not in present else QUESTION
        raise CorpusError(
            f"{file}: no column {quoted(lacking)}; expected the columns that `laud questions export` writes; it has "
            f"{', '.join(map(quoted, present[:12]))}"
        )
    columns = [one for one in COLUMNS if one in present]
    found = list(_cells(file, columns, reading, seen))
    if reading.encoding is None and (bad := [cell for _, cells in found for cell in cells if not _is_utf8(cell)]):
        # Texts and labels are compared with what was asked, so that a wrong guess is noticed.
        guess = looks_like(b" ".join(one for one in bad if one is not None))
        if guess is None:
            number = next(number for number, cells in found if not all(map(_is_utf8, cells)))
            raise CorpusError(f"{file} row {number}: is not UTF-8; expected the file's encoding (--encoding)")
        reading = replace(reading, encoding=guess)
        seen.note(f"{file}: is read as {guess}")
        found = list(_cells(file, columns, reading, Seen()))
    narrow = reading.encoding if reading.encoding and not reading.encoding.startswith(_UNICODE) else None
    for number, cells in found:
        row = {name: _text(cell) for name, cell in zip(columns, cells, strict=True) if cell is not None}
        row = {name: text for name, text in row.items() if text.strip()}
        if row:
            meant = {name: unguarded(text) for name, text in row.items()}
            yield Row(f"{file} row {number}", meant, row.get(LABEL), narrow)


def _cells(
    file: str, columns: Sequence[str], reading: Reading, seen: "Seen"
) -> Iterator[tuple[int, Sequence[bytes | None]]]:
    from laud_ray.data.formats import files

    if files.format_of(file) == "jsonl":
        yield from _json_cells(file, columns, reading, seen)
        return
    number = 0
    for batch in files.batches(file, columns, reading, seen):
        for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            number += 1
            yield number, cells


def _json_cells(
    file: str, columns: Sequence[str], reading: Reading, seen: "Seen"
) -> Iterator[tuple[int, Sequence[bytes | None]]]:
    """Do the same for JSON lines, where a cell may be a number."""
    from laud_ray.data.formats import jsonl
    from laud_ray.data.formats.cells import text_of
    from laud_ray.data.formats.text_files import opened

    with opened(file, reading, seen) as stream:
        for number, row in jsonl.rows(file, stream):
            cells = list[bytes | None]()
            for column in columns:
                value = row.get(column)
                try:
                    text = str(value) if isinstance(value, float) else _label_list(column, value) or text_of(value)
                except ValueError:
                    raise CorpusError(
                        f"{file} row {number}: {column}: {quoted(value)} is not valid; expected a text"
                    ) from None
                cells.append(None if text is None else _encoded(text))
            yield number, cells


def _label_list(column: str, value: object) -> str | None:
    """Return a list in the column of labels as JSON; None for any other value."""
    if column != LABEL or not isinstance(value, list) or len(value) == 1:
        return None
    return json.dumps(value, ensure_ascii=False) if all(isinstance(one, str) for one in value) else None


def _encoded(text: str) -> bytes:
    try:
        return text.encode(errors="surrogateescape")  # as the reader marks bytes that are not UTF-8
    except UnicodeEncodeError:
        return text.encode(errors="replace")


def _text(cell: bytes) -> str:
    return cell.decode(errors="replace")


def _is_utf8(cell: bytes | None) -> bool:
    try:
        _ = None if cell is None else cell.decode()
    except UnicodeDecodeError:
        return False
    return True


def _may_stand_for(written: str, text: str, encoding: str) -> bool:
    """Whether a text may have become another when it was written in an encoding.

    Excel writes a question mark, or a similar letter, for what the encoding lacks, and two of them for an emoji.
    """
    reached = {0}
    for letter in text:
        has = _has(encoding, letter)
        widths = (1,) if has or ord(letter) < 0x10000 else (1, 2)
        reached = {
            place + width
            for place in reached
            for width in widths
            if place + width <= len(written) and (not has or written[place] == letter)
        }
    return len(written) in reached


def _has(encoding: str, letter: str) -> bool:
    try:
        letter.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
