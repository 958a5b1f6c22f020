"""A bounded sample of texts, spread evenly over all that stream past. n texts of a batch."""

from collections.abc import Sequence

from laud_ray.data.sources import Cell
from laud_ray.texts import normalise_text

MOST = 4096


class TextSample:
    """Every text at first; each time that there are too many, every second one of them, and of those to come."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._step, self._next = 1, 0

    def add(self, cells: Sequence[Cell]) -> None:
        """Take what falls on the sample of n further cells; empty ones are no texts."""
        while self._next < len(cells):
            text = normalise_text((cells[self._next] or b"").decode(errors="replace"))
            self.texts += [text] if text else []
            if len(self.texts) > MOST:
                self.texts, self._step = self.texts[::2], 2 * self._step
            self._next += self._step
        self._next -= len(cells)
