"""The files of ranges: many are read concurrently, because each costs a round trip in an object store."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import numpy as np

K = TypeVar("K")
T = TypeVar("T")
READERS = 16


def side_by_side(read: Callable[[K], T], keys: Iterable[K], *, readers: int = READERS) -> Iterator[T]:
    """Yield read(key) for each key, in the order of the keys.

    At most `readers` results are read ahead, so memory does not grow with the number of keys. An error is raised when
    its key's turn comes; no further reads are started after that.
    """
    keys = iter(keys)
    with ThreadPoolExecutor(readers) as pool:
        begun: deque[Future[T]] = deque(pool.submit(read, key) for key in islice(keys, readers))
        try:
            while begun:
                found = begun.popleft().result()
                begun.extend(pool.submit(read, key) for key in islice(keys, 1))
                yield found
        finally:
            for one in begun:
                one.cancel()


def random_of(name: str, seed: Sequence[int]) -> np.random.Generator:
    """Return the random numbers of a range, which depend on the digits of its name and on the seed alone."""
    return np.random.default_rng([*seed, *(int(c) for c in name if c.isdigit())])
