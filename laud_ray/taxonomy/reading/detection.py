"""Notice that a column holds paths of a taxonomy, such as "Food > Tea" or "food/tea"."""

import re
from collections.abc import Iterable, Sequence

from laud_ray.taxonomy.path_text import occurs, split_path
from laud_ray.texts import normalise_text

# Longer ones stand before those that they contain.
_CORES = (">>>", ">>", "->", "=>", ">", "»", "›", "→", "::", "||", "|", "/", "\\")
EXAMINED = 5_000
LEAST_PATHS = 4
# The shares below were set on columns of labels, names, dates, addresses, lists and files; see the tests.
LEAST_WITH = 0.8
LEAST_VALID = 0.99
MOST_FIRST = 0.5
LEAST_NAMES = 0.25
MOST_ANYWHERE = 0.25
LEAST_LETTERS = 0.9
LONGEST_NAME = 80
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|www\.|[\w-]+(\.[\w-]+)*\.[a-z]{2,}\s*/", re.IGNORECASE)
_MARKUP = re.compile(r"<[^<>]*>")


def looks_like_paths(values: Iterable[str | None]) -> str | None:
    """Return the separator, if nearly all values are paths of one tree; else None.

    The shape of the values decides: most have the separator, paths share few first names, names are short texts and
    mostly have one place in the tree. So dates, fractions, addresses, lists of labels such as "Drama|Comedy" and
    ordinary texts are not taken for paths. The first 5,000 different values are examined. Whether rows share their
    paths is not looked at: a column with a different path in each row may hold paths of files.

    Example:
        >>> looks_like_paths(["Food > Tea", "Food > Milk", "Tools > Saws", "Tools > Files"])
        ' > '
    """
    distinct = _distinct(values)
    if len(distinct) < LEAST_PATHS:
        return None
    for core in _CORES:
        if _most([core in value for value in distinct]) and (separator := _spaced(distinct, core)) is not None:
            return separator if _is_tree(distinct, separator) else None
    return None


def _distinct(values: Iterable[str | None]) -> list[str]:
    """Return the first different values, normalised, without empty ones."""
    found: dict[str, None] = {}
    for value in values:
        if value and (plain := normalise_text(value)):
            found[plain] = None
        if len(found) == EXAMINED:
            break
    return list(found)


def _spaced(values: Sequence[str], core: str) -> str | None:
    """Return the separator as it is written: with spaces where nearly all values with it have them."""
    spellings = (f" {core} ", core)
    return next((one for one in spellings if _most([occurs(value, one) for value in values])), None)


def _most(found: Sequence[bool]) -> bool:
    return sum(found) >= LEAST_WITH * len(found)


def _path(value: str, separator: str) -> tuple[str, ...] | None:
    try:
        return split_path(value, separator)
    except ValueError:
        return None


def _is_tree(values: Sequence[str], separator: str) -> bool:
    if not _most([_ADDRESS.match(value) is None and _MARKUP.search(value) is None for value in values]):
        return False
    paths = {path for value in values if (path := _path(value, separator)) is not None}
    if len(paths) < LEAST_VALID * len(values):
        return False
    nodes = {path[:depth] for path in paths for depth in range(1, len(path) + 1)}
    names = {path[-1] for path in nodes}
    first = {path[0] for path in paths}
    deeper = {path[-1] for path in nodes if len(path) > 1}
    lettered = sum(any(one.isalpha() for one in name) for name in names)
    return (
        len(first) <= MOST_FIRST * len(paths)
        # One node with all others directly below it is no tree.
        and len({path[:-1] for path in nodes if len(path) > 1}) > 1
        and len(names) >= LEAST_NAMES * len(nodes)
        and len(first & deeper) <= MOST_ANYWHERE * len(first)
        and lettered >= LEAST_LETTERS * len(names)
        and sorted(map(len, names))[len(names) // 2] <= LONGEST_NAME
    )
