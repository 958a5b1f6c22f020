"""Paths as text: "Food > Tea > Green tea" and its names."""

import re
from functools import lru_cache

from laud_ray.labels import read_name
from laud_ray.printable import quoted
from laud_ray.texts import normalise_text

SEPARATOR = " > "


def split_path(text: str, separator: str = SEPARATOR) -> tuple[str, ...]:
    """Return the normalised names of a path, from the top.

    Example:
        >>> split_path("Food >  Tea")
        ('Food', 'Tea')

    Raises:
        ValueError: if the separator is empty, a level is empty, or a name is not valid (see `laud_ray.labels`).
    """
    # A separator of white space alone, such as a tab, would not outlive the normalisation.
    plain = normalise_text(text) if separator.strip() else text
    names = [normalise_text(name) for name in between(separator).split(plain)]
    if not all(names):
        expected = f"a name at each level, with {quoted(separator)} only between names"
        raise ValueError(f"{quoted(text)} is not valid; expected {expected}")
    return tuple(read_name(name) for name in names)


def occurs(text: str, separator: str) -> bool:
    """Return whether a text has the separator."""
    return between(separator).search(normalise_text(text) if separator.strip() else text) is not None


@lru_cache(maxsize=32)
def between(separator: str) -> re.Pattern[str]:
    """Return the pattern of a separator.

    Its outer spaces match at the ends of the text too, so that an empty level is noticed.
    """
    core = separator.strip()
    if not core:
        if not separator:
            raise ValueError("the separator '' is not valid; expected at least one character")
        return re.compile(re.escape(separator))
    before = r"(?:^|(?<=\s))" if separator[0].isspace() else ""
    after = r"(?=\s|$)" if separator[-1].isspace() else ""
    return re.compile(f"{before}{re.escape(core)}{after}")
