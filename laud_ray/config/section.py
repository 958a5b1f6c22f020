"""What every section of the configuration is, and what a path in it may be."""

import os
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

# A configuration as an earlier version wrote it into a run: its names are those of the run's answers and models.
STORED = {"stored": True}
# What a shell would put something else in the place of.
_VARIABLE, _HOME = re.compile(r"\$(\w+|\{[^}]*\})"), re.compile(r"~[\w.-]*(/|$)")


def literal_path(path: str) -> str:
    """Return a path, as it is: the same configuration means the same place for every user and on every machine.

    Raises:
        ValueError: if it has a variable or a `~` that a shell would expand; nothing is expanded here.
    """
    found = _VARIABLE.search(path) or _HOME.match(path)
    if found is not None:
        kind = "variables are" if found[0].startswith("$") else "`~` is"
        plain = os.path.expanduser(os.path.expandvars(path))
        example = f", such as {plain!r}" if "$" not in plain and not plain.startswith("~") else ""
        raise ValueError(f"{path!r} is not valid, because {kind} not expanded; expected the path itself{example}")
    return path


def _literal_unless_stored(path: str, info: ValidationInfo) -> str:
    return path if info.context == STORED else literal_path(path)


PathText = Annotated[str, Field(min_length=1), AfterValidator(_literal_unless_stored)]


class Section(BaseModel):
    """A part of the configuration: no unknown keys, no conversions, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
