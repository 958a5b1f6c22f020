"""Which ranges of a pass are missing: to resume is to list what its folder holds, and to do the rest."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from laud_ray.cluster.deaths import Done
from laud_ray.cluster.workers import Workers
from laud_ray.storage.folder import Folder

T = TypeVar("T")
J = TypeVar("J")


@dataclass(frozen=True, slots=True)
class Missing:
    """The ranges whose output is not committed.

    Attributes:
        sizes: the rows of every range, committed or not.
    """

    names: tuple[str, ...]
    sizes: Mapping[str, int]

    @property
    def total(self) -> int:
        """The rows of all ranges."""
        return sum(self.sizes.values())

    @property
    def done(self) -> int:
        """The rows of those ranges that are committed."""
        return self.total - sum(self.sizes[name] for name in self.names)


def find_missing(sizes: Mapping[str, int], committed: Folder, output: Callable[[str], str] = str) -> Missing:
    """List a folder; return the ranges whose output is not in it.

    Args:
        sizes: the rows of each range.
        output: maps a range's name to that of the file that marks it as done.
    """
    there = committed.names()
    return Missing(tuple(name for name in sizes if output(name) not in there), sizes)


def map_missing(
    missing: Missing, work: Callable[[str, J], T], job: J, workers: Workers, *, what: str = "ranges"
) -> Iterator[tuple[int, Done[T]]]:
    """Do the work of the missing ranges; yield the rows that are done by then, with each result.

    Raises:
        PassError: if the work raises, or no engine works.
        SetAsideError: when all others are done, if some were set aside; `what` is what it calls them.
    """
    from laud_ray.cluster.ranges import map_all_ranges  # with Ray, which a pass that is whole does without

    rows = missing.done
    for result in map_all_ranges(missing.names, work, job, workers, what=what, total=len(missing.sizes)):
        rows += missing.sizes[result.name]
        yield rows, result
