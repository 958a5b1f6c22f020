"""What the description of every model with an encoder says of it."""

from typing import Any, Protocol

from laud_ray.types import Task


class Described(Protocol):
    """The settings of a learner that its models keep."""

    @property
    def model(self) -> str: ...
    @property
    def template(self) -> str: ...
    @property
    def max_tokens(self) -> int: ...


def description_with(kind: str, learner: Described, task: Task) -> dict[str, Any]:
    """Return the first keys of model.json; those of the head follow."""
    return {
        "kind": kind,
        "base": learner.model,
        "template": learner.template,
        "max_tokens": learner.max_tokens,
        "labels": list(task.names),
    }
