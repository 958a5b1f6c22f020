"""The taxonomy of a task: a tree that is read, or a reference to one that is not read yet."""

from dataclasses import dataclass, field
from typing import Any

from laud_ray.errors import ConfigError
from laud_ray.taxonomy import Taxonomy
from laud_ray.taxonomy.task import FILE, digest, task_of
from laud_ray.types import Task


@dataclass(frozen=True)
class TaskTree:
    """A taxonomy in a configuration. Two are equal if they have the same nodes and come from the same column.

    Attributes:
        column: the column of the corpus whose paths are the nodes; None if they are from a file or a list.
        digest: a hash of the nodes; None until the column is read.
        taxonomy: None until it is read: from the corpus, or from the run's folder.
    """

    column: str | None = None
    digest: str | None = None
    taxonomy: Taxonomy | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, taxonomy: Taxonomy, column: str | None = None) -> "TaskTree":
        """Return a tree that is read."""
        return cls(column, digest(taxonomy), taxonomy)

    def read(self) -> Taxonomy:
        """Return the taxonomy.

        Raises:
            ConfigError: if it is not read yet.
        """
        if self.taxonomy is None:
            raise ConfigError(
                f"task.labels: the paths in the column {self.column!r} are not read yet; expected a configuration of "
                "`laud_ray.store.run.configured`"
                if self.digest is None
                else f"task.labels: {FILE} is missing or is another one; expected the file in the folder of the run"
            )
        return self.taxonomy

    def task(self, name: str, *, inner: bool) -> Task:
        """Return the task with the leaves as labels, always the same object for the same arguments."""
        made: dict[tuple[str, bool], Task] = self.__dict__.setdefault("_made", {})
        if (name, inner) not in made:
            made[name, inner] = task_of(name, self.read(), inner=inner)
        return made[name, inner]

    def dump(self) -> dict[str, Any]:
        """Return what stands for the tree in YAML: the column, or the file in the run's folder and its hash."""
        column = {} if self.column is None else {"column": self.column}
        return column if self.digest is None else {"path": FILE, "sha256": self.digest, **column}
