"""Make untrusted text safe to show in messages and terminals: no control characters and no bidirectional marks."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

MOST = 60
_LARGEST = 10**MOST
# Controls (C0 without tab and line end, C1), bidirectional marks, line separators, surrogates, the byte order mark.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
# Controls, invisible marks (zero-width, bidirectional), line separators, surrogates, private and unassigned characters.
_HIDDEN = ("Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn")


def printable(text: str) -> str:
    r"""Return a text with every invisible character replaced by an escape sequence.

    Example:
        >>> printable("a\x1b[31m\u202eb")
        'a\\x1b[31m\\u202eb'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(one) if unicodedata.category(one) in _HIDDEN else one for one in text)


def quoted(value: object, most: int = MOST) -> str:
    r"""Return a user's value for a message: printable, and at most about `most` characters long.

    Texts are quoted, and numbers are not. For a list or a mapping, only its kind is returned.

    Example:
        >>> quoted("a\x1b[31m"), quoted(3), quoted([1, 2])
        ("'a\\x1b[31m'", '3', 'a list')
    """
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, int) and abs(value) > _LARGEST:
        return f"an integer of {value.bit_length():,} bits"
    if value is None or isinstance(value, int | float):
        return repr(value)
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
    shown = printable(text[:most].replace("\\", "\\\\").replace("'", "\\'"))
    return f"'{shown}'" + ("..." if len(text) > most else "")


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return the first of many names for a message, each quoted.

    Example:
        >>> listed(["Tea", "Milk", "Salt"], 2)
        "'Tea', 'Milk', ..."
    """
    return ", ".join(map(quoted, names[:most])) + (", ..." if len(names) > most else "")


def first_line(error: object) -> str:
    """Return the first line of an error's message, printable; the name of its type where it has no message."""
    lines = str(error).strip().splitlines()
    return printable(lines[0]) if lines else type(error).__name__


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a message that suggests the most similar known name; empty if none is similar.

    Example:
        >>> did_you_mean("kapa", ["kappa", "gain"])
        " - did you mean 'kappa'?"
    """
    near = get_close_matches(name, list(known), 1)
    return f" - did you mean {quoted(near[0])}?" if near else ""


def shown(text: str) -> str:
    r"""Return lines for a terminal, with every character that controls the terminal replaced by an escape sequence.

    Line ends and tabs are kept, and so are marks that scripts and emoji need, such as the zero-width joiner.

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
