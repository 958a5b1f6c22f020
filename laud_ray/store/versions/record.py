"""The versions of a run's labels, a taxonomy or a flat list, and how each continues in the one in force."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, func, insert, select

from laud_ray.store.database.connection import in_turn, read, write
from laud_ray.store.tables import (
    annotations,
    feedback,
    now,
    put_setting,
    queries,
    second_answers,
    second_queries,
)
from laud_ray.store.tables import settings as setting_rows
from laud_ray.store.versions.tables import renewed_queries, taxonomies
from laud_ray.taxonomy.succession import Carried, Succession

# The setting with the leaves to ask about after a round, which a further change makes invalid.
LEAVES = "leaves to ask about after round {}"
# Tables whose rows hold labels of the version at which they were written.
_LABELLED = {table.name: table for table in (queries, annotations, second_queries, second_answers, feedback)}
_known: "WeakKeyDictionary[Engine, tuple[int, History]]" = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a run's labels.

    Attributes:
        number: from 1.
        tree: the digest of the taxonomy, or of the flat list.
        succession: how the labels of the version before continue in this one.
        round: the first round whose model is trained with it; 0 for the first version.
        ended: whether the run had ended when its labels changed.
        positions: table -> the last row with labels of earlier versions.
    """

    number: int
    tree: str
    succession: Succession
    round: int
    ended: bool
    positions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class History:
    """The versions of labels that have changed, the first one first, at least two."""

    versions: tuple[Version, ...]

    @property
    def current(self) -> Version:
        return self.versions[-1]

    def carry(self, label: str | None, version: int) -> Carried:
        """Return an answer that was given at a version in the version in force.

        A label of a version with the same tree is unchanged, even if it was different in between.
        """
        answer = Carried(label)
        if label is None or self.versions[version - 1].tree == self.current.tree:
            return answer
        for later in self.versions[version:]:
            answer = later.succession.carry(answer)
        return answer

    def carry_row(self, label: str | None, table: str, position: int) -> Carried:
        """Return the label of a row of a table in the version in force."""
        return self.carry(label, self.at(table, position))

    def at(self, table: str, position: int) -> int:
        """Return the version at which a row was written."""
        return max(one.number for one in self.versions if position > one.positions.get(table, 0) or one.number == 1)

    def widened(self, version: int) -> bool:
        """Whether a document that no label fitted at a version may have a label now."""
        if self.versions[version - 1].tree == self.current.tree:
            return False
        return any(later.succession.wider for later in self.versions[version:])

    def of_round(self, round: int) -> int:
        """Return the version of a round's model."""
        return max(one.number for one in self.versions if one.round <= round)


def history(engine: Engine) -> History | None:
    """Return the versions of a run's labels; None if they have never changed."""
    count = read(engine, lambda connection: connection.scalar(select(func.max(taxonomies.c.version))))
    if count is None:
        return None
    if (known := _known.get(engine)) is None or known[0] != count:
        rows = read(engine, lambda c: c.execute(select(taxonomies).order_by(taxonomies.c.version)).mappings().all())
        known = _known[engine] = count, History(tuple(map(_version, rows)))
    return known[1]


def add(
    engine: Engine,
    old: str,
    new: str,
    found: Succession,
    *,
    round: int,
    ended: bool,
    renewed: Sequence[str],
    settings: Mapping[str, str],
    within: Callable[[Connection], None] | None = None,
) -> None:
    """Put a new version in force, in one transaction.

    Args:
        old: the digest of the version in force.
        new: that of the new version.
        found: how the labels of the old one continue in the new one.
        round: the first round whose model is trained with the new version.
        ended: whether the run had ended.
        renewed: documents that are asked about again.
        settings: settings to store with it, by key.
        within: writes more in the same transaction.
    """
    before = history(engine)
    first = {"version": 1, "tree": old, "round": 0, "ended": False, "positions": "{}"}
    number = 2 if before is None else before.current.number + 1

    def change(connection: Connection) -> None:
        in_turn(connection, "feedback")
        if before is None:
            connection.execute(insert(taxonomies).values(**first, created_at=now()))
        positions = {name: connection.scalar(select(func.max(table.c.position))) for name, table in _LABELLED.items()}
        row = {
            "version": number,
            "tree": new,
            "succession": _written(found),
            "round": round,
            "ended": ended,
            "positions": json.dumps({name: last or 0 for name, last in positions.items()}),
        }
        connection.execute(insert(taxonomies).values(**row, created_at=now()))
        if renewed:
            asked = [{"document_id": name, "version": number, "created_at": now()} for name in renewed]
            connection.execute(insert(renewed_queries), asked)
        connection.execute(setting_rows.delete().where(setting_rows.c.key == LEAVES.format(round)))
        for key, value in settings.items():
            put_setting(connection, key, value)
        if within is not None:
            within(connection)

    write(engine, change)


def outstanding(found: History) -> Iterator[tuple[str, int, bool]]:
    """Yield the leaves to ask about, in the words of the version in force.

    Yields:
        The leaf, the first round of the version that brought it, and whether older answers count for it, too.
    """
    seen = set[str]()
    for one in reversed(found.versions[1:]):
        for labels, added in ((one.succession.added, True), (one.succession.moved, False)):
            for label in labels:
                now = found.carry(label, one.number)
                if now.label is not None and not now.unclear and now.label not in seen:
                    seen.add(now.label)
                    yield now.label, one.round, added


def _version(row: Mapping[Any, Any]) -> Version:
    return Version(
        row["version"],
        row["tree"],
        Succession() if row["succession"] is None else _read(row["succession"]),
        row["round"],
        row["ended"],
        json.loads(row["positions"]),
    )


def _written(found: Succession) -> str:
    return json.dumps({**asdict(found), "unclear": sorted(found.unclear)}, ensure_ascii=False)


def _read(stored: str) -> Succession:
    found = json.loads(stored)
    return Succession(
        found["changed"], frozenset(found["unclear"]), tuple(found["added"]), tuple(found["moved"]), found["wider"]
    )
