"""Score texts, and decide after a failure whether a text or the engine caused it. Pure NumPy. n items, k classes.

A text is the cause only if it fails alone and fails again, while the engine scores another text before and after it.
Every other failure counts as one of the engine and raises EngineError: the worker's process ends without committing
anything, and the range is retried in another worker. The number of calls to a dead engine depends neither on the number
of texts nor on that of ranges.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Generic, TypeVar

import numpy as np

from laud_ray.errors import EngineError
from laud_ray.printable import printable
from laud_ray.types import Floats, Scorer

CHUNK = 4096  # items in one call
LARGEST = 1 << 23  # probabilities in one call: 32 MB, which are read again and again, from a cache where they fit
# How often an item may fail alone and then not fail in the same way again; beyond it, the engine counts as broken.
MOST_RECOVERIES = 3
LONGEST = 300  # characters of a reason
# Exception types are matched by name, because this module imports neither PyTorch nor vLLM.
_DEAD = {"EngineDeadError", "AcceleratorError"}
_DEAD_WORDS = re.compile(
    r"cuda error|cublas_status|cudnn_status|nccl error|hip error|device-side assert|illegal memory access|"
    r"engine ?core|background loop has errored|after shutdown",
    re.IGNORECASE,
)
_FULL_WORDS = re.compile(r"out of memory|failed to allocate|alloc_failed|bad_alloc", re.IGNORECASE)
# What is scored after a text has failed alone: the same text (True), or another text that was scored before (False).
# The sequence is not periodic, so that an engine which fails every second or third call is not mistaken for a bad text.
_PROOF = (False, True, True, False, False)

Item = TypeVar("Item")  # a text, or the token ids of one


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, so that a smaller batch may succeed."""
    return any(
        isinstance(one, MemoryError) or _is_named(one, {"OutOfMemoryError"}) or _says(one, _FULL_WORDS)
        for one in _causes(error)
    )


def is_of_engine(error: BaseException) -> bool:
    """Whether an error by itself shows that the engine has stopped, independent of the text.

    Example:
        >>> is_of_engine(RuntimeError("CUDA error: device-side assert triggered")), is_of_engine(ValueError("too long"))
        (True, False)
    """
    return is_out_of_memory(error) or any(
        isinstance(one, EngineError | OSError | EOFError | CancelledError)
        or _is_named(one, _DEAD)
        or _says(one, _DEAD_WORDS)
        for one in _causes(error)
    )


def reason(error: BaseException) -> str:
    """Return an error in one line that begins with its type, such as "ValueError: too long"."""
    if isinstance(error, EngineError):  # its message begins with the type of the original error already
        return str(error)
    said = printable(" ".join(str(error).split()))
    said = said if len(said) <= LONGEST else f"{said[:LONGEST]}..."
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


@contextmanager
def engine_errors() -> Iterator[None]:
    """Raise EngineError in place of an error that shows that the engine has stopped; other errors pass unchanged."""
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        if is_of_engine(error):
            raise EngineError(reason(error)) from error
        raise


def sums_to_one(scorer: Scorer) -> bool:
    """Whether the rows of a scorer's probabilities sum to 1; those of a `MultilabelScorer` need not."""
    return getattr(scorer, "thresholds", None) is None


def checked(proba: Floats, n: int, k: int, *, sums: bool = True) -> Floats:
    """Return a scorer's result for n items after checking that it is an (n, k) array of probabilities.

    Args:
        proba: the result.
        n: the number of items.
        k: the number of classes.
        sums: whether its rows have to sum to 1; else each of its values has to be at most 1.

    Raises:
        ArithmeticError: if it has another shape, or a row is not finite, is negative, or does not sum to 1.
    """
    found = np.asarray(proba)
    if found.shape != (n, k):
        raise ArithmeticError(f"the scorer returned an array of shape {found.shape}; expected {(n, k)}")
    with np.errstate(all="ignore"):
        total = found.sum(1, dtype=np.float32)  # not finite if one of the probabilities is not
    if not np.isfinite(total).all():
        raise FloatingPointError("the probabilities are not finite")
    if not n:
        return found
    if not sums and (float(found.min()) < -1e-3 or float(found.max()) > 1 + 1e-3):
        raise ArithmeticError("the probabilities of a text are not between 0 and 1")
    if sums and (float(found.min()) < -1e-3 or float(np.abs(total - 1).max()) > 1e-2):
        raise ArithmeticError("the probabilities of a text do not sum to 1")
    return found


def chunk(k: int, most: int) -> int:
    """Return how many texts of k classes are scored at once: `most`, or fewer where there are many classes."""
    return max(1, min(most, LARGEST // k))


class Scoring(Generic[Item]):
    """Scores items in batches; when a batch fails, finds the items that cause it by bisection.

    Attributes:
        proba: (n, k) probabilities; rows of items that cannot be scored are zero. Empty if they go elsewhere.
        failures: index of each item that cannot be scored -> the reason.
        scored: an item that was scored successfully; None before the first one.
    """

    def __init__(
        self,
        score: Callable[[Sequence[Item]], Floats],
        items: Sequence[Item],
        k: int,
        *,
        known: Sequence[Item],
        probe: Callable[[Sequence[Item]], Floats] | None = None,
        keep: Callable[[int, Floats], None] | None = None,
        sums: bool = True,
    ) -> None:
        """Prepare to score; `run` does it.

        Args:
            score: maps items to (n, k) probabilities.
            items: the n items.
            k: the number of classes.
            known: items that a working engine can score, such as the names of labels; used to test the engine.
            probe: used in place of `score` to test the engine, if `score` does not always reach it.
            keep: takes the place of the first item and the probabilities of each batch, which are then not kept here;
                None keeps them in `proba`.
            sums: whether rows have to sum to 1; see `checked`.
        """
        self._score, self._items, self._k, self._sums = score, items, k, sums
        self._known, self._probe = known, probe or score
        self._size, self._recoveries, self._proven = chunk(k, CHUNK), 0, set[str]()
        self.proba: Floats = np.zeros((0 if keep else len(items), k), np.float32)
        self._keep = keep or self._put
        self.failures: dict[int, str] = {}
        self.scored: Item | None = None

    def run(self) -> None:
        """Score all items.

        Raises:
            EngineError: if the engine is the cause of a failure; the message is its last error.
        """
        start = 0
        while start < len(self._items):
            end = min(start + self._size, len(self._items))
            error = self._try(start, end)
            if error is not None:
                self._require_alive()
                self._find(start, end, error)
            start = end

    def _find(self, start: int, end: int, error: Exception) -> int:
        """Find the bad items in a batch that failed with this error; return how many there are."""
        if end - start == 1:
            return self._prove(start, error)
        middle, found = (start + end) // 2, 0
        for part in ((start, middle), (middle, end)):
            failed = self._try(*part)
            if failed is not None:
                found += self._find(*part, failed)
        if not found:  # the batch was too large, or the engine failed only once
            self._size = min(self._size, end - middle)
        return found

    def _prove(self, place: int, error: Exception) -> int:
        """Decide whether an item that failed alone is bad; return 1 if it is, and 0 if it was scored after all."""
        kind = _kind(error)
        # If an item was found bad with the same kind of error before, a shorter proof is enough.
        for again in _PROOF if kind not in self._proven else _PROOF[:2]:
            if again:
                failed = self._try(place, place + 1)
                if failed is not None and _kind(failed) == kind:
                    continue
            elif self._require_alive():
                continue
            else:
                failed = self._try(place, place + 1)
            self._count_recovery(error)
            return 0 if failed is None else self._prove(place, failed)
        self._proven.add(kind)
        self.failures[place] = reason(error)
        return 1

    def _count_recovery(self, error: Exception) -> None:
        self._recoveries += 1
        if self._recoveries > MOST_RECOVERIES:
            raise EngineError(
                f"the engine repeatedly fails on texts that it scores on retry: {reason(error)}"
            ) from error

    def _try(self, start: int, end: int) -> Exception | None:
        """Score a batch; return its error if it failed, else None.

        Raises:
            EngineError: if the error shows that the engine has stopped. If memory ran out, this is so only for a batch
                of one item, since a smaller batch may succeed.
        """
        try:
            found = checked(self._score(self._items[start:end]), end - start, self._k, sums=self._sums)
        except Exception as error:
            if is_of_engine(error) and not (is_out_of_memory(error) and end - start > 1):
                raise EngineError(reason(error)) from error
            return error.with_traceback(None)  # the traceback would keep the batch in memory
        self._keep(start, found)
        self.scored = self._items[start]
        return None

    def _put(self, start: int, found: Floats) -> None:
        self.proba[start : start + len(found)] = found

    def _require_alive(self) -> bool:
        """Test the engine with an item that it scored before, or with known items; return whether the first try worked.

        Raises:
            EngineError: if it can score none of them.
        """
        failed: Exception | None = None
        for item in self._known if self.scored is None else [self.scored] * 2:
            try:
                checked(self._probe([item]), 1, self._k, sums=self._sums)
            except Exception as error:  # noqa: BLE001 - any exception means that the engine did not score the item
                failed = error.with_traceback(None)
            else:
                self.scored = item
                return failed is None
        assert failed is not None, "there is no item to test the engine with"
        raise EngineError(reason(failed)) from failed


def _kind(error: Exception) -> str:
    """Return the reason with all numbers replaced by 0, so that errors of the same kind compare equal."""
    return re.sub(r"\d+", "0", reason(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes (`__cause__`), at most 10."""
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__


def _is_named(error: BaseException, names: set[str]) -> bool:
    return any(kind.__name__ in names for kind in type(error).__mro__)


def _says(error: BaseException, words: re.Pattern[str]) -> bool:
    """Whether an error's message matches; never for types whose message may quote the user's text."""
    quotes = ValueError | TypeError | LookupError | ArithmeticError | AssertionError
    return not isinstance(error, quotes) and words.search(str(error)) is not None
