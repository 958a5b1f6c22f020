"""What one person answered last."""

from sqlalchemy import Engine, func, select

from laud_ray.people.questions import Question, questions
from laud_ray.people.recorded import StoredVote, current, stands, votes
from laud_ray.store import people_tables as tables
from laud_ray.store.database.connection import read


def latest(engine: Engine, person: str, n: int) -> list[tuple[StoredVote, Question]]:
    """Return a person's last n answers that count and the questions they answer, the newest first."""
    given = (
        select(tables.votes.c.question)
        .where(tables.votes.c.person == person)
        .order_by(tables.votes.c.position.desc())
        .limit(2 * n)
    )
    numbers = set(read(engine, lambda connection: connection.scalars(given).all()))
    mine = [one for one in current(votes(engine, numbers)) if one.person == person]
    asked = {one.number: one for one in questions(engine, numbers=numbers)}
    newest = sorted(mine, key=lambda one: -one.position)[:n]
    return [(one, asked[one.vote.question]) for one in newest]


def answered_by(engine: Engine, person: str) -> int:
    """Return how many questions a person answered, without those of which they took the answer back."""
    given = tables.votes
    counted = select(func.count(given.c.question.distinct())).where(given.c.person == person, stands(given))
    return read(engine, lambda connection: int(connection.scalar(counted) or 0))
