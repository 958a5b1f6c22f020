"""Record every call of a paid oracle, so that no answer is bought twice and no cap is exceeded.

Before a call is sent, it is recorded in its own transaction with an upper bound of its cost; its answer is added when
it arrives. If a process dies, calls in flight stay counted at their upper bound, and no answer is lost.
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
    Engine,
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
# Calls that measure a model, not for labels, are recorded under the oracle's name with this at its end. They count
# towards the caps of the oracle.
PROBED = ", probed"


@dataclass(frozen=True, slots=True)
class Call:
    """A call before it is sent.

    Attributes:
        key: a hash of everything that the answer depends on; no key is bought twice.
        vote: the number of the vote, from 0, if a document is asked about several times for a majority.
        attempt: 0, or 1 for the retry after an unreadable answer.
        tokens: upper bound of the tokens used.
        dollars: upper bound of the cost.
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
    """The result of a call.

    Attributes:
        text: the model's reply; None if the service refused the call for this document.
        label: the name of a label, UNSURE, or None if the reply names no label.
        confidence: in [0, 1]; None if unknown.
        cost: in dollars.
        latency: in seconds.
        reason: why there is no label.
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
    """Limits on an oracle's use over the whole run; None is no limit."""

    calls: int | None = None
    tokens: int | None = None
    dollars: float | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """The use of an oracle so far. Calls in flight and lost calls count at their upper bound."""

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

    @property
    def engine(self) -> Engine:
        """The database that the calls are in."""
        return self._engine

    def answers(self, keys: Sequence[str]) -> dict[str, Answer]:
        """Return the stored answers to these keys, by key."""
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
        """Record a call if its upper bound fits under the caps; return its number, or None if it does not fit.

        The check and the insert are one statement, so that concurrent callers exceed no cap.

        Raises:
            OSError: if the disk has no space for the answer.
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
        """Record the answer of a call and its actual cost; if the disk is full, in the space reserved for that."""
        found = asdict(answer)
        found["answer"] = found.pop("text")
        used = {"tokens": answer.prompt_tokens + answer.completion_tokens, "dollars": answer.cost}
        self._end(number, state="done", **found, **used)

    def fail(self, number: int, reason: str, *, billed: bool) -> None:
        """Record that a call failed. If it may have been billed, it still counts at its upper bound."""
        self._end(number, state="failed", reason=reason, **({} if billed else {"tokens": 0, "dollars": 0.0}))

    def totals(self, oracle: str) -> Totals:
        """Return the use of an oracle so far, its probes included."""
        calls = oracle_calls.c
        states = (calls.state == "done", calls.state == "failed", and_(calls.state == "done", calls.label.is_(None)))
        counts = (func.coalesce(func.sum(case((state, 1), else_=0)), 0) for state in states)
        (row,) = self._all(select(*_USED, *counts).where(_of(oracle)))
        return Totals(*tuple(row))

    def without_label(self, document_ids: Sequence[str]) -> dict[str, str]:
        """Return why a language model's calls gave no label, by document: "unread" (unreadable) or "refused".

        Documents with a readable answer are left out; the model was unsure about them, or not confident enough.
        """
        calls, found = oracle_calls.c, dict[str, str]()
        # The best result of all calls about a document, as there may be retries.
        best = func.min(case((calls.label.is_not(None), 0), (calls.state == "done", 1), (calls.state == "failed", 2)))
        for start in range(0, len(document_ids), _AT_ONCE):
            some = and_(calls.document_id.in_(document_ids[start : start + _AT_ONCE]), ~calls.oracle.endswith(PROBED))
            rows = self._all(select(calls.document_id, best).where(some).group_by(calls.document_id))
            found |= {name: "unread" if result == 1 else "refused" for name, result in map(tuple, rows) if result}
        return found

    def has_label(self, oracle: str) -> bool:
        """Whether an oracle has given any readable answer; "unsure" counts."""
        calls = oracle_calls.c
        found = select(calls.position).where(calls.oracle == oracle, calls.state == "done", calls.label.is_not(None))
        return bool(self._all(found.limit(1)))

    def remember(self, what: str, values: Mapping[str, int | None]) -> None:
        """Store facts about an endpoint under a name for the rest of the run."""
        self._store.set(what, json.dumps(values))

    def remembered(self, what: str) -> dict[str, int | None]:
        """Return the facts that were stored under a name; empty if there are none."""
        return dict(json.loads(self._store.setting(what) or "{}"))

    def cost(self) -> float:
        """Return the dollars paid for answers so far, including unreadable ones."""
        ((paid,),) = self._all(select(func.coalesce(func.sum(oracle_calls.c.cost), 0.0)))
        return float(paid)

    def tokens(self) -> int:
        """Return the tokens of all oracles' calls so far; calls in flight count at their upper bound."""
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


def _of(oracle: str) -> ColumnElement[bool]:
    """Whether a call is one of an oracle, or of its probes."""
    name = oracle.removesuffix(PROBED)
    return oracle_calls.c.oracle.in_((name, name + PROBED))


def _conditions(call: Call, caps: Caps) -> Iterator[ColumnElement[bool]]:
    """Yield a condition for each cap: the use so far plus this call's upper bound does not exceed it."""
    wanted = ((caps.calls, 1), (caps.tokens, call.tokens), (caps.dollars, call.dollars))
    for used, (cap, more) in zip(_USED, wanted, strict=True):
        if cap is not None:
            so_far = select(used).where(_of(call.oracle)).scalar_subquery()
            yield so_far + more <= cap
