"""The task as a model knows it, which may have the labels of an earlier version."""

from dataclasses import replace

from laud_ray.config import RunConfig
from laud_ray.config.labels.tree_store import parsed
from laud_ray.errors import RunError
from laud_ray.store import model_records, trees
from laud_ray.store.store import Store
from laud_ray.store.versions.flat import labels_at
from laud_ray.store.versions.record import History, history
from laud_ray.taxonomy.task import task_of
from laud_ray.types import Label, Task


def is_earlier(store: Store, round: int) -> bool:
    """Whether the model of a round has the labels of an earlier version than the one in force."""
    versions = history(store.engine)
    return versions is not None and versions.of_round(round) != versions.current.number


def require_current(config: RunConfig, store: Store, round: int) -> None:
    """Refuse the model of a round that has the labels of an earlier version.

    Raises:
        RunError: if it has.
    """
    if is_earlier(store, round):
        raise RunError(
            f"{config.storage}: round-{round:04d} has the labels of an earlier version; expected a model with the "
            "labels in force, which `laud run` trains"
        )


def task_of_model(config: RunConfig, store: Store, name: str) -> Task:
    """Return the task of a model, by its name; see `task_of_round`."""
    rounds = (one.round for one in model_records.models(store.engine) if one.name == name)
    return task_of_round(config, store, next(rounds, len(store.history())))


def task_of_round(config: RunConfig, store: Store, round: int) -> Task:
    """Return the task with the labels that the model of a round has.

    Data may name a label of an earlier version by the name that it has now, if only this one has become that.

    Raises:
        RunError: if the run has lost its earlier taxonomy.
    """
    task, versions = config.task.to_task(), history(store.engine)
    if versions is None or not is_earlier(store, round):
        return task
    number = versions.of_round(round)
    if task.taxonomy is None:
        labels = tuple(label.to_label() for label in labels_at(store, number))
        return replace(task, labels=_named_as_today(labels, versions, number))
    digest = versions.versions[number - 1].tree
    text = store.setting(trees.KEY + digest)
    tree = None if text is None else parsed(text.encode(), digest, f"{config.storage} database")
    if tree is None:
        raise RunError(f"{config.storage}: the taxonomy of round-{round:04d} is missing in the run's database")
    return task_of(task.name, tree, inner=task.inner)


def _named_as_today(labels: tuple[Label, ...], versions: History, number: int) -> tuple[Label, ...]:
    today = [versions.carry(label.name, number) for label in labels]
    names = [None if one.unclear else one.label for one in today]
    known = {spelling for label in labels for spelling in (label.name, *label.also)}
    return tuple(
        replace(label, also=(*label.also, name))
        if name is not None and name not in known and names.count(name) == 1
        else label
        for label, name in zip(labels, names, strict=True)
    )
