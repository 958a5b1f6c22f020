"""A rich console for tables, curves and bars in which labels and names cannot move the cursor."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from laud_ray.printable import shown


class Terminal(Console):
    """A console that interprets no markup in texts, and shows control characters as visible escapes."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render with escaped texts. The control codes of rich itself, such as those of a bar, stay."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(shown(segment.text), segment.style)
