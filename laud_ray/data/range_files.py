"""The files of a corpus's ranges, read side by side: each is small, and in an object store each costs a round trip."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

K = TypeVar("K")
T = TypeVar("T")
READERS = 16


def side_by_side(read: Callable[[K], T], keys: Iterable[K], *, readers: int = READERS) -> Iterator[T]:
    """Yield read(key) for each key, in their order.

    So many are read at once, and no more are held than that: memory does not grow with the number of keys. An error of
    one is raised in its turn, and nothing more is begun then.
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
