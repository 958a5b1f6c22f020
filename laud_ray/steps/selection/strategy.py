"""The query strategy of a run, and how many candidates it needs."""

import numpy as np

from laud_ray import query
from laud_ray.query.auto import Choice
from laud_ray.query.spatial.space import reach
from laud_ray.steps.annotation.answers import asked
from laud_ray.steps.selection.picking import shortlist_depth
from laud_ray.steps.work import Work
from laud_ray.types import QueryStrategy


def strategy_of(work: Work, choice: Choice | None = None) -> QueryStrategy:
    """Create the query strategy of the configuration from the answers so far.

    Args:
        choice: the choice of `auto`. None in a pass, whose shortlist serves every choice.
    """
    told, settings = asked(work), work.config.query
    return query.build(
        settings.strategy,
        counts=[sum(a.label == name for a in told) for name in work.task.names],
        mix=settings.mix if settings.strategy == "mix" else None,
        diversity=settings.diversity,
        answerable=settings.answerable and any(a.answered and a.label is None for a in told),
        choice=choice,
    )


def criteria(work: Work, strategy: QueryStrategy) -> int:
    """The number of criteria by which a strategy shortlists."""
    k = len(work.task.labels)
    return int(strategy.utility(np.full((1, k), 1 / k)).shape[1])


def depth(work: Work, strategy: QueryStrategy) -> int:
    """The number of documents that a pass shortlists by each criterion of a strategy."""
    settings = work.config.query
    return shortlist_depth(
        settings.batch, reach=reach(strategy), criteria=criteria(work, strategy), cap=settings.shortlist
    )
