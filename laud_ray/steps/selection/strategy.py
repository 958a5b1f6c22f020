"""The query strategy of a run, and how many candidates it needs."""

import numpy as np

from laud_ray import query
from laud_ray.label_sets import APPLIES, masks
from laud_ray.query.auto import Choice
from laud_ray.query.spatial.space import reach
from laud_ray.stats.multilabel.rules import Rules
from laud_ray.steps.annotation.answers import asked
from laud_ray.steps.selection.picking import shortlist_depth
from laud_ray.steps.work import Work
from laud_ray.taxonomy.groups import groups_of
from laud_ray.types import QueryStrategy


def strategy_of(work: Work, choice: Choice | None = None, rules: Rules | None = None) -> QueryStrategy:
    """Create the query strategy of the configuration from the answers so far.

    Args:
        work: the run.
        choice: the choice of `auto`. None in a pass, whose shortlist serves every choice.
        rules: of a multilabel task, those of the model whose pass is made; None after the pass.
    """
    told, settings = asked(work), work.config.query
    if work.task.multilabel:
        sets = masks((a.label for a in told if a.label is not None), work.task.names)
        return query.build(
            settings.strategy,
            counts=(sets == APPLIES).sum(axis=0).tolist(),
            mix=settings.mix if settings.strategy == "mix" else None,
            diversity=settings.diversity,
            answerable=settings.answerable and any(a.answered and a.label is None for a in told),
            answers=sets,
            thresholds=None if rules is None else rules.thresholds,
        )
    groups = groups_of(work.task)
    found = np.bincount([groups.places[a.label] for a in told if a.label in groups.places], minlength=len(groups.names))
    return query.build(
        settings.strategy,
        # A class counts the annotations of its group, since most of thousands of classes have none.
        counts=groups.spread(found).tolist(),
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
