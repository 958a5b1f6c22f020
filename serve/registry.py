"""The source of the served model: a run, whose current model may change, or the folder of one model."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np

from laud_ray.config import CausalConfig
from laud_ray.errors import ModelError, RunError
from laud_ray.evaluation.promise import Evaluated, evaluated
from laud_ray.passes.summary import Lines
from laud_ray.stats.betting import Reference
from laud_ray.stats.multilabel.rules import Rules
from laud_ray.storage.folder import Folder
from laud_ray.storage.model_folder import DESCRIPTION, describe, version_of
from laud_ray.store.database.opening import DATABASE
from laud_ray.store.database.postgres import SCHEMA
from laud_ray.store.run import RunFolder, look_at
from laud_ray.store.versions.record import history
from laud_ray.store.versions.tasks import task_of_model
from laud_ray.taxonomy import Taxonomy
from laud_ray.taxonomy.task import FILE, load
from laud_ray.types import Estimate, Floats
from serve.drift import reference

CACHE = "models"
# Names of labels that a model without an evaluation sample is tried out with.
MOST_TRIED = 200


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
        names: of the k labels; `index` has their places.
        taxonomy, lines: whose leaves the labels are, and the paths of these; None for other tasks.
        evaluated: the predictions for the evaluation sample, of a taxonomy; None without a run, or without its scores.
        promised: the accuracy that the run promises of a taxonomy's answers; None for none.
        seed: of the run.
        reference: what the model found in the corpus of its run; None without a run, or without its scores.
        rules: by which a multilabel model decides which labels apply; None for other tasks.
        micro_f1: of a multilabel model on the evaluation sample; None without one, and for other tasks.
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
    names: tuple[str, ...] = ()
    taxonomy: Taxonomy | None = None
    lines: Lines | None = None
    evaluated: Evaluated | None = None
    promised: float | None = None
    seed: int = 0
    reference: Reference | None = None
    rules: Rules | None = None
    micro_f1: Estimate | None = None
    index: Mapping[str, int] = field(default_factory=dict)

    def counted_as(self, label: int) -> str:
        """Return the name by which the metrics count a label: of a taxonomy the first of its path, as these are few."""
        tree = self.taxonomy
        return self.names[label] if tree is None else tree.nodes[tree.leaves[label]].path[0]


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
        some = tuple(description["labels"][:MOST_TRIED])
        return _entry(name, self._path, description, labels, 2000, some, None, None)

    def close(self) -> None: ...


class RunModels:
    """The registry of a run, to which another process may write."""

    def __init__(self, path: str) -> None:
        self._path, self._turn, self._opening = path, Lock(), Lock()
        self._open, self._run = _opened(path)
        self._identity, self._version = _identity(self._run), _labels_version(self._run)

    def run(self) -> RunFolder:
        """As in `Registry`. A run restored from a backup has new files; writes to the old ones would be lost."""
        with self._opening:
            if _identity(self._run) != self._identity or _labels_version(self._run) != self._version:
                opened, run = _opened(self._path)
                self._open.close()
                self._open, self._run, self._identity = opened, run, _identity(run)
                self._version = _labels_version(run)
            return self._run

    def current(self) -> str | None:
        return self.run().store.setting("current")

    def version(self, name: str) -> str | None:
        return version_of(self.run().models / name)

    def entry(self, name: str) -> Entry:
        run = self.run()
        store = run.store
        # A model of an earlier version of the labels is served with its own until one of the new version is current.
        task = task_of_model(run.config, store, name)
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
        figures = {result.model: result.figures for result in store.history()}.get(name)
        accuracy = None if figures is None else figures.accuracy
        sets = None if figures is None else figures.multilabel
        labels = tuple(Label(label.name, label.description) for label in task.labels)
        sample = tuple(texts[one.document_id] for one in drawn)
        most = run.config.corpus.max_chars
        entry = _entry(name, folder, description, labels, most, sample or task.names[:MOST_TRIED], weights, accuracy)
        micro = None if sets is None else sets.micro_f1
        entry = replace(entry, reference=reference(run, name, entry.names), micro_f1=micro)
        if entry.taxonomy is not None:
            promised = None if run.config.promise is None else run.config.promise.accuracy
            entry = replace(entry, evaluated=_evaluated(run, name), promised=promised, seed=run.config.seed)
        learner = run.config.learner
        if isinstance(learner, CausalConfig) and learner.model == entry.base:
            return replace(entry, adapters=learner)
        return entry

    def close(self) -> None:
        self._open.close()


def _evaluated(run: RunFolder, name: str) -> Evaluated | None:
    try:
        return evaluated(run, name)
    except RunError:  # without scores of this model nothing can be promised, and it is served all the same
        return None


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


def _labels_version(run: RunFolder) -> int:
    """Return the version of a run's labels, which its configuration has as they were when it was opened."""
    versions = history(run.store.engine)
    return 1 if versions is None else versions.current.number


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
    tree = None
    if (folder / FILE).exists():
        tree = load((folder / FILE).read_bytes(), str(folder / FILE))
        if [tree.label(leaf) for leaf in tree.leaves.tolist()] != [label.name for label in labels]:
            raise ModelError(
                f"{folder}: its labels are not the leaves of its {FILE}; expected the same in the same order"
            )
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
        names=tuple(label.name for label in labels),
        taxonomy=tree,
        lines=None if tree is None else Lines(tree),
        rules=_rules(folder, description),
        index={label.name: place for place, label in enumerate(labels)},
    )


def _rules(folder: Path, description: dict[str, Any]) -> Rules | None:
    try:
        return Rules.of(description)
    except ValueError as error:
        raise ModelError(f"{folder / DESCRIPTION}: {error}") from None
