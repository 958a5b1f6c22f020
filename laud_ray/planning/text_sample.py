"""A bounded sample of the texts of a stream, spread evenly over it."""

from collections.abc import Sequence

from laud_ray.data.sources import Cell
from laud_ray.texts import normalise_text

MOST = 4096


class TextSample:
    """Keeps every text at first. Each time that there are more than MOST, it keeps every second one from then on."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._step, self._next = 1, 0

    def add(self, cells: Sequence[Cell]) -> None:
        """Add the sampled ones of n further cells; empty cells are skipped."""
        while self._next < len(cells):
            text = normalise_text((cells[self._next] or b"").decode(errors="replace"))
            self.texts += [text] if text else []
            if len(self.texts) > MOST:
                self.texts, self._step = self.texts[::2], 2 * self._step
            self._next += self._step
        self._next -= len(cells)
