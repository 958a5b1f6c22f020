"""The rows of a table whose columns hold texts, with their places for messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from laud_ray.errors import ConfigError
from laud_ray.texts import normalise_text

Column: TypeAlias = Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a table.

    Attributes:
        columns: by name, of equal length; None and white space are empty cells.
        name: the file, for messages.
        lines: the numbers of the lines; None: rows are counted from 1.

    Raises:
        ConfigError: if there are no columns, or their lengths differ.
    """

    columns: Mapping[str, Column]
    name: str
    lines: Sequence[int] | None = None

    def __post_init__(self) -> None:
        """Check the lengths."""
        lengths = {len(column) for column in self.columns.values()}
        if self.lines is not None:
            lengths.add(len(self.lines))
        if len(lengths) != 1:
            raise ConfigError(f"{self.name}: has columns of {sorted(lengths)} rows; expected columns of equal length")

    def __len__(self) -> int:
        """The number of rows."""
        return len(next(iter(self.columns.values())))

    def cell(self, column: str, row: int) -> str:
        """Return a normalised cell; empty if the cell is, or if there is no such column."""
        value = self.columns[column][row] if column in self.columns else None
        return normalise_text(value) if value else ""

    def where(self, row: int) -> str:
        """Return the place of a row: "labels.csv line 3", or "labels.parquet row 3"."""
        return f"{self.name} row {row + 1}" if self.lines is None else f"{self.name} line {self.lines[row]}"
