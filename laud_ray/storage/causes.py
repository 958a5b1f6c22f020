"""Find the root cause of an error, which may be in a group, be wrapped, or have a library's own wording."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from laud_ray.errors import LaudError, UserError

_FULL = {errno.ENOSPC: os.strerror(errno.ENOSPC), errno.EDQUOT: os.strerror(errno.EDQUOT)}
# The messages of SQLite, PostgreSQL and libraries that write files themselves.
_FULL_WORDS = ("database or disk is full", "could not extend file", *_FULL.values())


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all errors behind it: members of a group, the chain of `raise from`, a driver's own error."""
    todo, seen = [error], set[int]()
    while todo:
        one = todo.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        below = [*one.exceptions] if isinstance(one, BaseExceptionGroup) else []
        below += [getattr(one, "orig", None), getattr(one, "cause", None), one.__cause__, one.__context__]
        todo += [each for each in below if isinstance(each, BaseException)]


@dataclass(frozen=True, slots=True)
class FullDisk:
    """A full disk.

    Attributes:
        filename: the file that did not fit; None if unknown.
        words: the message of the system or library that reported it.
    """

    filename: str | None
    words: str

    def __str__(self) -> str:
        return f"{self.filename}: {self.words}" if self.filename else self.words


def full_disk(error: BaseException) -> FullDisk | None:
    """Return the full disk that caused an error; None if the cause is another one.

    Example:
        str(full_disk(ExceptionGroup("", [OSError(28, "No space left on device", "run/laud.db")]))) is
        "run/laud.db: No space left on device".
    """
    found = list(causes(error))
    for one in found:
        if isinstance(one, OSError) and one.errno in _FULL:
            return FullDisk(None if one.filename is None else str(one.filename), _FULL[one.errno])
    # SQLAlchemy's wrapper, which has `orig`, repeats the whole statement; the driver's own error does not.
    lines = (line.strip() for one in found if not hasattr(one, "orig") for line in str(one).splitlines())
    words = next((line for line in lines if any(words in line for words in _FULL_WORDS)), None)
    return None if words is None else FullDisk(None, words)


def most_telling(errors: BaseExceptionGroup[BaseException] | list[Exception]) -> BaseException:
    """Return the error to report out of several: a full disk first, then a UserError, then any other LaudError.

    The other errors are mostly consequences of it.
    """
    listed = list(errors.exceptions) if isinstance(errors, BaseExceptionGroup) else errors
    flat = [each for one in listed for each in _members(one)]
    return min(flat, key=lambda one: (full_disk(one) is None, not isinstance(one, UserError), _is_foreign(one)))


@contextmanager
def naming_full_disk(folder: str) -> Iterator[None]:
    """Turn any error that is caused by a full disk into an OSError that names the file, or `folder` if unknown.

    Raises:
        OSError: with errno ENOSPC.
    """
    try:
        yield
    except LaudError:  # its message is already complete
        raise
    except Exception as error:
        if (full := full_disk(error)) is None:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), full.filename or folder) from error


def _members(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _members(one)
    else:
        yield error


def _is_foreign(error: BaseException) -> bool:
    return not isinstance(error, LaudError)
