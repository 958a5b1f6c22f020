"""Show what came from outside in one line of a message: no control characters, nothing that turns a line round."""

import re
import unicodedata

MOST = 60
# Controls (C0 without tab and line end, C1), bidirectional marks, line separators, surrogates, the byte order mark.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
# Controls, invisible marks (zero-width, bidirectional), line separators, surrogates, private and unassigned characters.
_HIDDEN = ("Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn")


def printable(text: str) -> str:
    r"""Return a text with every character that cannot be seen written as an escape.

    Example:
        >>> printable("a\x1b[31m\u202eb")
        'a\\x1b[31m\\u202eb'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(one) if unicodedata.category(one) in _HIDDEN else one for one in text)


def quoted(value: object, most: int = MOST) -> str:
    """Return a value of a user's in quotes, printable and at most about `most` characters long."""
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
    shown = printable(text[:most].replace("\\", "\\\\").replace("'", "\\'"))
    return f"'{shown}'" + ("..." if len(text) > most else "")


def shown(text: str) -> str:
    r"""Return lines for a terminal, with every character that it would obey written as an escape.

    Line ends and tabs stay, and marks that scripts and emoji need, such as the zero-width joiner.

    Example:
        >>> shown("a\x1b[31m\u202eb\n")
        'a\\x1b[31m\\u202eb\n'
    """
    return _OBEYED.sub(lambda found: _escape(found[0]), text)


def _escape(one: str) -> str:
    code = ord(one)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return short.get(one) or (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )
