"""What the answers of people come to: their cost."""

from collections.abc import Collection

from sqlalchemy import Engine

from laud_ray.people.votes import votes


def cost_of(engine: Engine, numbers: Collection[int], hourly: float) -> dict[int, float]:
    """Return the dollars that the votes on questions cost, by question, at `hourly` dollars for an hour of active time.

    Every vote counts, those too that were taken back or came late; a vote without a time counts nothing.
    """
    if not hourly:
        return {}
    costs: dict[int, float] = {}
    for one in votes(engine, numbers):
        costs[one.vote.question] = costs.get(one.vote.question, 0.0) + (one.vote.seconds or 0.0) * hourly / 3600
    return costs


def spent(engine: Engine, hourly: float) -> float:
    """Return the dollars that all votes cost so far."""
    return sum((one.vote.seconds or 0.0) for one in votes(engine)) * hourly / 3600 if hourly else 0.0
