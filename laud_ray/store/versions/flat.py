"""The versions of a flat list of labels, which `laud labels` changes: kept with the run, and put in force."""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence

from pydantic import TypeAdapter
from sqlalchemy import Connection

from laud_ray.config import CONTINUED, LabelConfig, RunConfig, differences
from laud_ray.config.labels.edits import Edited
from laud_ray.config.section import Context
from laud_ray.errors import RunError
from laud_ray.printable import quoted
from laud_ray.storage.folder import Folder
from laud_ray.store import trees
from laud_ray.store.store import Store
from laud_ray.store.versions.acceptance import discard_open_round, unsupported
from laud_ray.store.versions.proposal import OF_A_LIST, Proposal, proposal_of, put_in_force
from laud_ray.store.versions.record import history
from laud_ray.taxonomy.succession import Carried, Succession

# The setting with the labels of a version, as JSON.
KEY = "labels of version {}"
SHOWN = 3
_LABELS = TypeAdapter(tuple[LabelConfig, ...])
_log = logging.getLogger(__name__)


def labels_at(store: Store, version: int) -> tuple[LabelConfig, ...]:
    """Return the labels of a version of a flat list that has changed."""
    return _LABELS.validate_json(store.setting(KEY.format(version)) or "[]", context=Context(stored=True))


def with_labels_in_force(store: Store, old: RunConfig, new: RunConfig) -> RunConfig:
    """Return a configuration with the run's labels, if it has those of an earlier version.

    The file that a run was started from keeps its labels when `laud labels` changes the run's, so that this is no
    mistake. A line in the log says so.

    Raises:
        RunError: if it has other labels than any version, and questions were asked already.
    """
    was, now = old.task, new.task
    if was.kind != "multiclass" or now.kind != was.kind or was.labels == now.labels or not store.queries():
        return new
    found = history(store.engine)
    numbers = [] if found is None else [one.number for one in found.versions[:-1]]
    if any(labels_at(store, number) == now.labels for number in numbers):
        _log.warning(
            "task.labels: are those of an earlier version of %s; the run's own are used, which `laud labels` shows",
            new.storage,
        )
        return new.with_labels(was.labels)
    if any(not line.startswith(("task.labels", *CONTINUED)) for line in differences(old, new)):
        return new  # opening the run lists all of them
    raise RunError(
        f"{new.storage}: task.labels: {'; '.join(_differences(was.labels, now.labels))}; expected the labels of the "
        f"run, which `laud labels {new.storage}` changes"
    )


def proposed(store: Store, config: RunConfig, edited: Edited) -> Proposal:
    """Return what a change of the labels does to the answers of a run. Nothing is changed.

    Raises:
        RunError: if the run cannot go on with it.
    """
    digests = _digests(store, config.task.labels, edited.labels, edited.succession)
    left = max(0, config.budget.annotations - store.spent())
    found = proposal_of(store, edited, digests, edited.succession, left=left, words=OF_A_LIST)
    if (mistake := unsupported(store, config, found)) is not None:
        raise RunError(f"{config.storage}: {edited.text}; {mistake}")
    return found


def put_labels_in_force(
    folder: Folder,
    store: Store,
    config: RunConfig,
    edited: Edited,
    within: Callable[[Connection], None] | None = None,
) -> tuple[RunConfig, Proposal]:
    """Put changed labels in force in one transaction; return the new configuration, and what it does to the answers.

    What was made for a round that is not closed has the earlier labels. It is removed first, since both versions can
    make it again.

    Args:
        within: writes more in the same transaction.

    Raises:
        RunError: if the run cannot go on with the change.
        ConfigError: if a label is reserved.
    """
    new = config.with_labels(edited.labels)
    found = proposed(store, config, edited)
    discard_open_round(folder, store)
    versions = history(store.engine)
    number = 1 if versions is None else versions.current.number
    kept = {KEY.format(number): _dump(config.task.labels), KEY.format(number + 1): _dump(edited.labels)}
    put_in_force(store, found, {**kept, trees.CONFIGURATION: new.dump()}, within)
    return new, found


def _digests(store: Store, old: Sequence[LabelConfig], new: Sequence[LabelConfig], how: Succession) -> tuple[str, str]:
    """Return what identifies the labels in force and the new ones.

    It is that of an earlier version with the same names, if these mean the same: then its answers count as they were
    given. So labels that were joined and are split again have the answers that they had.
    """
    versions, names = history(store.engine), {label.name for label in new}
    if versions is None:
        return _digest(old, 1), _digest(new, 2)
    for one in versions.versions:
        steps = [*(later.succession for later in versions.versions[one.number :]), how]
        same = {label.name for label in labels_at(store, one.number)} == names
        if same and all(_is_same(name, steps) for name in names):
            return versions.current.tree, one.tree
    return versions.current.tree, _digest(new, versions.current.number + 1)


def _is_same(name: str, steps: Sequence[Succession]) -> bool:
    """Whether no step made another label of a name; it may have made it unclear."""
    found = Carried(name)
    for step in steps:
        found = step.carry(found)
    return found.unclear or found.label == name


def _digest(labels: Sequence[LabelConfig], version: int) -> str:
    return hashlib.sha256(json.dumps([version, sorted(label.name for label in labels)]).encode()).hexdigest()


def _dump(labels: Sequence[LabelConfig]) -> str:
    return _LABELS.dump_json(tuple(labels)).decode()


def _differences(old: Sequence[LabelConfig], new: Sequence[LabelConfig]) -> list[str]:
    """Return how another list of labels differs, in a few words."""
    was, now = [label.name for label in old], [label.name for label in new]
    said = []
    for names, others, word in ((now, was, "new"), (was, now, "missing")):
        if some := [name for name in names if name not in others]:
            more = f" and {len(some) - SHOWN:,} more" if len(some) > SHOWN else ""
            verb = "is" if len(some) == 1 else "are"
            said.append(f"{', '.join(map(quoted, some[:SHOWN]))}{more} {verb} {word}")
    return said or ["the order, a description or another spelling differs"]
