"""Do the parts of a normalisation in this process, or on the cluster's workers: with the same results and errors."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from laud_ray.errors import CorpusError

J = TypeVar("J")
T = TypeVar("T")


class Mapped(Protocol):
    """Does the work of each name; returns the results under the names."""

    def __call__(self, names: Sequence[str], work: Callable[[str, J], T], job: J) -> dict[str, T]: ...


def here(names: Sequence[str], work: Callable[[str, J], T], job: J) -> dict[str, T]:
    """Do the work of each name in this process."""
    return {name: work(name, job) for name in names}


def over_cluster(names: Sequence[str], work: Callable[[str, J], T], job: J) -> dict[str, T]:
    """Do the work of each name on the cluster's workers.

    Raises:
        CorpusError: that of the first name that has one, as if the work were done in turn.
        SetAsideError: if some were set aside, since their workers died again and again.
    """
    from laud_ray.cluster.connect import connect  # here and not before: a small source needs no Ray
    from laud_ray.cluster.ranges import Workers, map_all_ranges

    connect()
    done = map_all_ranges(names, _caught, (work, job), Workers(), what="parts of the corpus", committed=False)
    return in_turn(names, ((result.name, result.value) for result in done))


def in_turn(names: Sequence[str], results: Iterable[tuple[str, T | CorpusError]]) -> dict[str, T]:
    """Collect results by name.

    Raises:
        CorpusError: that of the first name that has one, as soon as all names before it are done.
    """
    found: dict[str, T] = {}
    refused: dict[int, CorpusError] = {}
    for done, result in results:
        if isinstance(result, CorpusError):
            refused[names.index(done)] = result
        else:
            found[done] = result
        if refused and all(name in found for name in names[: min(refused)]):
            raise refused[min(refused)]
    return found


def _caught(name: str, job: tuple[Callable[[str, J], T], J]) -> T | CorpusError:
    """In the worker: do the work. An error of the data is returned, since a name before may have one too."""
    try:
        return job[0](name, job[1])
    except CorpusError as error:
        return error
