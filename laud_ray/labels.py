"""The labels in a column of somebody's, against those of a task."""

from collections.abc import Iterable

from laud_ray.errors import CorpusError
from laud_ray.types import Task


def known_labels(task: Task) -> set[str]:
    """The names of a task's labels, and of those that one of them stands for."""
    return {label.name for one in task.labels for label in (one, *one.rest)}


def no_known_label(task: Task, where: str, column: str, found: Iterable[object]) -> CorpusError:
    """The one line for a column that holds none of them."""
    some = ", ".join(repr(value) for value in sorted(map(str, found))[:3])
    return CorpusError(
        f"{where}: the column {column!r} holds {some}, ...; expected the labels of the task, such as {task.names[0]!r}"
    )
