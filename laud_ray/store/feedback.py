"""Store people's feedback on served predictions: the correct label, or only that a prediction is wrong.

Entries are only added, by many processes at once. A person's latest entry on a text counts. Of the labels of several
people the most frequent wins, and of equally frequent ones the latest.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, RowMapping, exists, func, insert, literal, select

from laud_ray.label_sets import LabelSet
from laud_ray.store.database.connection import in_turn, read, write
from laud_ray.store.tables import CHECKSUM, feedback, in_utc, models, now, row_checksum
from laud_ray.store.versions.record import History, history
from laud_ray.texts import cut, normalise_text


@dataclass(frozen=True, slots=True)
class Feedback:
    """A person's feedback on a text.

    Attributes:
        position: increases with every entry.
        id: of the text; equal texts have the same id.
        text: normalised.
        label: the correct label; None if the person reported only that the prediction is wrong.
        who: the person.
        predicted: the prediction that the person saw; None if not reported.
        model: the model that made it; None if not reported.
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
    """The settled feedback.

    Attributes:
        labels: text -> label.
        wrong: texts whose prediction was reported as wrong, without a correct label.
    """

    labels: dict[str, str]
    wrong: tuple[str, ...]


def text_id(text: str) -> str:
    """Return the id of a normalised text: "feedback-" and 16 hexadecimal digits."""
    return f"feedback-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def add(
    engine: Engine, text: str, label: str | None, who: str, predicted: str | None, model: str | None
) -> tuple[str, bool]:
    """Record feedback, unless it repeats the same person's last entry on this text.

    The check and the insert are one statement, so that concurrent processes add no duplicates.

    Returns:
        The id of the text, and whether an entry was added.

    Raises:
        ValueError: if the text is empty or only white space.
    """
    text = normalise_text(text)
    if not text:
        raise ValueError("the text is empty; expected at least one character")
    key = text_id(text)
    entry = {"id": key, "text": text, "label": label, "who": who, "predicted": predicted, "model": model}
    values: dict[str, object] = {**entry, "created_at": now()}
    values[CHECKSUM] = row_checksum(feedback, values)
    of_person = (feedback.c.id == key, feedback.c.who == who)
    last = select(func.max(feedback.c.position)).where(*of_person).scalar_subquery()
    repeated = exists().where(feedback.c.position == last, feedback.c.label.is_not_distinct_from(label))
    row = select(*(literal(value, feedback.c[name].type) for name, value in values.items())).where(~repeated)
    adding = insert(feedback).from_select(list(values), row).returning(feedback.c.position)

    def record(connection: Connection) -> bool:
        # Writers are serialised, so that positions increase in the order in which entries become visible.
        in_turn(connection, "feedback")
        return connection.scalar(adding) is not None

    return key, write(engine, record)


def size(engine: Engine) -> int:
    """Return the number of characters in all entries."""
    columns = (feedback.c.text, feedback.c.label, feedback.c.who, feedback.c.predicted, feedback.c.model)
    sums = [func.coalesce(func.sum(func.length(column)), 0) for column in columns]
    return sum(int(found) for found in read(engine, lambda connection: connection.execute(select(*sums)).one()))


def last_position(engine: Engine) -> int:
    """Return the position of the latest entry; 0 if there is none."""
    return read(engine, lambda connection: connection.scalar(select(func.max(feedback.c.position)))) or 0


def entries(engine: Engine, until: int | None = None) -> list[Feedback]:
    """Return the entries in order; with `until`, those up to and including that position.

    Labels are in the words of the taxonomy's version in force. A person had those of the model that predicted.
    """
    found = select(feedback, models.c.round).select_from(feedback.outerjoin(models, feedback.c.model == models.c.name))
    found = found.order_by(feedback.c.position)
    if until is not None:
        found = found.where(feedback.c.position <= until)
    rows, versions = read(engine, lambda connection: connection.execute(found).mappings().all()), history(engine)
    return [_entry(row, versions) for row in rows]


def _entry(row: RowMapping, versions: History | None) -> Feedback:
    label, predicted = row["label"], row["predicted"]
    if versions is not None:
        round, position = row["round"], row["position"]
        version = versions.at("feedback", position) if round is None else versions.of_round(round)
        label, predicted = (versions.carry(one, version).label for one in (label, predicted))
    made = in_utc(row["created_at"])
    return Feedback(row["position"], row["id"], row["text"], label, row["who"], predicted, row["model"], made)


def judge(given: Iterable[Feedback], names: Collection[str], max_chars: int, *, multilabel: bool = False) -> Verdicts:
    """Settle the feedback on each text.

    Args:
        given: entries in any order; those with a label outside of `names` are ignored. The label of a multilabel task
            is the text of a `LabelSet`, which counts as a whole, and is ignored if a label of it is outside of `names`.
        names: the task's labels.
        max_chars: texts are truncated to this length, as in the corpus.
        multilabel: whether labels are the texts of sets. A label of another task is never read as one.

    Returns:
        The settled feedback, ordered by each text's first entry.
    """
    latest: dict[str, dict[str, Feedback]] = {}
    for entry in sorted(given, key=lambda entry: entry.position):
        if entry.label is None or (_is_set(entry.label, names) if multilabel else entry.label in names):
            latest.setdefault(cut(entry.text, max_chars), {})[entry.who] = entry
    chosen = {text: _majority(people.values()) for text, people in latest.items()}
    return Verdicts(
        {text: label for text, label in chosen.items() if label is not None},
        tuple(text for text, label in chosen.items() if label is None),
    )


def _is_set(label: str, names: Collection[str]) -> bool:
    """Whether a label is the text of a set of known labels."""
    try:
        found = LabelSet.parse(label)
    except ValueError:
        return False
    return all(name in names for name in found.yes)


def _majority(people: Iterable[Feedback]) -> str | None:
    votes: Counter[str] = Counter()
    latest: dict[str, int] = {}
    for entry in people:
        if entry.label is not None:
            votes[entry.label] += 1
            latest[entry.label] = max(entry.position, latest.get(entry.label, 0))
    return max(votes, key=lambda label: (votes[label], latest[label]), default=None)
