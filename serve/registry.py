"""Where the models come from: a run, whose current model may change, or one model's folder."""

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np

from laud_ray.config import CausalConfig
from laud_ray.errors import ModelError
from laud_ray.model_folder import DESCRIPTION, describe
from laud_ray.run_folder import RunFolder, look_at
from laud_ray.storage import Folder
from laud_ray.types import Estimate, Floats

CACHE = "models"


@dataclass(frozen=True, slots=True)
class Label:
    name: str
    description: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A model that may be loaded, and what is known of it.

    Attributes:
        version: the start of the checksum of its model.json, which holds those of all other files.
        accuracy: on the evaluation sample of its run.
        texts, weights: the evaluation sample; a model without a run is tried on its labels' names.
        adapters: the learner of its run, if later models of it are adapters on this one's base.
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
    """Says which model is current. All calls block."""

    run: RunFolder | None

    def current(self) -> str | None:
        """The name of the current model; None while there is none.

        Raises:
            RunError: if the run is gone.
        """
        ...

    def require(self) -> None:
        """Raise RunError if the run is gone."""
        ...

    def entry(self, name: str) -> Entry:
        """Look a model up, its files checked.

        Raises:
            ModelError: if it is missing or broken, or has other labels than its run.
        """
        ...

    def close(self) -> None: ...


def open_registry(path: str) -> Registry:
    """Open a run's folder, or a model's.

    Raises:
        UserError: if it is neither.
    """
    return OneModel(path) if Folder(path).exists(DESCRIPTION) else RunModels(path)


class OneModel:
    """The registry of a model's folder: it is always current."""

    run: RunFolder | None = None

    def __init__(self, path: str) -> None:
        self._path = Folder(path).fetch(CACHE).resolve()

    def current(self) -> str | None:
        return self._path.name

    def require(self) -> None: ...

    def entry(self, name: str) -> Entry:
        description = describe(str(self._path))[1]
        labels = tuple(Label(label, None) for label in description["labels"])
        return _entry(name, self._path, description, labels, 2000, tuple(description["labels"]), None, None)

    def close(self) -> None: ...


class RunModels:
    """The registry of a run, which another process may be writing."""

    def __init__(self, path: str) -> None:
        self._open = ExitStack()
        self._turn = Lock()
        self.run: RunFolder | None = self._open.enter_context(look_at(path))

    def current(self) -> str | None:
        assert self.run is not None
        self.require()
        return self.run.store.setting("current")

    def require(self) -> None:
        assert self.run is not None
        self.run.require()

    def entry(self, name: str) -> Entry:
        assert self.run is not None
        models, store, task = self.run.models, self.run.store, self.run.config.task.to_task()
        with self._turn:
            try:
                folder = (models / name).fetch(CACHE)
            except FileNotFoundError as error:
                raise ModelError(str(error)) from None
        description = describe(str(folder))[1]
        if tuple(description["labels"]) != task.names:
            raise ModelError(
                f"{folder}: has {len(description['labels'])} labels that are not the {len(task.names)} of its run; "
                "expected the same ones in the same order"
            )
        texts = {a.query.document.id: a.query.document.text for a in store.queries("evaluation")}
        drawn = [one for one in store.sample("evaluation") if one.document_id in texts]
        sizes = {one.stratum: sum(other.stratum == one.stratum for other in drawn) for one in drawn}
        weights = np.asarray([one.stratum_size / sizes[one.stratum] for one in drawn])
        accuracy = {result.model: result.figures.accuracy for result in store.history()}.get(name)
        labels = tuple(Label(label.name, label.description) for label in task.labels)
        sample = tuple(texts[one.document_id] for one in drawn)
        most = self.run.config.corpus.max_chars
        entry = _entry(name, folder, description, labels, most, sample or task.names, weights, accuracy)
        learner = self.run.config.learner
        if isinstance(learner, CausalConfig) and learner.model == entry.base:
            return replace(entry, adapters=learner)
        return entry

    def close(self) -> None:
        self._open.close()


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
    version = hashlib.sha256((folder / DESCRIPTION).read_bytes()).hexdigest()[:12]
    return Entry(
        name,
        str(folder),
        version,
        str(description["kind"]),
        str(description.get("base", "")),
        int(description.get("examples", 0)),
        labels,
        accuracy,
        texts,
        weights if weights is not None and len(weights) == len(texts) else None,
        max_chars,
    )
