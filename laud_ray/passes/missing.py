"""Find the ranges of a pass that are missing, and do them. A pass resumes by listing the files in its folder."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from laud_ray.cluster.retry_limits import Done
from laud_ray.cluster.workers import Workers
from laud_ray.models.language.warm import make_room
from laud_ray.storage.folder import Folder

T = TypeVar("T")
J = TypeVar("J")


@dataclass(frozen=True, slots=True)
class Missing:
    """The ranges whose output is not committed.

    Attributes:
        names: these ranges.
        sizes: number of rows of every range, committed or not.
    """

    names: tuple[str, ...]
    sizes: Mapping[str, int]

    @property
    def total(self) -> int:
        """Number of rows in all ranges."""
        return sum(self.sizes.values())

    @property
    def done(self) -> int:
        """Number of rows in committed ranges."""
        return self.total - sum(self.sizes[name] for name in self.names)


def find_missing(sizes: Mapping[str, int], committed: Folder, output: Callable[[str], str] = str) -> Missing:
    """Return the ranges whose output is not in a folder.

    Args:
        sizes: number of rows of each range.
        committed: the folder of the output.
        output: maps the name of a range to the name of the file that marks it as done.
    """
    found = committed.names()
    return Missing(tuple(name for name in sizes if output(name) not in found), sizes)


def map_missing(
    missing: Missing, work: Callable[[str, J], T], job: J, workers: Workers, *, what: str = "ranges"
) -> Iterator[tuple[int, Done[T]]]:
    """Call work(name, job) for each missing range; yield the number of rows done so far with each result.

    Raises:
        PassError: if the work raises, or no engine works.
        SetAsideError: if ranges were set aside, after all others are done; its message calls them `what`.
    """
    from laud_ray.cluster.ranges import map_all_ranges  # imports Ray, which a finished pass does not need

    make_room(workers, len(missing.names))
    rows = missing.done
    for result in map_all_ranges(missing.names, work, job, workers, what=what, total=len(missing.sizes)):
        rows += missing.sizes[result.name]
        yield rows, result
