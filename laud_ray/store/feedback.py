"""What people say of served answers: another label, or that it is wrong. Only ever added, by many processes at once.

A person's latest word on a text counts. Of several people's labels the most frequent wins, and of equally
frequent ones the latest.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, exists, func, insert, literal, select

from laud_ray.store.database.connection import in_turn, read, write
from laud_ray.store.tables import CHECKSUM, feedback, in_utc, now, row_checksum
from laud_ray.texts import cut, normalise_text


@dataclass(frozen=True, slots=True)
class Feedback:
    """What somebody said of a text. `label` is None for "wrong, I do not say what".

    Attributes:
        position: grows with every entry.
        id: of the text: equal texts have the same.
        predicted, model: the answer that was seen, and whose it was, if that was told.
    """

    position: int
    id: str
    text: str
    label: str | None
    who: str
    predicted: str | None
    model: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What people say all in all, by text: labels, and the texts of which none is known but that it was wrong."""

    labels: dict[str, str]
    wrong: tuple[str, ...]


def text_id(text: str) -> str:
    """The id of a normalised text: "feedback-" and 16 hexadecimal digits."""
    return f"feedback-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def add(
    engine: Engine, text: str, label: str | None, who: str, predicted: str | None, model: str | None
) -> tuple[str, bool]:
    """Record what somebody says, unless it is what they said last of this text; return its id and whether it is new.

    Looking and recording are one step, so however many processes write, nothing stands twice.

    Raises:
        ValueError: if the text holds nothing but white space.
    """
    text = normalise_text(text)
    if not text:
        raise ValueError("the text is empty, expected at least one character")
    key = text_id(text)
    said_of = {"id": key, "text": text, "label": label, "who": who, "predicted": predicted, "model": model}
    values: dict[str, object] = {**said_of, "created_at": now()}
    values[CHECKSUM] = row_checksum(feedback, values)
    theirs = (feedback.c.id == key, feedback.c.who == who)
    last = select(func.max(feedback.c.position)).where(*theirs).scalar_subquery()
    said = exists().where(feedback.c.position == last, feedback.c.label.is_not_distinct_from(label))
    row = select(*(literal(value, feedback.c[name].type) for name, value in values.items())).where(~said)
    adding = insert(feedback).from_select(list(values), row).returning(feedback.c.position)

    def record(connection: Connection) -> bool:
        # One after the other, so that positions also grow in the order in which entries become visible.
        in_turn(connection, "feedback")
        return connection.scalar(adding) is not None

    return key, write(engine, record)


def size(engine: Engine) -> int:
    """The characters of all entries."""
    columns = (feedback.c.text, feedback.c.label, feedback.c.who, feedback.c.predicted, feedback.c.model)
    sums = [func.coalesce(func.sum(func.length(column)), 0) for column in columns]
    return sum(int(found) for found in read(engine, lambda connection: connection.execute(select(*sums)).one()))


def last_position(engine: Engine) -> int:
    """The position of the latest entry; 0 where there is none."""
    return read(engine, lambda connection: connection.scalar(select(func.max(feedback.c.position)))) or 0


def entries(engine: Engine, until: int | None = None) -> list[Feedback]:
    """Return what was said, in order; with `until`, up to that position."""
    found = select(feedback).order_by(feedback.c.position)
    if until is not None:
        found = found.where(feedback.c.position <= until)
    return [
        Feedback(r.position, r.id, r.text, r.label, r.who, r.predicted, r.model, in_utc(r.created_at))
        for r in read(engine, lambda connection: connection.execute(found).all())
    ]


def judge(said: Iterable[Feedback], names: Collection[str], max_chars: int) -> Verdicts:
    """Settle what people say of each text, cut as the corpus is; a label that is none of `names` says nothing.

    Texts stand in the order in which they were first spoken of.
    """
    latest: dict[str, dict[str, Feedback]] = {}
    for entry in sorted(said, key=lambda entry: entry.position):
        if entry.label is None or entry.label in names:
            latest.setdefault(cut(entry.text, max_chars), {})[entry.who] = entry
    chosen = {text: _majority(people.values()) for text, people in latest.items()}
    return Verdicts(
        {text: label for text, label in chosen.items() if label is not None},
        tuple(text for text, label in chosen.items() if label is None),
    )


def _majority(people: Iterable[Feedback]) -> str | None:
    votes: Counter[str] = Counter()
    spoken: dict[str, int] = {}
    for entry in people:
        if entry.label is not None:
            votes[entry.label] += 1
            spoken[entry.label] = max(entry.position, spoken.get(entry.label, 0))
    return max(votes, key=lambda label: (votes[label], spoken[label]), default=None)
