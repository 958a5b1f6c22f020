"""What is to be learned, and from which documents."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from laud_ray.config.section import Section
from laud_ray.types import Label, Task

OTHER = "other"


class LabelConfig(Section):
    name: str = Field(min_length=1)
    description: str | None = None
    positive: bool = False


class TaskConfig(Section):
    """What is to be learned.

    In a binary task one label is positive and the rest together are `other`: the positive one is
    marked `positive: true`; without a mark it is the first.
    """

    name: str = Field(min_length=1)
    kind: Literal["binary", "multiclass"] = "multiclass"
    labels: tuple[LabelConfig, ...]

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: tuple[LabelConfig, ...]) -> tuple[LabelConfig, ...]:
        names = [label.name for label in labels]
        if len(names) < 2:
            raise ValueError(f"{len(names)} label(s): expected at least two, in a binary task what the rest may be")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the label {twice[0]!r} stands {names.count(twice[0])} times: expected distinct labels")
        return labels

    @model_validator(mode="after")
    def _one_positive(self) -> "TaskConfig":
        marked = [label.name for label in self.labels if label.positive]
        if self.kind == "multiclass" and marked:
            raise ValueError(f"{marked[0]!r} is marked positive: expected so only when kind is binary")
        if len(marked) > 1:
            raise ValueError(f"{', '.join(map(repr, marked))} are marked positive: expected one")
        return self

    def to_task(self) -> Task:
        labels = tuple(Label(label.name, label.description) for label in self.labels)
        if self.kind == "multiclass":
            return Task(self.name, "multiclass", labels)
        at = next((i for i, label in enumerate(self.labels) if label.positive), 0)
        rest = tuple(label for i, label in enumerate(labels) if i != at)
        return Task(self.name, "binary", (labels[at], Label(OTHER, rest=rest)))


class CorpusConfig(Section):
    """Where the documents are. Texts longer than max_chars are cut there and counted."""

    path: str = Field(min_length=1)
    text: str = Field(min_length=1)
    id: str | None = None
    max_chars: int = Field(default=2000, ge=1)
