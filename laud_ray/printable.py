"""Show what came from outside in one line of a message: no control characters, nothing that turns a line round."""

import unicodedata

MOST = 60
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


def _escape(one: str) -> str:
    code = ord(one)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return short.get(one) or (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )
