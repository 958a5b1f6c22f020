"""The base of all sections of the configuration, and the paths in them."""

import os
import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from laud_ray.config.labels.tree import TaskTree

# Variables and home folders, which a shell would expand.
_VARIABLE, _HOME = re.compile(r"\$(\w+|\{[^}]*\})"), re.compile(r"~[\w.-]*(/|$)")


@dataclass(frozen=True, slots=True)
class Context:
    """What is known about a configuration beside its YAML.

    Attributes:
        stored: whether it is the one in the folder of a run. An earlier version may have written it, with label names
            and paths that are refused today but are those of the run.
        tree: the labels of a task of kind taxonomy.
        multilabel: whether the task is of kind multilabel.
    """

    stored: bool = False
    tree: TaskTree | None = None
    multilabel: bool = False


def is_stored(info: ValidationInfo) -> bool:
    """Return whether the configuration is the one in the folder of a run."""
    return isinstance(info.context, Context) and info.context.stored


def is_multilabel(info: ValidationInfo) -> bool:
    """Return whether the task is known to be multilabel while another section is read."""
    return isinstance(info.context, Context) and info.context.multilabel


def literal_path(path: str) -> str:
    """Return a path unchanged, so that a configuration means the same place for every user and on every machine.

    Raises:
        ValueError: if the path has a variable or a `~`, which a shell would expand. Nothing is expanded here.
    """
    found = _VARIABLE.search(path) or _HOME.match(path)
    if found is not None:
        kind = "variables are" if found[0].startswith("$") else "`~` is"
        plain = os.path.expanduser(os.path.expandvars(path))
        example = f", such as {plain!r}" if "$" not in plain and not plain.startswith("~") else ""
        raise ValueError(f"{path!r} is not valid, because {kind} not expanded; expected the path itself{example}")
    return path


def _literal_unless_stored(path: str, info: ValidationInfo) -> str:
    return path if is_stored(info) else literal_path(path)


PathText = Annotated[str, Field(min_length=1), AfterValidator(_literal_unless_stored)]


class Section(BaseModel):
    """A section of the configuration. It refuses unknown keys, converts no types and cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
