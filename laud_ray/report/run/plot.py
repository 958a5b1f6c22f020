"""A plot in plain characters: a frame with ticks, and lines of dots or of a character in it.

plotext, which draws the same, takes a tenth of the time of `laud status` to import.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
Ticks: TypeAlias = Sequence[tuple[float, str]]

# Each character of a braille line has 2 x 4 dots: their bits, from the top left.
_BRAILLE, _DOTS = 0x2800, ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


class Plot:
    """The plane between the first and the last ticks, which lie on its edges.

    What is drawn later covers what was drawn before.

    Example:
        plot = Plot([(0, "0"), (10, "10")], [(0, "0 %"), (100, "100 %")], width=40, height=12)
        plot.line([(0, 20), (10, 80)])
        plot.points([(0, 20), (10, 80)], "●")
        print(plot.text("annotations"))
    """

    def __init__(self, x_ticks: Ticks, y_ticks: Ticks, *, width: int, height: int) -> None:
        """Prepare an empty plot.

        Args:
            x_ticks, y_ticks: values with their labels, at least two of each, ascending.
            width: columns in all.
            height: lines in all; the frame and the text below it take four of them.
        """
        self._x_ticks, self._y_ticks, self._width = x_ticks, y_ticks, width
        self._margin = max(len(label) for _, label in y_ticks)
        self._columns, self._rows = width - self._margin - 2, height - 4
        self._cells = [[" "] * self._columns for _ in range(self._rows)]

    def points(self, points: Sequence[Point], character: str) -> None:
        """Draw a character at each point."""
        for x, y in points:
            column, row = self._place(x, y)
            self._cells[row][column] = character

    def line(self, points: Sequence[Point], character: str | None = None) -> None:
        """Join points by a line of a character, or of fine dots without one."""
        if character is not None:
            for column, row in _joined([self._place(x, y) for x, y in points]):
                self._cells[row][column] = character
            return
        dots: dict[tuple[int, int], int] = {}
        for column, row in _joined([self._place(x, y, 2, 4) for x, y in points]):
            place = (column // 2, row // 4)
            dots[place] = dots.get(place, 0) | _DOTS[3 - row % 4][column % 2]
        for (column, row), bits in dots.items():
            self._cells[row][column] = chr(_BRAILLE + bits)

    def text(self, x_label: str) -> str:
        """Return the lines of the plot, with a label below it."""
        left = {self._place(self._x_ticks[0][0], value)[1]: label for value, label in self._y_ticks}
        lines = [" " * self._margin + "┌" + "─" * self._columns + "┐"]
        for row in reversed(range(self._rows)):
            edge = "┤" if row in left else "│"
            lines.append(f"{left.get(row, ''):>{self._margin}}{edge}{''.join(self._cells[row])}│")
        below, labels = ["─"] * self._columns, [" "] * self._width
        free = 0  # the first column in which a label may begin
        for value, label in self._x_ticks:
            column = self._place(value, self._y_ticks[0][0])[0]
            below[column] = "┬"
            start = min(self._margin + 1 + column - (len(label) - 1) // 2, self._width - len(label))
            if start >= free:
                labels[start : start + len(label)] = label
                free = start + len(label) + 1
        lines.append(" " * self._margin + "└" + "".join(below) + "┘")
        return "\n".join([*lines, "".join(labels), " " * ((self._width - len(x_label) + 1) // 2) + x_label])

    def _place(self, x: float, y: float, across: int = 1, up: int = 1) -> tuple[int, int]:
        """Return the column and the row, counted from the bottom, of a point in cells of across x up parts."""
        column = _share(x, self._x_ticks) * (self._columns - 1) + 0.5
        row = _share(y, self._y_ticks) * (self._rows - 1) + 0.5
        return int(across * column), ceil(up * row) - 1


def _share(value: float, ticks: Ticks) -> float:
    low, high = ticks[0][0], ticks[-1][0]
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _joined(places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the places on the straight lines between places."""
    yield from places[:1]
    for (x, y), (to_x, to_y) in pairwise(places):
        steps = max(abs(to_x - x), abs(to_y - y))
        for step in range(1, steps + 1):
            yield round(x + (to_x - x) * step / steps), round(y + (to_y - y) * step / steps)
