"""Accept another taxonomy for a run that has answers, or refuse what is not supported. Nothing is spent here."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from laud_ray import config as configuration
from laud_ray.config import RunConfig, people_in
from laud_ray.errors import RunError, UserError
from laud_ray.storage.folder import Folder
from laud_ray.store import trees
from laud_ray.store.store import Store
from laud_ray.store.versions import renewals
from laud_ray.store.versions.proposal import OF_A_LIST, Proposal, propose, put_in_force
from laud_ray.store.versions.record import history
from laud_ray.taxonomy import Taxonomy
from laud_ray.taxonomy.task import dump

# Takes the differences and what follows from them; raises if the run is not to go on with the new version.
Accept: TypeAlias = Callable[[Sequence[str]], None]
_LABELS = "task.labels: "
# With a smaller share of answers that are kept, it is more likely a mistake in the configuration than a new version.
LEAST_KEPT = 0.5


def other_version(old: RunConfig, new: RunConfig) -> tuple[Taxonomy, Taxonomy] | None:
    """Return the taxonomies of two configurations of a run; None if they have the same, or one has none."""
    was, now = old.task.tree, new.task.tree
    if was is None or now is None or was.digest == now.digest:
        return None
    return was.read(), now.read()


def proposed(store: Store, old: RunConfig, new: RunConfig) -> Proposal | None:
    """Return another version of a run's taxonomy; None if the configuration has the one in force.

    Raises:
        RunError: if the run cannot go on with it.
    """
    if (both := other_version(old, new)) is None:
        return None
    if others := [line for line in configuration.differences(old, new) if not line.startswith(_LABELS)]:
        others = [line for line in others if not line.startswith(configuration.CONTINUED)]
    if others:
        raise RunError(
            f"{new.storage}: {'; '.join(others)}: this changes beside the taxonomy; expected a change of task.labels "
            "alone"
        )
    found = propose(store, *both, left=max(0, new.budget.annotations - store.spent()))
    if (mistake := unsupported(store, new, found)) is not None:
        raise RunError(f"{new.storage}: task.labels: {'; '.join(found.found.lines(3))}; {mistake}")
    return found


def accept_version(folder: Folder, store: Store, old: RunConfig, new: RunConfig, accept: Accept | None) -> None:
    """Put another version of a run's taxonomy in force, once it is accepted.

    What was made for a round that is not closed has the earlier labels. It is removed first, since both versions can
    make it again; the change itself is one transaction.

    Args:
        accept: None accepts nothing.

    Raises:
        RunError: if the run cannot go on with it, or it is not accepted.
    """
    found = proposed(store, old, new)
    assert found is not None, "the taxonomies differ"
    if accept is None:
        raise RunError(
            f"{new.storage}: holds a run with another taxonomy ({'; '.join(found.lines(3))}); expected the same one: "
            "`laud run` goes on with another"
        )
    accept(found.lines())
    discard_open_round(folder, store)
    tree = new.task.tree
    assert tree is not None
    kept = {f"{trees.KEY}{tree.digest}": dump(tree.read()).decode()}
    put_in_force(store, found, {**kept, trees.CONFIGURATION: new.dump()})


def discard_open_round(folder: Folder, store: Store) -> None:
    """Remove what was made for a round that is not closed: it has the earlier labels, and can be made again."""
    round = len(store.history())
    (folder / f"models/round-{round:04d}").remove()
    (folder / f"rounds/{round:04d}").remove()


def asks_people(config: RunConfig) -> bool:
    """Whether people answer any question of a run."""
    return any(people_in(one) for one in config.asked_oracles().values())


def refuse_stale(folder: Folder, store: Store, old: RunConfig, new: RunConfig, name: str) -> None:
    """Refuse the configuration file of a run that was killed before it had rewritten the file for a new taxonomy.

    The file is rewritten, so that the same command does not change the taxonomy back.

    Args:
        name: of the file in the run's folder.
    """
    versions, tree = history(store.engine), new.task.tree
    if versions is None or tree is None or tree.digest not in {one.tree for one in versions.versions}:
        return
    if tree.digest == versions.current.tree or not folder.exists(name):
        return
    try:
        written = configuration.load_stored(f"{folder.uri}/{name}").task.tree
    except UserError:
        return  # a person has edited it, and it was not what this configuration was read from
    if written is not None and written.digest == tree.digest:
        trees.write_copy(old, folder)
        folder.write(name, old.dump().encode())
        raise RunError(
            f"{new.storage}: the run was stopped while its taxonomy changed, and its files are complete only now; run "
            "the same command again"
        )


def unsupported(store: Store, config: RunConfig, found: Proposal) -> str | None:
    """Return why a run cannot go on with another version, and what is expected; None if it can.

    A taxonomy is compared as a whole, and a mistake in its file loses many answers. A change of a flat list is stated.
    """
    flat = found.words is OF_A_LIST
    labels = "labels" if flat else "taxonomy"
    if len(store.history()) < 2:
        expected = "the earlier ones" if flat else "the earlier one"
        return f"the {labels} can change after the first trained round; expected {expected} until then"
    unclear = [*found.unclear(evaluation=True), *found.unclear(evaluation=False)]
    kept, answers = len(found.answers) - len(unclear), len(found.answers)
    if not flat and kept < LEAST_KEPT * answers:
        return (
            f"only {kept:,} of {answers:,} answers would be kept; expected another version of the same taxonomy, or "
            "another storage"
        )
    if found.trusted:
        return (
            f"{found.trusted:,} trusted answers to the evaluation sample are at split or removed "
            f"{'labels' if flat else 'nodes'}, and cannot be asked for again; expected "
            f"{'other' if flat else 'a taxonomy that keeps these'} {'labels' if flat else 'nodes'}, or another storage"
        )
    # Nobody has seen a question yet that an earlier change made necessary, unless it was put to people.
    seen = found.open - (found.renewed - renewals.shown(store.engine, history(store.engine)))
    if asks_people(config) and seen:
        return (
            f"people have {len(seen):,} questions to answer that show the earlier labels; expected the earlier "
            f"{labels} until they are answered"
        )
    return None
