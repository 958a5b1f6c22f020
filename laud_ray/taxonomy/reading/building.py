"""Build a taxonomy from the nodes that a file lists, in any order. Mistakes name the file and the line."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from laud_ray.errors import ConfigError
from laud_ray.printable import quoted
from laud_ray.taxonomy.path_text import split_path
from laud_ray.taxonomy.tree import Node, Taxonomy

LEAST_LEAVES = 2
# A path in a message is cut here.
LONG = 300


@dataclass(frozen=True, slots=True)
class Listed:
    """A node as it stands in a file.

    Attributes:
        where: its place for messages, such as "labels.csv line 3".
        path: normalised names from the top.
        code: None if the file has no codes.
        description: a sentence about it, or None.
        also: other spellings of its name, normalised.
    """

    where: str
    path: tuple[str, ...]
    code: str | None = None
    description: str | None = None
    also: tuple[str, ...] = ()


def build(listed: Sequence[Listed], name: str, separator: str) -> Taxonomy:
    """Build a taxonomy. Siblings keep the order in which they are listed, or in which a node below them is.

    A file may list leaves alone: the nodes above them are then implied, and their paths are their codes.

    Args:
        listed: nodes in any order.
        name: the file, for messages.
        separator: between the names of a path in text.

    Raises:
        ConfigError: if a code, a path or a sibling's name is a duplicate, some nodes have codes and others do not,
            some nodes above others are listed and others are not, a name contains the separator, or there are fewer
            than two leaves.
    """
    by_path: dict[tuple[str, ...], Listed] = {}
    for one in listed:
        first = by_path.setdefault(one.path, one)
        if first is not one:
            raise ConfigError(
                f"{one.where}: {shown(one.path, separator)} is a duplicate of {first.where}; expected each path once"
            )
    _check_codes(listed)
    _check_names(listed, separator)
    below = _children(listed)
    _check_above(listed, by_path, below, separator)
    nodes = _number(by_path, below, separator)
    leaves = sum(node.path not in below for node in nodes)
    if leaves < LEAST_LEAVES:
        has = "no labels" if not nodes else f"one leaf, {shown(nodes[-1].path, separator)}"
        raise ConfigError(f"{name}: has {has}; expected at least two leaves")
    return Taxonomy(tuple(nodes), separator)


@contextmanager
def placed(where: str) -> Iterator[None]:
    """Turn a ValueError into a ConfigError that begins with its place."""
    try:
        yield
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def shown(path: tuple[str, ...], separator: str) -> str:
    """Return a path for a message."""
    return quoted(separator.join(path), LONG)


def _check_codes(listed: Sequence[Listed]) -> None:
    coded = next((one for one in listed if one.code is not None), None)
    if coded is None:
        return
    places: dict[str, str] = {}
    for one in listed:
        if one.code is None:
            raise ConfigError(
                f"{one.where}: {quoted(one.path[-1])} has no code; expected a code as in {coded.where}, or no codes"
            )
        if one.code in places:
            raise ConfigError(
                f"{one.where}: the code {quoted(one.code)} is a duplicate of {places[one.code]}; expected each code "
                "once"
            )
        places[one.code] = one.where


def _check_names(listed: Sequence[Listed], separator: str) -> None:
    """Refuse names that contain the separator, and siblings of which one is spelt as the other is."""
    siblings: dict[tuple[tuple[str, ...], str], Listed] = {(one.path[:-1], one.path[-1]): one for one in listed}
    for one in listed:
        if not _splits(one.path, separator):
            raise ConfigError(
                f"{one.where}: {quoted(one.path[-1])} is not valid; expected a name without the separator "
                f"{quoted(separator)}, or another separator"
            )
        for other in one.also:
            first = siblings.setdefault((one.path[:-1], other), one)
            if first is not one:
                raise ConfigError(
                    f"{one.where}: the other name {quoted(other)} is a duplicate of {first.where}; expected a name "
                    "that no node beside it has"
                )


def _splits(path: tuple[str, ...], separator: str) -> bool:
    """Return whether a path in text is split into the same names again."""
    if all(map(set(separator.strip()).isdisjoint, path)):
        return True
    try:
        return split_path(separator.join(path), separator) == path
    except ValueError:
        return False


def _children(listed: Sequence[Listed]) -> dict[tuple[str, ...], list[tuple[str, ...]]]:
    """Return path -> the paths below it, listed or implied; the empty path has those at the top."""
    below = defaultdict[tuple[str, ...], list[tuple[str, ...]]](list)
    seen: set[tuple[str, ...]] = {()}
    for one in listed:
        path = one.path
        while path not in seen:
            seen.add(path)
            below[path[:-1]].append(path)
            path = path[:-1]
    return dict(below)


def _check_above(
    listed: Sequence[Listed],
    by_path: dict[tuple[str, ...], Listed],
    below: dict[tuple[str, ...], list[tuple[str, ...]]],
    separator: str,
) -> None:
    """Refuse a file that lists some of the nodes above others, and not all."""
    above = [path for path in below if path]
    if not any(path in by_path for path in above):
        return
    missing = {path for path in above if path not in by_path}
    for one in listed if missing else ():
        lacks = next((one.path[:k] for k in range(1, len(one.path)) if one.path[:k] in missing), None)
        if lacks is not None:
            raise ConfigError(
                f"{one.where}: {shown(one.path, separator)} is not valid; expected {shown(lacks, separator)} to be "
                "listed too, as other nodes with nodes below them are"
            )


def _number(
    by_path: dict[tuple[str, ...], Listed], below: dict[tuple[str, ...], list[tuple[str, ...]]], separator: str
) -> list[Node]:
    """Return the nodes depth-first."""
    nodes: list[Node] = []
    codes: dict[str, str] = {one.code: one.where for one in by_path.values() if one.code is not None}
    waiting = [(path, -1) for path in reversed(below.get((), []))]
    while waiting:
        path, parent = waiting.pop()
        one = by_path.get(path) or Listed("", path)
        code = one.code
        if code is None:
            code = separator.join(path)
            if code in codes:
                raise ConfigError(
                    f"{codes[code]}: the code {quoted(code)} is the path of another node; expected a code that is not"
                )
        waiting.extend((child, len(nodes)) for child in reversed(below.get(path, [])))
        nodes.append(Node(code, path, parent, one.description, one.also))
    return nodes
