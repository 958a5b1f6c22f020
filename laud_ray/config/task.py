"""The task, its labels, and the corpus."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import (
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from laud_ray.config.labels.tree import TaskTree
from laud_ray.config.section import Context, PathText, Section, is_stored
from laud_ray.labels import fold, read_name
from laud_ray.printable import quoted
from laud_ray.storage import text_reading as reading
from laud_ray.storage.text_reading import Reading
from laud_ray.types import Label, Task

OTHER, TAXONOMY, MULTILABEL = "other", "taxonomy", "multilabel"
# Databases that a corpus may come from: those whose drivers are installed with laud_ray.
DATABASES = {
    "postgresql": "postgresql://USER@HOST/DATABASE",
    "postgres": "postgres://USER@HOST/DATABASE",
    "sqlite": "sqlite:///FILE",
}
QUERY = "SELECT id, text FROM names"


class LabelConfig(Section):
    """A class.

    Attributes:
        positive: whether it is the positive class of a binary task.
        also: other spellings of the name, such as those of an older data set. They mean the same label.
    """

    name: str = Field(min_length=1)
    description: str | None = None
    positive: bool = False
    also: tuple[str, ...] = ()

    @field_validator("name")
    @classmethod
    def _readable(cls, name: str, info: ValidationInfo) -> str:
        return name if is_stored(info) else read_name(name)

    @field_validator("also")
    @classmethod
    def _all_readable(cls, also: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return also if is_stored(info) else tuple(dict.fromkeys(map(read_name, also)))

    @property
    def spellings(self) -> tuple[str, ...]:
        """The name, followed by its other spellings."""
        return tuple(dict.fromkeys([self.name, *self.also]))

    def to_label(self) -> Label:
        return Label(self.name, self.description, also=self.spellings[1:])


class TaskConfig(Section):
    """The classification task.

    In a binary task one label is the positive class, and all others together are the class `other`. The positive
    label is the one with `positive: true`, or the first one if none has it.

    Attributes:
        labels: the classes; empty for a taxonomy, whose classes are the leaves of `tree`.
        separator: between the names of a path of a taxonomy; between the labels of a text, in a multilabel task whose
            data have no lists. None for a task of another kind.
        answers: whether a document's right answer is always a leaf, or any node; None for a task of another kind than
            taxonomy.
        wording: how a leaf is put into words for a learner's encoder: by its name, its name and its parent's, or all
            names of its path; or `auto`, as fits the answers of the evaluation sample best. None as for `answers`.
        at_most: the most labels of a document of a multilabel task; None for no limit, and for tasks of other kinds.
        exclusive: groups of labels of which at most one applies to a document of a multilabel task.
    """

    name: str = Field(min_length=1)
    kind: Literal["binary", "multiclass", "taxonomy", "multilabel"] = "multiclass"
    labels: tuple[LabelConfig, ...]
    separator: str | None = Field(default=None, min_length=1)
    answers: Literal["leaf", "any"] | None = None
    wording: Literal["auto", "leaf", "parent", "path"] | None = None
    at_most: int | None = Field(default=None, ge=1)
    exclusive: tuple[tuple[str, ...], ...] = ()
    _tree: TaskTree | None = PrivateAttr(None)

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: tuple[LabelConfig, ...], info: ValidationInfo) -> tuple[LabelConfig, ...]:
        if info.data.get("kind") == TAXONOMY and not labels:
            return labels
        if len(labels) < 2:
            raise ValueError(
                f"has {len(labels)} label(s); expected at least two (in a binary task: the positive one, and one for "
                "the rest)"
            )
        twice, times = Counter(label.name for label in labels).most_common(1)[0]
        if times > 1:
            raise ValueError(f"the label {quoted(twice)} stands {times} times; expected distinct labels")
        for spelling, first, second in _shared(labels):
            raise ValueError(
                f"{quoted(spelling)} is a spelling of {quoted(first)} and of {quoted(second)}; "
                "expected it under one label"
            )
        return labels

    @model_validator(mode="after")
    def _of_a_tree(self, info: ValidationInfo) -> "TaskConfig":
        if self.kind != MULTILABEL:
            for key in ("at_most", "exclusive"):
                if value := getattr(self, key):
                    raise ValueError(f"{key}: {value} is not valid; expected it only with kind: multilabel")
        if self.kind != TAXONOMY:
            kept = ("separator",) if self.kind == MULTILABEL else ()
            for key in ("separator", "answers", "wording"):
                if key not in kept and (value := getattr(self, key)) is not None:
                    raise ValueError(f"{key}: {quoted(value)} is not valid; expected it only with kind: taxonomy")
            return self
        self._tree = info.context.tree if isinstance(info.context, Context) else None
        if self._tree is None:
            raise ValueError("labels: are missing; expected a file, a list of paths, or {column: NAME}")
        return self

    @model_validator(mode="after")
    def _one_positive(self, info: ValidationInfo) -> "TaskConfig":
        marked = [label.name for label in self.labels if label.positive]
        if self.kind in ("multiclass", MULTILABEL) and marked:
            raise ValueError(f"{marked[0]!r} has positive: true; expected it only with kind: binary")
        if len(marked) > 1:
            raise ValueError(f"{', '.join(map(repr, marked))} have positive: true; expected one of them")
        if self.kind == "binary" and not is_stored(info):
            called = next((one for one in self._positive.spellings if fold(one) == OTHER), None)
            if called is not None:
                raise ValueError(
                    f"the positive label is called {quoted(called)}, which in a binary task stands for the rest; "
                    "expected another name, or positive: true at another label"
                )
        return self

    @model_validator(mode="after")
    def _exclusive_labels(self) -> "TaskConfig":
        known = {label.name for label in self.labels}
        for place, group in enumerate(self.exclusive):
            if (unknown := next((name for name in group if name not in known), None)) is not None:
                raise ValueError(f"exclusive.{place}: {quoted(unknown)} is not valid; expected the name of a label")
            if len(set(group)) < 2 or len(set(group)) < len(group):
                raise ValueError(f"exclusive.{place}: {list(group)} is not valid; expected two or more distinct labels")
        return self

    @property
    def _positive(self) -> LabelConfig:
        return next((label for label in self.labels if label.positive), self.labels[0])

    @model_serializer(mode="wrap")
    def _with_the_labels_of_a_tree(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = handler(self)
        if self.kind != MULTILABEL:
            found = {key: value for key, value in found.items() if key not in ("at_most", "exclusive")}
        if self._tree is None:
            # A configuration of an earlier version lacks these keys, and must stay equal to the one that is stored.
            left_out = ("answers", "wording", *(() if self.kind == MULTILABEL else ("separator",)))
            return {key: value for key, value in found.items() if key not in left_out}
        return {**found, "labels": self._tree.dump()}

    @property
    def tree(self) -> TaskTree | None:
        """The taxonomy, which may not be read yet; None for a task of another kind."""
        return self._tree

    def with_tree(self, tree: TaskTree) -> "TaskConfig":
        """Return the same task with a tree that is read."""
        task = self.model_copy()
        task._tree = tree
        return task

    def names(self) -> Iterator[str]:
        """Yield the names of the labels; of a taxonomy that is read, the names of all nodes."""
        if self._tree is None:
            yield from (label.name for label in self.labels)
        elif self._tree.taxonomy is not None:
            yield from (node.name for node in self._tree.taxonomy.nodes)

    def to_task(self) -> Task:
        """Return the task.

        Raises:
            ConfigError: if its taxonomy is not read yet.
        """
        if self._tree is not None:
            return self._tree.task(self.name, inner=self.answers == "any")
        labels = tuple(label.to_label() for label in self.labels)
        if self.kind == "multiclass":
            return Task(self.name, "multiclass", labels)
        if self.kind == MULTILABEL:
            return Task(
                self.name,
                MULTILABEL,
                labels,
                at_most=self.at_most,
                exclusive=self.exclusive,
                separator=self.separator,
            )
        positive = self._positive
        rest = tuple(label.to_label() for label in self.labels if label is not positive)
        return Task(self.name, "binary", (positive.to_label(), Label(OTHER, rest=rest)))


def _shared(labels: tuple[LabelConfig, ...]) -> Iterator[tuple[str, str, str]]:
    """Yield each spelling that two labels have, with their names."""
    owners: dict[str, str] = {}
    for label in labels:
        for spelling in label.spellings:
            if spelling in owners:
                yield spelling, owners[spelling], label.name
            owners[spelling] = label.name


class CorpusConfig(Section):
    r"""Where the documents are, and how they are read.

    Attributes:
        path: a file, a folder, a glob or a URI; with a query the URL of a database. A password comes from PGPASSWORD or
            ~/.pgpass.
        query: a SELECT whose rows are the documents.
        text: the column of texts.
        id: the column of ids. None: ids are made from the texts.
        max_chars: longer texts are truncated to this many characters; their number is reported.
        delimiter: of CSV and TSV files: one character, or comma, semicolon, tab, pipe. None: detected in each file.
        quote: `none`; or `"` where a quote in a quoted cell is doubled; or `\"` where it is written `\"`. None:
            detected in each file.
        encoding: of CSV, TSV and JSON lines files, such as cp1252; a byte order mark overrides it. None: detected in
            each file.
    """

    path: PathText
    query: str | None = Field(default=None, min_length=1)
    text: str = Field(min_length=1)
    id: str | None = None
    max_chars: int = Field(default=2000, ge=1)
    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None

    @field_validator("delimiter")
    @classmethod
    def _is_delimiter(cls, value: str | None) -> str | None:
        return None if value is None else reading.delimiter(value)

    @field_validator("quote")
    @classmethod
    def _is_quote(cls, value: str | None) -> str | None:
        return None if value is None else reading.quote(value)

    @field_validator("encoding")
    @classmethod
    def _is_encoding(cls, value: str | None) -> str | None:
        return None if value is None else reading.encoding(value)

    @model_validator(mode="after")
    def _database_with_query(self) -> "CorpusConfig":
        is_database = self.path.partition("://")[0].partition("+")[0] in DATABASES and "://" in self.path
        if is_database and self.query is None:
            raise ValueError(f"the path is the URL of a database; expected a query too, such as {QUERY}")
        if self.query is None:
            return self
        if not is_database:
            raise ValueError(f"there is a query; expected a path such as {' or '.join(DATABASES.values())}")
        if self.reading.stated:
            raise ValueError("there is a query; expected no delimiter, quote or encoding, which are of text files")
        return self

    @model_validator(mode="after")
    def _one_role_each(self) -> "CorpusConfig":
        if self.id == self.text:
            raise ValueError(f"the column {self.text!r} is both text and id; expected two different columns")
        return self

    @property
    def reading(self) -> Reading:
        """The stated delimiter, quote and encoding of text files."""
        return Reading(self.delimiter, self.quote, self.encoding)
