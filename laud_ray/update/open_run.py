"""Open a run for an update, and the model that the update is about."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from laud_ray.cluster.workers import Workers
from laud_ray.data.corpus import open_corpus
from laud_ray.data.generations.manifest import number_of
from laud_ray.errors import ModelError, RunError
from laud_ray.events import Observer
from laud_ray.steps.start import start
from laud_ray.steps.work import Work
from laud_ray.storage.folder import Folder
from laud_ray.storage.model_folder import describe
from laud_ray.store import model_records, registry
from laud_ray.store.run import RunFolder
from laud_ray.store.store import Sampled, Store
from laud_ray.store.updates.decisions import decided
from laud_ray.store.updates.generations import OPEN, Updated, is_open, updated
from laud_ray.store.versions.tasks import task_of_round
from laud_ray.taxonomy import Taxonomy
from laud_ray.types import Indices


@dataclass(frozen=True, slots=True, eq=False)
class Current:
    """The current model of a run, which may be of an earlier round than the last.

    Attributes:
        labels: its k labels.
        watched: names of the groups of labels whose shares are watched: labels themselves, or the top of a taxonomy.
        groups: (k,) the group of each label; None if each is its own.
    """

    name: str
    round: int
    labels: tuple[str, ...]
    watched: tuple[str, ...]
    groups: Indices | None = None


def open_run(run: RunFolder, observer: Observer) -> Work:
    """Check that a run can be updated, and start work on it.

    Raises:
        RunError: if it has not finished, waits for answers, or has no corpus or no model.
        UserError: if a model cannot be loaded or an oracle cannot be asked.
    """
    place, store = run.folder.uri, run.store
    if open_corpus(run.corpus) is None or not store.history():
        raise RunError(
            f"{place}: has not finished its first round; expected a finished run (`laud run` goes on with it)"
        )
    if store.stop_reason() is None and not _is_begun(store):
        left = sum(not one.answered for one in store.queries())
        waits = f"waits for {left} answers" if left else "has not finished"
        raise RunError(f"{place}: {waits}; expected a finished run (`laud run {place}/config.yaml` goes on with it)")
    if run.config.task.kind == "multilabel":
        raise RunError(f"{place}: task.kind: multilabel is not valid for an update; expected another kind of task")
    return start(run, observer)


def _is_begun(store: Store) -> bool:
    """Whether an update was begun or has closed the last round, after which changed labels may let the run go on."""
    if is_open(store.engine):
        return True
    made = decided(store.engine)
    return bool(made) and made[-1].round == store.history()[-1].number


def current_of(work: Work) -> Current:
    """Return the current model.

    Raises:
        ModelError: if a file of it is missing or damaged.
    """
    name = registry.find(work.run, None)
    round = next(one.round for one in model_records.models(work.store.engine) if one.name == name)
    try:
        labels = describe(registry.fetched(work.run, name))[1]["labels"]
    except ModelError as error:
        raise ModelError(
            f"{error}; the current model is {name}: expected its files, or another current model "
            f"(`laud promote {work.run.folder.uri} MODEL`)"
        ) from None
    tree = task_of_round(work.config, work.store, round).taxonomy
    if tree is None:
        return Current(name, round, tuple(labels), tuple(labels))
    watched, groups = top_of(tree)
    return Current(name, round, tuple(labels), watched, groups)


def top_of(tree: Taxonomy) -> tuple[tuple[str, ...], Indices]:
    """Return the paths of the topmost nodes that divide a taxonomy, and the place of each leaf among them, (l,)."""
    depth = 1
    while len(nodes := tree.cut(depth)) == 1 and depth < tree.levels:
        depth += 1
    groups = np.searchsorted(nodes, tree.at_depth(tree.leaves, depth))
    return tuple(tree.label(node) for node in nodes.tolist()), groups.astype(np.int64)


def space_of(work: Work, current: Current) -> Folder | None:
    """Return the folder of the model in which texts have vectors; None, the bundled encoder, for a language model."""
    return None if work.is_engine(current.round) else (work.run.models / current.name).absolute()


def workers_of(work: Work, current: Current) -> Workers:
    """Return the workers that embed texts."""
    return Workers() if work.is_engine(current.round) else work.workers(current.round)


def asked_generations(work: Work) -> list[int]:
    """Return the numbers of the generations with an alarm about which questions are recorded, and no decision."""
    return [one.number for one in open_generations(work) if one.state != "alarm"]


def open_generations(work: Work) -> list[Updated]:
    """Return the generations whose alarm has not led to a decision yet."""
    return [one for one in updated(work.store.engine) if one.state in OPEN]


def sampled_in(work: Work, numbers: Sequence[int], *, without: bool = False) -> list[Sampled]:
    """Return the documents of the evaluation sample in some generations, or in all others."""
    return [one for one in work.store.sample("evaluation") if (number_of(one.range) in numbers) != without]
