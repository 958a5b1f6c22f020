"""Recognise binary files by their first bytes: workbooks, archives, pictures."""

# A zip archive begins with the name of its first file, by which Office documents are recognised.
_ZIP = b"PK\x03\x04"
_IN_ZIP = (
    (b"xl/", "an Excel workbook (xlsx)"),
    (b"word/", "a Word document (docx)"),
    (b"opendocument.spreadsheet", "a spreadsheet (ods)"),
)
_BEGINS = (
    (_ZIP, "a zip archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook or another old Office file (xls)"),
    (b"\x1f\x8b\x08", "gzip data"),
    (b"PAR1\x15", "a Parquet file"),
    (b"%PDF-", "a PDF file"),
    (b"ARROW1\x00\x00", "an Arrow file"),
    (b"\xff\xff\xff\xff\x08\x00\x00\x00", "an Arrow stream"),
    (b"Obj\x01", "an Avro file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\xfd7zXZ\x00", "xz data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x89PNG\r\n", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
)
_BZIP2 = (b"BZh", b"1AY&SY")


def kind_of(head: bytes) -> str | None:
    """Return the kind of a binary file in words, such as "a PDF file"; None if the first bytes may be text."""
    if head.startswith(_ZIP):
        return next((kind for sign, kind in _IN_ZIP if sign in head), "a zip archive")
    if head.startswith(_BZIP2[0]) and head[4:10] == _BZIP2[1]:
        return "bzip2 data"
    return next((kind for sign, kind in _BEGINS if head.startswith(sign)), None)
