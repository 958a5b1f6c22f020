"""Run the parts of a normalisation in this process or on the cluster's workers, with the same results and errors."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from laud_ray.errors import CorpusError

J = TypeVar("J")
T = TypeVar("T")


class Mapped(Protocol):
    """Calls work(name, job) for each name, and returns the results by name."""

    def __call__(self, names: Sequence[str], work: Callable[[str, J], T], job: J) -> dict[str, T]: ...


def here(names: Sequence[str], work: Callable[[str, J], T], job: J) -> dict[str, T]:
    """Call work(name, job) for each name in this process."""
    return {name: work(name, job) for name in names}


def over_cluster(names: Sequence[str], work: Callable[[str, J], T], job: J) -> dict[str, T]:
    """Call work(name, job) for each name on the cluster's workers.

    Raises:
        CorpusError: the error of the first name that has one, as if the names were done one after the other.
        SetAsideError: if some were set aside because their workers died repeatedly.
    """
    from laud_ray.cluster.connect import connect  # not at the top: a small source needs no Ray
    from laud_ray.cluster.ranges import Workers, map_all_ranges

    connect()
    done = map_all_ranges(names, _caught, (work, job), Workers(), what="parts of the corpus", committed=False)
    return in_turn(names, ((result.name, result.value) for result in done))


def in_turn(names: Sequence[str], results: Iterable[tuple[str, T | CorpusError]]) -> dict[str, T]:
    """Collect results by name.

    Raises:
        CorpusError: the error of the first name that has one, as soon as all names before it are done.
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
    """Do the work, in the worker. A CorpusError is returned, not raised, as an earlier name may have one too."""
    try:
        return job[0](name, job[1])
    except CorpusError as error:
        return error
