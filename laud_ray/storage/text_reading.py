"""Settings for reading a text file: its delimiter, quotes and encoding."""

import codecs
from dataclasses import dataclass, replace

NONE = "none"
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
_QUOTES = "expected none, '\"' (a quote in a quoted cell is doubled) or '\\\"' (a quote in a quoted cell is \\\")"


@dataclass(frozen=True, slots=True)
class Reading:
    r"""Settings for reading delimited text. A setting that is None is detected in each file.

    Attributes:
        delimiter: one ASCII character.
        quote: `none`: quotes are ordinary characters; `"`: a quote in a quoted cell is doubled, as in RFC 4180;
            `\"`: a quote in a quoted cell is escaped by a backslash. Another ASCII character may replace `"`.
        encoding: Python's name of it. A byte order mark is never part of the text.
        firm: whether the user stated the settings for this data. If not, they are defaults, which are used for the
            files that they fit.
    """

    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    firm: bool = True

    @property
    def stated(self) -> bool:
        """Whether at least one of the settings is not None."""
        return (self.delimiter, self.quote, self.encoding) != (None, None, None)

    def as_default(self) -> "Reading":
        """Return the same settings as defaults."""
        return replace(self, firm=False)

    def describe(self, beside: "Reading | None" = None) -> str:
        """Return the settings in words, such as "delimiter ';', encoding utf-16"; with `beside`, only differences."""
        parts = []
        for key in ("delimiter", "quote", "encoding"):
            value = getattr(self, key)
            if value is not None and (beside is None or value != getattr(beside, key)):
                parts.append(f"{key} {value if key == 'encoding' or value == NONE else show(value)}")
        return ", ".join(parts)


AS_FOUND = Reading()


def show(value: str) -> str:
    """Return a delimiter or quote in a form that a person recognises."""
    return "a tab" if value == "\t" else f"'{value}'"


def delimiter(value: str) -> str:
    """Return the delimiter itself, given as the character or by its name, such as "tab".

    Raises:
        ValueError: if it cannot be a delimiter.
    """
    found = DELIMITERS.get(value, "\t" if value == "\\t" else value)
    if len(found) != 1 or not found.isascii() or found in '\r\n"\\\0':
        raise ValueError(f"{value!r} is not valid; expected one ASCII character, or one of {', '.join(DELIMITERS)}")
    return found


def quote(value: str) -> str:
    """Return a quote in the form of `Reading.quote`.

    Raises:
        ValueError: if it cannot be a quote.
    """
    if value in (NONE, ""):
        return NONE
    sign = value.removeprefix("\\") if len(value) == 2 else value
    if len(sign) != 1 or not sign.isascii() or sign.isalnum() or sign in "\r\n\\\0":
        raise ValueError(f"{value!r} is not valid; {_QUOTES}")
    return value


def encoding(value: str) -> str:
    """Return the usual name of an encoding.

    Raises:
        ValueError: if there is no such encoding, or it does not encode text.
    """
    try:
        found = codecs.lookup(value)
        "a".encode(found.name)
    except (LookupError, ValueError):
        raise ValueError(f"{value!r} is not valid; expected an encoding such as utf-8, utf-16 or cp1252") from None
    name = found.name.removesuffix("-sig") if found.name == "utf-8-sig" else found.name
    return "latin-1" if name == "iso8859-1" else name


def reading(delimiter_: str | None = None, quote_: str | None = None, encoding_: str | None = None) -> Reading:
    """Return the settings that a person wrote, checked.

    Raises:
        ValueError: if one of them is not valid.
    """
    return Reading(
        None if delimiter_ is None else delimiter(delimiter_),
        None if quote_ is None else quote(quote_),
        None if encoding_ is None else encoding(encoding_),
    )
