"""Lines of a text file of labels, and the cells of a line of a table. Errors name the file and the line."""

import csv
import re
from collections.abc import Iterator

from laud_ray.errors import ConfigError
from laud_ray.printable import quoted
from laud_ray.texts import normalise_text

DELIMITERS = (",", ";", "\t", "|")


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Yield (number, line), counted from 1, without blank lines and those that begin with #."""
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if normalise_text(line) and not line.lstrip().startswith("#"):
            yield number, line


def cells_of(line: str, delimiter: str, where: str) -> list[str]:
    """Split a line into cells, stripped of surrounding white space; empty cells at its end are dropped.

    Args:
        where: the place of the line, for error messages.

    Raises:
        ConfigError: if a quote is not closed in the line.
    """
    if delimiter == "\t":
        cells = line.split("\t")
    else:
        try:
            (cells,) = csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True)
        except csv.Error as error:
            raise ConfigError(
                f"{where}: {quoted(line)} is not valid: {error}; expected quotes that end in the same line"
            ) from None
    cells = [normalise_text(cell) for cell in cells]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def require_width(cells: list[str], header: list[str], delimiter: str, where: str) -> None:
    """Refuse a line with more cells than the header has columns."""
    if len(cells) > len(header):
        raise ConfigError(
            f"{where}: has {len(cells)} cells; expected at most {len(header)} ({', '.join(header)}): a cell that "
            f"holds {delimiter!r} needs quotes around it"
        )
