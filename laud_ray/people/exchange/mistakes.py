"""One error for several rows or annotations that are not valid: a line for each of the first ones."""

from collections.abc import Sequence

from laud_ray.errors import CorpusError

SHOWN = 5


def refusal(mistakes: Sequence[str], source: str) -> CorpusError:
    """Return the error for a source, of which nothing is recorded.

    Args:
        mistakes: a line for each, with its place; at least one.
        source: what a message calls the file or project.
    """
    more = len(mistakes) - SHOWN
    lines = [*mistakes[:SHOWN], *([f"{source}: {more:,} more are not valid"] if more > 0 else [])]
    said = f"{source}: nothing was recorded"
    return CorpusError("\n".join([*lines, said]) if len(lines) > 1 else f"{lines[0]}; nothing was recorded")
