"""Random taxonomies for tests, and reference computations that follow the definitions."""

from hypothesis import strategies as st

from laud_ray.taxonomy import SEPARATOR, Node, Taxonomy

Path = tuple[str, ...]
NAMES = ("Tea", "Milk", "tea", "Grüner Tee", "A & B", "5 kg", "x/y", "Other", "a - b", "c : d", "1")


def closed(paths: set[Path]) -> list[Path]:
    """Return the paths and all those above them, depth-first."""
    return sorted({path[:depth] for path in paths for depth in range(1, len(path) + 1)})


def leaves(paths: list[Path]) -> list[Path]:
    """Return those of sorted paths that are above no other."""
    above = {path[:-1] for path in paths}
    return [path for path in paths if path not in above]


def grown(paths: list[Path], codes: dict[Path, str] | None = None, separator: str = SEPARATOR) -> Taxonomy:
    """Return the taxonomy of all its paths, sorted: node i is path i."""
    index = {path: i for i, path in enumerate(paths)}
    names = codes or {path: separator.join(path) for path in paths}
    return Taxonomy(tuple(Node(names[path], path, index.get(path[:-1], -1)) for path in paths), separator)


def every_path(least_leaves: int = 2, deepest: int = 5) -> st.SearchStrategy[list[Path]]:
    """Draw all paths of a tree of uneven depth, sorted."""
    path = st.lists(st.sampled_from(NAMES), min_size=1, max_size=deepest).map(tuple)
    drawn = st.sets(path, min_size=least_leaves, max_size=25).map(closed)
    return drawn.filter(lambda paths: len(leaves(paths)) >= least_leaves)
