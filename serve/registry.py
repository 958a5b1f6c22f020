"""The source of the served model: a run, whose current model may change, or the folder of one model."""

import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np

from laud_ray.config import CausalConfig
from laud_ray.errors import ModelError, RunError
from laud_ray.storage.folder import Folder
from laud_ray.storage.model_folder import DESCRIPTION, describe, version_of
from laud_ray.store.database.opening import DATABASE
from laud_ray.store.database.postgres import SCHEMA
from laud_ray.store.run import RunFolder, look_at
from laud_ray.types import Estimate, Floats

CACHE = "models"


@dataclass(frozen=True, slots=True)
class Label:
    name: str
    description: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A model that can be loaded, with its metadata.

    Attributes:
        version: the start of the checksum of its model.json, which has the checksums of all other files.
        accuracy: on the evaluation sample of its run; None without one.
        texts, weights: the evaluation sample, or the names of the labels for a model without a run.
        max_chars: longer texts are truncated to this many characters.
        adapters: the learner of its run, if later models of the run are adapters on the same base model.
    """

    name: str
    folder: str
    version: str
    kind: str
    base: str
    examples: int
    labels: tuple[Label, ...]
    accuracy: Estimate | None
    texts: tuple[str, ...]
    weights: Floats | None
    max_chars: int
    adapters: CausalConfig | None = None


class Registry(Protocol):
    """Provides the current model. All calls block."""

    def run(self) -> RunFolder | None:
        """Return the run, reopened if it was replaced; None if a model's folder is served.

        Raises:
            RunError: if the run was deleted or moved.
        """
        ...

    def current(self) -> str | None:
        """Return the name of the current model; None while there is none.

        Raises:
            RunError: if the run was deleted or moved.
        """
        ...

    def version(self, name: str) -> str | None:
        """Return the `Entry.version` of the files in a model's folder now; None if they are missing."""
        ...

    def entry(self, name: str) -> Entry:
        """Look up a model and verify its files.

        Raises:
            ModelError: if it is missing or damaged, or has other labels than its run.
        """
        ...

    def close(self) -> None: ...


def open_registry(path: str) -> Registry:
    """Open the folder of a run or of a model.

    Raises:
        UserError: if the folder is neither.
    """
    return OneModel(path) if Folder(path).exists(DESCRIPTION) else RunModels(path)


class OneModel:
    """The registry of a model's folder, in which this model is always current."""

    def __init__(self, path: str) -> None:
        self._path = Folder(path).fetch(CACHE).resolve()

    def current(self) -> str | None:
        return self._path.name

    def run(self) -> RunFolder | None:
        return None

    def version(self, name: str) -> str | None:  # noqa: ARG002 - there is one
        return version_of(Folder(str(self._path)))

    def entry(self, name: str) -> Entry:
        description = describe(str(self._path))[1]
        labels = tuple(Label(label, None) for label in description["labels"])
        return _entry(name, self._path, description, labels, 2000, tuple(description["labels"]), None, None)

    def close(self) -> None: ...


class RunModels:
    """The registry of a run, to which another process may write."""

    def __init__(self, path: str) -> None:
        self._path, self._turn, self._opening = path, Lock(), Lock()
        self._open, self._run = _opened(path)
        self._identity = _identity(self._run)

    def run(self) -> RunFolder:
        """As in `Registry`. A run restored from a backup has new files; writes to the old ones would be lost."""
        with self._opening:
            if _identity(self._run) != self._identity:
                opened, run = _opened(self._path)
                self._open.close()
                self._open, self._run, self._identity = opened, run, _identity(run)
            return self._run

    def current(self) -> str | None:
        return self.run().store.setting("current")

    def version(self, name: str) -> str | None:
        return version_of(self.run().models / name)

    def entry(self, name: str) -> Entry:
        run = self.run()
        store, task = run.store, run.config.task.to_task()
        with self._turn:
            try:
                folder = (run.models / name).fetch(CACHE)
            except FileNotFoundError as error:
                raise ModelError(str(error)) from None
        description = describe(str(folder))[1]
        if tuple(description["labels"]) != task.names:
            raise ModelError(
                f"{folder}: has {len(description['labels'])} labels that differ from the {len(task.names)} of its run; "
                "expected the same labels in the same order"
            )
        texts = {a.query.document.id: a.query.document.text for a in store.queries("evaluation")}
        drawn = [one for one in store.sample("evaluation") if one.document_id in texts]
        sizes = {one.stratum: sum(other.stratum == one.stratum for other in drawn) for one in drawn}
        weights = np.asarray([one.stratum_size / sizes[one.stratum] for one in drawn])
        accuracy = {result.model: result.figures.accuracy for result in store.history()}.get(name)
        labels = tuple(Label(label.name, label.description) for label in task.labels)
        sample = tuple(texts[one.document_id] for one in drawn)
        most = run.config.corpus.max_chars
        entry = _entry(name, folder, description, labels, most, sample or task.names, weights, accuracy)
        learner = run.config.learner
        if isinstance(learner, CausalConfig) and learner.model == entry.base:
            return replace(entry, adapters=learner)
        return entry

    def close(self) -> None:
        self._open.close()


def _opened(path: str) -> tuple[ExitStack, RunFolder]:
    opened = ExitStack()
    return opened, opened.enter_context(look_at(path))


def _identity(run: RunFolder) -> object:
    """Return what tells a run from another one in the same folder: the file of its database, or its schema."""
    local = run.folder.local
    try:
        if run.config.store is not None or local is None:
            return run.folder.read(SCHEMA)
        found = os.stat(local / DATABASE)
    except FileNotFoundError:
        raise RunError(f"{run.folder.uri}: the run was deleted or moved") from None
    return found.st_dev, found.st_ino


def _entry(
    name: str,
    folder: Path,
    description: dict[str, Any],
    labels: tuple[Label, ...],
    max_chars: int,
    texts: tuple[str, ...],
    weights: Floats | None,
    accuracy: Estimate | None,
) -> Entry:
    return Entry(
        name,
        str(folder),
        version_of(Folder(str(folder))) or "",
        str(description["kind"]),
        str(description.get("base", "")),
        int(description.get("examples", 0)),
        labels,
        accuracy,
        texts,
        weights if weights is not None and len(weights) == len(texts) else None,
        max_chars,
    )
