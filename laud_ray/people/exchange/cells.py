"""Cells of a spreadsheet: a text that a spreadsheet would run as a formula or rewrite is guarded by an apostrophe.

Guarding is undone exactly, also where a spreadsheet has taken the apostrophe away itself, as Google Sheets does.
"""

import re

GUARD = "'"
# The full-width forms too: they begin a formula where people write Japanese.
_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
# A number, date, time or truth value, which a spreadsheet rewrites: 3/4 becomes 3 April, 007 becomes 7.
_MONTHS = "jan|feb|mar|mär|mrz|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez"
_REWRITTEN = re.compile(
    rf"[\W\d_]*\d[\W\d_]*|\d[\d.,]*\s*(?:e[+-]?\d+|[ap]m?)|true|false|(?=.*\d)[\d\s.,/-]*(?:{_MONTHS})[a-zä]{{0,6}}[\d\s.,/-]*",
    re.IGNORECASE,
)
_LONGEST_REWRITTEN = 64


def guarded(cell: str) -> str:
    """Return a cell as a spreadsheet may open it.

    Example:
        >>> guarded("=1+1"), guarded("tea"), guarded("'tea")
        ("'=1+1", 'tea', "''tea")
    """
    return f"{GUARD}{cell}" if cell.startswith(GUARD) or _is_changed(cell) else cell


def unguarded(cell: str) -> str:
    """Return what was guarded: unguarded(guarded(cell)) == cell for every cell."""
    inner = cell[1:]
    return inner if cell.startswith(GUARD) and guarded(inner) != inner else cell


def _is_changed(cell: str) -> bool:
    plain = cell.strip(" \u00a0")
    if not plain:
        return False
    return plain[0] in _FORMULA or (len(plain) <= _LONGEST_REWRITTEN and bool(_REWRITTEN.fullmatch(plain)))
