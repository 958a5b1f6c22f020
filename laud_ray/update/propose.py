"""Propose labels for clusters of novel documents, which a person accepts, merges or refuses."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from laud_ray.discovery.clusters import Group, new_groups, width_of
from laud_ray.discovery.pool import Pool, pool, size_of
from laud_ray.oracles.naming import Named, named
from laud_ray.passes.candidates import embed
from laud_ray.steps.annotation.answers import asked
from laud_ray.steps.work import Work
from laud_ray.store.ledger import Ledger
from laud_ray.store.updates import evidence, proposals
from laud_ray.store.updates.evidence import BASE, Base
from laud_ray.store.updates.generations import updated
from laud_ray.store.updates.proposals import Cluster
from laud_ray.types import Floats, Indices
from laud_ray.update import places
from laud_ray.update.novelty import COMPARED_WITH, folder_of
from laud_ray.update.open_run import Current, space_of, workers_of

# Clusters that are proposed at once, the largest ones: more than a person decides about in a morning help nobody.
MOST = 20
# Texts of a cluster that a person sees, and proposals that are named.
SHOWN, NAMED = 8, 3
# If this share of the answers about a cluster's documents are one label, that label fits.
FITS = 0.5


@dataclass(frozen=True, slots=True)
class Open:
    """Open proposals in words, and the commands by which a person decides about them."""

    words: str
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _New:
    """n distinct new documents.

    Attributes:
        far: (n,) their distances from what is known.
        parts: the ranges that hold them, and the rows there, in the same order.
    """

    far: Floats
    parts: tuple[tuple[str, Indices], ...]

    def where(self, chosen: Indices) -> list[tuple[str, Indices]]:
        """Return the ranges that hold some of the documents, given by their sorted numbers, and the rows there."""
        found, start = list[tuple[str, Indices]](), 0
        for name, rows in self.parts:
            inside = chosen[(chosen >= start) & (chosen < start + len(rows))] - start
            start += len(rows)
            if len(inside):
                found.append((name, rows[inside]))
        return found


def propose(work: Work, current: Current, numbers: Sequence[int]) -> None:
    """Propose labels for clusters of novel documents, unless that was done before.

    A cluster whose answers are mostly one label needs none: the next model learns that. Without answers a person
    decides.
    """
    number, base = numbers[-1], evidence.base(work.store.setting(BASE))
    if proposals.was_made(work.store, number):
        return
    assert base is not None, "an alarm was noticed by comparison with one"
    found: list[Cluster] = []
    if work.task.kind != "binary":
        with work.step("propose", current.round):
            found = _clusters(work, current, base, number)
    proposals.add(work.store.engine, number, found)


def open_proposals(work: Work) -> Open | None:
    """Return the proposals that no person has decided about; None if there are none."""
    found = proposals.undecided(work.store.engine)
    if not found:
        return None
    place = work.run.folder.uri
    named = ", ".join(f"{one.number} {one.cluster.name!r} ({one.cluster.size} documents)" for one in found[:NAMED])
    named += f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    said = "a label is proposed" if len(found) == 1 else "labels are proposed"
    number, flat = found[0].number, work.task.taxonomy is None
    commands = (
        f"laud labels {place}",
        *([f"laud labels {place} accept {number} --name NAME"] if flat else []),
        f"laud labels {place} merge {number} {'LABEL' if flat else 'NODE'}",
        f"laud labels {place} refuse {number}",
        f"laud update {place}",
    )
    return Open(f"{said} for novel documents: {named}; a person must decide about each", commands)


def _clusters(work: Work, current: Current, base: Base, last: int) -> list[Cluster]:
    new, earlier = _measured(work, base, last), folder_of(work, base).read_table(COMPARED_WITH)
    rng = np.random.default_rng([work.config.seed, 8, last])
    chosen = pool(new.far, earlier.column("novelty").to_numpy(), rng)
    if chosen is None:
        return []
    told = [one for one in asked(work) if one.label is not None]
    parts = new.where(chosen.new)
    ids, texts = _read(work, parts)
    texts += earlier.column("text").take(pa.array(chosen.earlier)).to_pylist()
    known = [one.query.document.text for one in told]
    vectors = embed([*texts, *known], space_of(work, current), workers_of(work, current))
    width = width_of(vectors[len(texts) :], [one.label for one in told])
    if width is None:
        return []
    is_new = np.arange(len(texts)) < len(chosen.new)
    groups = new_groups(vectors[: len(texts)], is_new, chosen.share, width)
    leaves = frozenset(one.name for one in work.task.labels)
    # An inner node of a taxonomy says that none of the leaves below it fits, or that none is known to.
    answers = {
        one.query.document.id: one.label if one.label in leaves or work.task.inner else None
        for one in work.store.queries()
        if one.answered
    }
    left = [one for one in groups if _fitting([ids[i] for i in one.members], answers) is None][:MOST]
    if not left:
        return []
    members = [[texts[i] for i in one.members] for one in left]
    earlier_texts, config = texts[len(chosen.new) :], work.config
    tree, task, owners = work.task.taxonomy, work.task, list[list[str | None]]()
    if tree is not None:
        predicted = places.predicted(work, current, parts)
        owners = [[predicted[i] for i in one.members] for one in left]
        task = places.likely(task, owners)
    said, waiting = named(config.asked_oracles(), task, members, earlier_texts, Ledger(work.store), seed=config.seed)
    if waiting is not None:
        work.note("propose", current.round, f"{waiting}; some groups are named by their words")
    if tree is not None:
        said = [
            replace(name, name=places.placed(tree, name.name, some)) for name, some in zip(said, owners, strict=True)
        ]
    return [_cluster(name, one, texts, chosen) for name, one in zip(said, left, strict=True)]


def _cluster(said: Named, group: Group, texts: Sequence[str], chosen: Pool) -> Cluster:
    size, low, high = size_of(len(group.members), chosen)
    return Cluster(said.name or "", said.fits, tuple(texts[i] for i in group.members[:SHOWN]), size, low, high)


def _fitting(ids: Sequence[str], answers: dict[str, str | None]) -> str | None:
    """Return the label that most answers about some documents are; None if there are none, or they differ."""
    said = Counter(answers[id] for id in ids if id in answers)
    label, n = said.most_common(1)[0] if said else (None, 0)
    return label if label is not None and n >= FITS * sum(said.values()) else None


def _measured(work: Work, base: Base, last: int) -> _New:
    """Read the distances of the distinct documents of the generations after a base, and not their texts."""
    place, parts, far = folder_of(work, base), list[tuple[str, Indices]](), [np.zeros(0, np.float32)]
    for one in updated(work.store.engine):
        if not base.generation < one.number <= last:
            continue
        for part in work.corpus.of_generation(one.number).ranges:
            found = place.read_table(part.name).column("novelty").to_numpy()
            first = work.corpus.read(part.name, ["duplicate_of"]).column("duplicate_of").is_null()
            rows = np.flatnonzero(np.asarray(first) & ~np.isnan(found))
            parts.append((part.name, rows))
            far.append(found[rows])
    return _New(np.concatenate(far), tuple(parts))


def _read(work: Work, parts: Sequence[tuple[str, Indices]]) -> tuple[list[str], list[str]]:
    """Return the ids and the texts of the documents in some rows of ranges."""
    ids, texts = list[str](), list[str]()
    for name, rows in parts:
        table = work.corpus.read(name, ["id", "text"]).take(pa.array(rows))
        ids += table.column("id").to_pylist()
        texts += table.column("text").to_pylist()
    return ids, texts
