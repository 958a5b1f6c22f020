"""Every call of a paid oracle: recorded before it is sent, finished when its answer is there, never bought twice.

A call is recorded as begun with an upper bound of what it may cost, in its own transaction. So a process that dies
with calls in flight leaves them counted at their bound, and one that dies later finds every answer again.
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    func,
    insert,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from laud_ray.storage.causes import full_disk
from laud_ray.storage.local.spare_room import SpareRoom
from laud_ray.store.database.connection import in_turn, read, write
from laud_ray.store.store import Store
from laud_ray.store.tables import CHECKSUM, oracle_calls, row_checksum

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Call:
    """A call before it is sent.

    Attributes:
        key: of everything that the answer depends on; the same key is never bought twice.
        attempt: 0, or 1 for the second try after an answer that could not be read.
        tokens, dollars: what it may cost at most.
    """

    key: str
    oracle: str
    engine: str
    model: str
    prompt_version: str
    document_id: str
    vote: int
    attempt: int
    tokens: int
    dollars: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call.

    Attributes:
        text: the model's words; None if the call was refused for this document.
        label: a label's name, UNSURE, or None if the words name none.
        reason: why there is no label.
        cost: dollars. latency: seconds.
    """

    text: str | None
    label: str | None = None
    confidence: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    latency: float = 0.0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Caps:
    """What an oracle may use over the whole run; None is no cap."""

    calls: int | None = None
    tokens: int | None = None
    dollars: float | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """What an oracle has used: what is under way or was lost counts at its upper bound."""

    calls: int
    tokens: int
    dollars: float
    answered: int
    failed: int
    unreadable: int


class Ledger:
    """The calls of a run, in the database of its store."""

    def __init__(self, store: Store) -> None:
        self._engine, self._store = store.engine, store
        self._lock = threading.Lock()
        file = self._engine.url.database if self._engine.dialect.name == "sqlite" else None
        self._room = SpareRoom(Path(file).parent if file and Path(file).is_file() else None)

    def answers(self, keys: Sequence[str]) -> dict[str, Answer]:
        """Return the answers that are there already, by key."""
        found: dict[str, Answer] = {}
        for start in range(0, len(keys), _AT_ONCE):
            some = oracle_calls.c.key.in_(keys[start : start + _AT_ONCE])
            done = select(oracle_calls).where(some, oracle_calls.c.state == "done")
            for row in self._all(done):
                found[row.key] = Answer(
                    row.answer,
                    row.label,
                    row.confidence,
                    row.prompt_tokens,
                    row.completion_tokens,
                    row.cost,
                    row.latency,
                    row.reason,
                )
        return found

    def begin(self, call: Call, caps: Caps) -> int | None:
        """Record a call if it fits under the caps at its upper bound, and return its number; None if it does not.

        Looking and recording are one step, so however many callers there are, no cap is overrun.

        Raises:
            OSError: if the disk has no room for the answer.
        """
        self._room.keep()
        values = {**asdict(call), "state": "begun", "begun_at": datetime.now(UTC)}
        row = select(*(literal(value, oracle_calls.c[name].type) for name, value in values.items()))
        fits = and_(true(), *_conditions(call, caps))
        adding = insert(oracle_calls).from_select(list(values), row.where(fits)).returning(oracle_calls.c.position)

        def record(connection: Connection) -> int | None:
            in_turn(connection, "oracle calls")
            number: int | None = connection.scalar(adding)
            return number

        with self._lock:
            return write(self._engine, record)

    def finish(self, number: int, answer: Answer) -> None:
        """Record what came of a call, at what it did cost; on a full disk in the room that was kept for it."""
        found = asdict(answer)
        found["answer"] = found.pop("text")
        used = {"tokens": answer.prompt_tokens + answer.completion_tokens, "dollars": answer.cost}
        self._end(number, state="done", **found, **used)

    def fail(self, number: int, reason: str, *, billed: bool) -> None:
        """Record that a call failed. What may have been billed goes on counting at its upper bound."""
        self._end(number, state="failed", reason=reason, **({} if billed else {"tokens": 0, "dollars": 0.0}))

    def totals(self, oracle: str) -> Totals:
        calls = oracle_calls.c
        states = (calls.state == "done", calls.state == "failed", and_(calls.state == "done", calls.label.is_(None)))
        counts = (func.coalesce(func.sum(case((state, 1), else_=0)), 0) for state in states)
        (row,) = self._all(select(*_USED, *counts).where(calls.oracle == oracle))
        return Totals(*tuple(row))

    def without_label(self, document_ids: Sequence[str]) -> dict[str, str]:
        """Say why documents that a language model was asked about have no label of it: "unread" or "refused".

        Those of which any answer was read are not in it: the model was unsure, or not sure enough.
        """
        calls, found = oracle_calls.c, dict[str, str]()
        # The best that came of a document's calls: retries fail too.
        best = func.min(case((calls.label.is_not(None), 0), (calls.state == "done", 1), (calls.state == "failed", 2)))
        for start in range(0, len(document_ids), _AT_ONCE):
            some = calls.document_id.in_(document_ids[start : start + _AT_ONCE])
            rows = self._all(select(calls.document_id, best).where(some).group_by(calls.document_id))
            found |= {name: "unread" if came == 1 else "refused" for name, came in map(tuple, rows) if came}
        return found

    def has_label(self, oracle: str) -> bool:
        """Whether any answer of an oracle was read, "unsure" too."""
        calls = oracle_calls.c
        found = select(calls.position).where(calls.oracle == oracle, calls.state == "done", calls.label.is_not(None))
        return bool(self._all(found.limit(1)))

    def remember(self, what: str, values: Mapping[str, int | None]) -> None:
        """Keep what was learned of an endpoint for the rest of the run."""
        self._store.set(what, json.dumps(values))

    def remembered(self, what: str) -> dict[str, int | None]:
        """Return what was kept under a name; empty where nothing was."""
        return dict(json.loads(self._store.setting(what) or "{}"))

    def cost(self) -> float:
        """Dollars paid for answers so far, those too that are no annotation because nothing could be read."""
        ((paid,),) = self._all(select(func.coalesce(func.sum(oracle_calls.c.cost), 0.0)))
        return float(paid)

    def tokens(self) -> int:
        """Tokens of all oracles' calls so far, upper bounds where a call is still out."""
        ((total,),) = self._all(select(_USED[1]))
        return int(total)

    def _all(self, found: Select[Any]) -> Sequence[Row[Any]]:
        return read(self._engine, lambda connection: connection.execute(found).all())

    def _end(self, number: int, **values: object) -> None:
        this = oracle_calls.c.position == number
        ended = update(oracle_calls).where(this).values(**values, ended_at=datetime.now(UTC))

        def record(connection: Connection) -> None:
            connection.execute(ended)
            row = connection.execute(select(oracle_calls).where(this)).mappings().one()
            summed = {CHECKSUM: row_checksum(oracle_calls, dict(row))}
            connection.execute(update(oracle_calls).where(this).values(summed))

        try:
            write(self._engine, record)
        except SQLAlchemyError as error:
            if full_disk(error) is None or not self._room.give():
                raise
            write(self._engine, record)


_USED = (
    func.count(),
    func.coalesce(func.sum(oracle_calls.c.tokens), 0),
    func.coalesce(func.sum(oracle_calls.c.dollars), 0.0),
)


def _conditions(call: Call, caps: Caps) -> Iterator[ColumnElement[bool]]:
    """One condition for each cap: what is used and what is asked for stay under it."""
    wanted = ((caps.calls, 1), (caps.tokens, call.tokens), (caps.dollars, call.dollars))
    for used, (cap, more) in zip(_USED, wanted, strict=True):
        if cap is not None:
            so_far = select(used).where(oracle_calls.c.oracle == call.oracle).scalar_subquery()
            yield so_far + more <= cap
