"""How a text file is read: its delimiter, its quotes, its encoding."""

import codecs
from dataclasses import dataclass, replace

NONE = "none"
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
_QUOTES = "expected none, '\"' (a quote within a quoted cell is doubled) or '\\\"' (it is written \\\")"


@dataclass(frozen=True, slots=True)
class Reading:
    r"""How delimited text is read. None: found out from each file.

    Attributes:
        delimiter: one ASCII character.
        quote: `none`: quotes are characters like others; `"`: a quote in a quoted cell is doubled, as in RFC 4180;
            `\"`: it is written `\"`. Another ASCII character may stand in its place.
        encoding: as Python names it. A byte order mark is never a part of the text.
        firm: stated for this very data. Else it is a default, which holds for the files that it fits.
    """

    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    firm: bool = True

    @property
    def stated(self) -> bool:
        """Whether anything is."""
        return (self.delimiter, self.quote, self.encoding) != (None, None, None)

    def as_default(self) -> "Reading":
        return replace(self, firm=False)

    def describe(self, beside: "Reading | None" = None) -> str:
        """Say it, or only what differs from `beside`: "delimiter ';', encoding utf-16"."""
        said = []
        for key in ("delimiter", "quote", "encoding"):
            value = getattr(self, key)
            if value is not None and (beside is None or value != getattr(beside, key)):
                said.append(f"{key} {value if key == 'encoding' or value == NONE else show(value)}")
        return ", ".join(said)


AS_FOUND = Reading()


def show(value: str) -> str:
    """A delimiter or quote as a reader recognises it."""
    return "a tab" if value == "\t" else f"'{value}'"


def delimiter(value: str) -> str:
    """Return a delimiter as it stands in a file, from it or from its name.

    Raises:
        ValueError: if it can be none.
    """
    found = DELIMITERS.get(value, "\t" if value == "\\t" else value)
    if len(found) != 1 or not found.isascii() or found in '\r\n"\\\0':
        raise ValueError(f"{value!r}: expected one ASCII character, or one of {', '.join(DELIMITERS)}")
    return found


def quote(value: str) -> str:
    """Return a quote as `Reading` has it.

    Raises:
        ValueError: if it can be none.
    """
    if value in (NONE, ""):
        return NONE
    sign = value.removeprefix("\\") if len(value) == 2 else value
    if len(sign) != 1 or not sign.isascii() or sign.isalnum() or sign in "\r\n\\\0":
        raise ValueError(f"{value!r}: {_QUOTES}")
    return value


def encoding(value: str) -> str:
    """Return an encoding's name in its usual form.

    Raises:
        ValueError: if there is none of that name, or it is not one of texts.
    """
    try:
        found = codecs.lookup(value)
        "a".encode(found.name)
    except (LookupError, ValueError):
        raise ValueError(f"{value!r} is no known encoding: expected one such as utf-8, utf-16 or cp1252") from None
    name = found.name.removesuffix("-sig") if found.name == "utf-8-sig" else found.name
    return "latin-1" if name == "iso8859-1" else name


def reading(delimiter_: str | None = None, quote_: str | None = None, encoding_: str | None = None) -> Reading:
    """Make a reading of what a person wrote.

    Raises:
        ValueError: if something of it can be none.
    """
    return Reading(
        None if delimiter_ is None else delimiter(delimiter_),
        None if quote_ is None else quote(quote_),
        None if encoding_ is None else encoding(encoding_),
    )
