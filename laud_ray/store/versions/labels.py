"""Change the labels of a run, and decide about proposed ones: each in one transaction, under the run's lock."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from laud_ray.config import RunConfig
from laud_ray.config.labels import edits
from laud_ray.config.labels.edits import Edited
from laud_ray.errors import ConfigError, RunError
from laud_ray.labels import known_labels
from laud_ray.printable import quoted
from laud_ray.store.database.connection import write
from laud_ray.store.run import CONFIG, RunFolder, claim, configured, look_at
from laud_ray.store.updates import proposals
from laud_ray.store.updates.proposals import Proposed
from laud_ray.store.versions import flat
from laud_ray.store.versions.proposal import Proposal


@contextmanager
def changing(path: str) -> Iterator[RunFolder]:
    """Open a run whose labels are to be changed, or proposals decided about, under its lock.

    Raises:
        RunError: if there is no run, or another process works on it.
    """
    with look_at(path):  # `claim` would create a run
        settings = configured(f"{path.rstrip('/')}/{CONFIG}")
    with claim(settings) as run:
        yield run


def require_flat(config: RunConfig) -> None:
    """Refuse a task whose labels are no flat list.

    Raises:
        RunError: if it is a binary or a multilabel task, or a taxonomy.
    """
    if config.task.kind == "multiclass":
        return
    how = {
        "taxonomy": "a taxonomy changes by its file (docs/taxonomy.md)",
        "binary": "another positive label is another task, with a run of its own",
        "multilabel": "other labels of a multilabel task need a run of their own",
    }[config.task.kind]
    raise RunError(f"{config.storage}: task.kind: {config.task.kind} is not valid; expected multiclass: {how}")


def change(run: RunFolder, edited: Edited, within: Callable[[Connection], None] | None = None) -> Proposal:
    """Put changed labels in force; return what this does to the answers.

    The configuration in the run's folder is rewritten last. If the process is killed before, the next command reads
    the one in the database.

    Args:
        within: writes more in the same transaction.

    Raises:
        RunError: if the run cannot go on with the change.
        ConfigError: if a label is reserved.
    """
    run.require()
    new, found = flat.put_labels_in_force(run.folder, run.store, run.config, edited, within)
    run.folder.write(CONFIG, new.dump().encode())
    return found


def accept(run: RunFolder, number: int, name: str | None = None, description: str | None = None) -> Proposal:
    """Make a label of a proposed cluster.

    Args:
        number: of the proposal.
        name: of the label; None: the proposed one.

    Raises:
        RunError: if there is no such proposal, it was accepted before, or the run cannot go on with the change.
        ConfigError: if the name is not valid, or another label's.
    """
    found = _undecided(run, number)
    if run.config.task.tree is not None:
        path = name or found.cluster.name
        raise RunError(
            f"proposal {number}: a taxonomy changes by its file: write {quoted(path, 1000)} into it, run "
            f"`laud run` with it, and then `laud labels {run.folder.uri} merge {number} {quoted(path, 1000)}`"
        )
    require_flat(run.config)
    edited = edits.add(run.config.task.labels, name or found.cluster.name, description)
    label = edited.labels[-1].name
    return change(run, edited, lambda connection: proposals.decide(connection, number, "accepted", label))


def merge(run: RunFolder, number: int, label: str) -> str:
    """Record that the documents of a proposed cluster belong to a label of the task; return its name.

    Raises:
        RunError: if there is no such proposal, or it was accepted before.
        ConfigError: if there is no such label.
    """
    _undecided(run, number)
    name = _node(run, label) if run.config.task.tree is not None else edits.find(run.config.task.labels, label).name
    write(run.store.engine, lambda connection: proposals.decide(connection, number, "merged", name))
    return name


def refuse(run: RunFolder, number: int) -> None:
    """Record that a proposed cluster is no label.

    Raises:
        RunError: if there is no such proposal, or it was accepted before.
    """
    _undecided(run, number)
    write(run.store.engine, lambda connection: proposals.decide(connection, number, "refused"))


def _node(run: RunFolder, text: str) -> str:
    """Return the path of the node that a text names."""
    known = known_labels(run.config.task.to_task())
    if (found := known.find(text)) is not None:
        return found
    (unknown,) = known.unknown({text: 1})
    near = "" if unknown.nearest is None else f" - did you mean {quoted(unknown.nearest, 1000)}?"
    raise ConfigError(f"{quoted(text)} is not a node of the taxonomy; expected a path, a code or a name of one{near}")


def _undecided(run: RunFolder, number: int) -> Proposed:
    """Return a proposal about which a person may decide: again, unless it has become a label."""
    found = proposals.find(run.store.engine, number)
    if found.state == "accepted":
        raise RunError(
            f"proposal {number}: was accepted as {quoted(found.label)} already; expected `rename`, `join` or "
            "`split` of that label"
        )
    return found
