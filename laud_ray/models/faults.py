"""Whether one text or the engine that scores it is at fault when scoring fails. Pure NumPy. n items, k classes.

A text is at fault only if it fails alone, and again, while the engine scores another text before and after it. In
every other case the engine is at fault: EngineError, upon which the worker's process ends, commits nothing, and the
range is tried elsewhere. How often a dead engine is called depends on neither the number of texts nor of ranges.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Generic, TypeVar

import numpy as np

from laud_ray.errors import EngineError
from laud_ray.printable import printable
from laud_ray.types import Floats

CHUNK = 4096  # items in one call
HICCUPS = 3  # texts that failed alone, and not in the same way when tried again, before the engine counts as broken
LONGEST = 300  # characters of a reason
# Types by their names: this module must import neither PyTorch nor vLLM.
_DEAD = {"EngineDeadError", "AcceleratorError"}
_DEAD_WORDS = re.compile(
    r"cuda error|cublas_status|cudnn_status|nccl error|hip error|device-side assert|illegal memory access|"
    r"engine ?core|background loop has errored|after shutdown",
    re.IGNORECASE,
)
_FULL_WORDS = re.compile(r"out of memory|failed to allocate|alloc_failed|bad_alloc", re.IGNORECASE)
# What is tried when a text has failed alone: the text again (True), or another one that was scored (False). The
# order repeats no shorter pattern, so an engine that fails every second or third call does not pass for a bad text.
_PROOF = (False, True, True, False, False)

Item = TypeVar("Item")  # a text, or the token ids of one


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: a smaller batch may do."""
    return any(
        isinstance(one, MemoryError) or _is_named(one, {"OutOfMemoryError"}) or _says(one, _FULL_WORDS)
        for one in _causes(error)
    )


def is_of_engine(error: BaseException) -> bool:
    """Whether an error alone shows that an engine has ended, whatever text it was given.

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
    """An error in one line, with its type."""
    if isinstance(error, EngineError):  # has the type of what it was raised for
        return str(error)
    said = printable(" ".join(str(error).split()))
    said = said if len(said) <= LONGEST else f"{said[:LONGEST]}..."
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


@contextmanager
def engine_errors() -> Iterator[None]:
    """Turn what shows that an engine has ended into EngineError; any other error stays as it is."""
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        if is_of_engine(error):
            raise EngineError(reason(error)) from error
        raise


def checked(proba: Floats, n: int, k: int) -> Floats:
    """Return what a scorer gave for n items if it is (n, k) probabilities.

    Raises:
        ArithmeticError: if it is not.
    """
    found = np.asarray(proba)
    if found.shape != (n, k):
        raise ArithmeticError(f"the scorer gave an array of shape {found.shape}; expected {(n, k)}")
    if not np.isfinite(found).all():
        raise FloatingPointError("the probabilities are not finite")
    if n and (float(found.min()) < -1e-3 or float(np.abs(found.sum(1, dtype=np.float32) - 1).max()) > 1e-2):
        raise ArithmeticError("the probabilities of a text do not sum to 1")
    return found


class Scoring(Generic[Item]):
    """Scores items in batches, and finds those that are at fault when a batch fails.

    Attributes:
        proba: (n, k) probabilities; rows of items that cannot be scored are zero.
        failures: the reason for each item that cannot be scored, by its place.
        scored: an item that was scored; None before there is one.
    """

    def __init__(
        self,
        score: Callable[[Sequence[Item]], Floats],
        items: Sequence[Item],
        k: int,
        *,
        known: Sequence[Item],
        probe: Callable[[Sequence[Item]], Floats] | None = None,
    ) -> None:
        """Make one.

        Args:
            known: items that the engine has scored before, or that any engine scores, such as the names of labels.
            probe: like `score`, where that need not reach the engine for every item.
        """
        self._score, self._items, self._k = score, items, k
        self._known, self._probe = known, probe or score
        self._size, self._hiccups, self._proven = CHUNK, 0, set[str]()
        self.proba: Floats = np.zeros((len(items), k), np.float32)
        self.failures: dict[int, str] = {}
        self.scored: Item | None = None

    def run(self) -> None:
        """Score all items.

        Raises:
            EngineError: if the engine is at fault; the message is its last error.
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
        """Find the items at fault in a batch that failed; return how many there are."""
        if end - start == 1:
            return self._prove(start, error)
        middle, found = (start + end) // 2, 0
        for part in ((start, middle), (middle, end)):
            failed = self._try(*part)
            if failed is not None:
                found += self._find(*part, failed)
        if not found:  # it was too large, or the engine failed once
            self._size = min(self._size, end - middle)
        return found

    def _prove(self, place: int, error: Exception) -> int:
        """Find out whether an item that failed alone is at fault; return 1 if it is, and 0 if it was scored."""
        kind = _kind(error)
        # Of a kind that was proven before, less will do.
        for again in _PROOF if kind not in self._proven else _PROOF[:2]:
            if again:
                failed = self._try(place, place + 1)
                if failed is not None and _kind(failed) == kind:
                    continue
            elif self._require_alive():
                continue
            else:
                failed = self._try(place, place + 1)
            self._count_hiccup(error)
            return 0 if failed is None else self._prove(place, failed)
        self._proven.add(kind)
        self.failures[place] = reason(error)
        return 1

    def _count_hiccup(self, error: Exception) -> None:
        self._hiccups += 1
        if self._hiccups > HICCUPS:
            raise EngineError(f"fails on texts that it scores when asked again: {reason(error)}") from error

    def _try(self, start: int, end: int) -> Exception | None:
        """Score a batch; return its error if it failed.

        Raises:
            EngineError: if the error shows that the engine has ended. Where memory ran out, a smaller batch may do.
        """
        try:
            self.proba[start:end] = checked(self._score(self._items[start:end]), end - start, self._k)
        except Exception as error:
            if is_of_engine(error) and not (is_out_of_memory(error) and end - start > 1):
                raise EngineError(reason(error)) from error
            return error.with_traceback(None)  # which would keep the batch, and the memory that ran out
        self.scored = self._items[start]
        return None

    def _require_alive(self) -> bool:
        """Have the engine score what it has scored before, or any engine does; return whether it did at once.

        Raises:
            EngineError: if it scores nothing.
        """
        failed: Exception | None = None
        for item in self._known if self.scored is None else [self.scored] * 2:
            try:
                checked(self._probe([item]), 1, self._k)
            except Exception as error:  # noqa: BLE001 - the worker's edge: whatever it is, the engine did not score
                failed = error.with_traceback(None)
            else:
                self.scored = item
                return failed is None
        assert failed is not None, "an engine without a text to try it with"
        raise EngineError(reason(failed)) from failed


def _kind(error: Exception) -> str:
    """What errors of the same sort have in common: all but their numbers."""
    return re.sub(r"\d+", "0", reason(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it was raised for."""
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__


def _is_named(error: BaseException, names: set[str]) -> bool:
    return any(kind.__name__ in names for kind in type(error).__mro__)


def _says(error: BaseException, words: re.Pattern[str]) -> bool:
    """Whether a message has the words, unless it is of a kind that quotes the text it was raised for."""
    quotes = ValueError | TypeError | LookupError | ArithmeticError | AssertionError
    return not isinstance(error, quotes) and words.search(str(error)) is not None
