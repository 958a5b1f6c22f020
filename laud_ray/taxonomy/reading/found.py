"""Build a taxonomy from the paths that occur in data."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from laud_ray.errors import ConfigError
from laud_ray.labels import fold
from laud_ray.taxonomy.path_text import SEPARATOR, split_path
from laud_ray.taxonomy.reading.building import Listed, build
from laud_ray.taxonomy.tree import Taxonomy
from laud_ray.texts import normalise_text


@dataclass(slots=True)
class _Found:
    """A node as it occurs: the rows at or below it by spelling, and the nodes below it by folded name."""

    spellings: Counter[str] = field(default_factory=Counter)
    below: dict[str, "_Found"] = field(default_factory=dict)


def read_found(counts: Iterable[tuple[str, int]], name: str, *, separator: str = SEPARATOR) -> Taxonomy:
    """Return the taxonomy of the paths in a column; the nodes above them are implied.

    Names that differ only in case or width are one node, named by its most frequent spelling; the others stand in
    `also`. Siblings are sorted by name, so that the order of the data does not matter.

    Args:
        counts: pairs of a path and the number of rows that have it; empty paths are left out.
        name: the column, for messages.
        separator: between the names of a path.

    Raises:
        ConfigError: if a path is not valid, no path has more than one level, or there are fewer than two leaves.

    Example:
        >>> taxonomy = read_found([("Food > Tea", 3), ("food > Milk", 2)], "t.csv")
        >>> taxonomy.label(1), taxonomy.nodes[0].also
        ('Food > Milk', ('food',))
    """
    top = _Found()
    for text, rows in counts:
        if not normalise_text(text):
            continue
        try:
            path = split_path(text, separator)
        except ValueError as error:
            raise ConfigError(f"{name}: {error} ({rows:,} {'row has' if rows == 1 else 'rows have'} it)") from None
        node = top
        for one in path:
            node = node.below.setdefault(fold(one), _Found())
            node.spellings[one] += rows
    listed = _listed(top, name)
    if listed and all(len(one.path) == 1 for one in listed):
        raise ConfigError(f"{name}: has no path with the separator {separator!r}; expected paths of several levels")
    return build(listed, name, separator)


def _listed(top: _Found, name: str) -> list[Listed]:
    """Return every node, siblings sorted by name."""
    listed: list[Listed] = []
    waiting: list[tuple[tuple[str, ...], _Found]] = [((), top)]
    while waiting:
        above, node = waiting.pop()
        for found in node.below.values():
            best, *others = sorted(found.spellings, key=lambda one: (-found.spellings[one], one))
            listed.append(Listed(name, (*above, best), also=tuple(others)))
            waiting.append((listed[-1].path, found))
    return sorted(listed, key=lambda one: one.path)
