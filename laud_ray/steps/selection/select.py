"""Choose the queries of a round."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.evaluation.measure import confidence_auc
from laud_ray.passes.candidates import known, survey, survey_scored
from laud_ray.passes.shortlists import read_shortlist, to_candidates
from laud_ray.query.auto import Choice, choose
from laud_ray.query.spatial.space import committee, reach
from laud_ray.steps import changed
from laud_ray.steps.annotation.answers import asked, left_open, spent
from laud_ray.steps.selection import choices, focus
from laud_ray.steps.selection import picking as stage
from laud_ray.steps.selection.strategy import criteria, depth, strategy_of
from laud_ray.steps.training.model import is_made
from laud_ray.steps.work import Progress, Work
from laud_ray.storage.model_folder import ENGINES
from laud_ray.store.rechecks import asked_in
from laud_ray.store.versions import renewals
from laud_ray.store.versions.record import history
from laud_ray.taxonomy.groups import groups_of
from laud_ray.types import Candidates, QueryStrategy, Space


def select(work: Work, round: int) -> None:
    """Choose and record the queries of a round, unless that was done before a crash."""
    if work.store.queries("query", round):
        return
    if changed.leaves_after(work.store, round):
        _select_of_leaves(work, round)
        return
    with work.step("select", round) as progress:
        choice, settings = _choice(work, round), work.config.query
        strategy = strategy_of(work, choice)
        listed = _shortlist(work, round, depth(work, strategy))
        pool = to_candidates(listed, criteria(work, strategy))
        chosen = stage.select(
            strategy,
            f"auto, {choice.name}" if choice else settings.strategy,
            listed,
            replace(pool, space=_space(work, round, strategy, pool, progress)),
            [a.query.document.text for a in work.store.queries()],
            _room(work, round),
            taxonomy=work.task.taxonomy,
            rng=np.random.default_rng([work.config.seed, round]),
        )
        work.store.add_queries("query", round, chosen)


def _select_of_leaves(work: Work, round: int) -> None:
    """Choose queries for the leaves that a change of the taxonomy made new, or moved."""
    with work.step("select", round):
        names, versions = changed.leaves_after(work.store, round), history(work.store.engine)
        assert versions is not None, "without a change there are no such leaves"
        every = changed.changed_leaves(versions)
        leaves = {leaf.name: leaf for leaf in every}
        listed = _shortlist(work, round, focus.ranking_depth(work.config.query.batch))
        told = changed.asked_for_training(work.store)
        each = changed.wanted(told, every, work.config)
        chosen = focus.choose(listed, [leaves[name] for name in names], told, each, _room(work, round))
        work.store.add_queries("query", round, chosen)


def _room(work: Work, round: int) -> int:
    """Return the most queries of a round: a batch without what is asked again, within the budget."""
    store, settings = work.store, work.config.query
    again = asked_in(store.engine, round) + renewals.recorded(store.setting(renewals.KEY.format(round)))
    left = work.config.budget.annotations - spent(work) - len(left_open(store))
    return max(0, min(settings.batch - again, left))


def exhausted(work: Work, round: int) -> str | None:
    """End the run if two rounds in a row had no queries; return the reason, or None.

    The remaining documents cannot be scored then. After a single round without queries this is not certain: `laud
    evaluate --budget` may have bought answers for its whole shortlist.
    """
    if round <= max(1, changed.first_round(work.store)) or any(
        work.store.queries("query", n) or asked_in(work.store.engine, n) for n in (round - 1, round)
    ):
        return None
    reason = "pool_exhausted: no document that can be scored is left to annotate"
    work.store.set_stop_reason(reason)
    return reason


def _choice(work: Work, round: int) -> Choice | None:
    """Return the choice of the strategy `auto`, by the round's model and the answers of earlier rounds; else None."""
    if work.config.query.strategy != "auto":
        return None
    if (made := choices.recorded(work.store, round)) is not None:
        return made
    told, result = asked(work, before=round), work.store.history()[round]
    choice = choose(choices.evidence(result, confidence_auc(work.run, round), told, groups_of(work.task)))
    choices.record(work.store, round, choice)
    if choice.differs(choices.recorded(work.store, round - 1)):
        work.note("select", round, f"auto chooses {choice.name}: {choice.why}")
    return choice


def _shortlist(work: Work, round: int, deep: int) -> pa.Table:
    """Return the candidates of a round without those asked about since, such as by `laud evaluate --budget`."""
    found = read_shortlist(work.corpus, work.run.scores(round), deep)
    since = pa.array([a.query.document.id for a in work.store.queries()], pa.string())
    return found.filter(pc.invert(pc.is_in(found.column("id"), value_set=since)))


def _space(work: Work, round: int, strategy: QueryStrategy, pool: Candidates, progress: Progress) -> Space | None:
    """Embed the candidates with the round's model, if the strategy uses embeddings; else None."""
    if not reach(strategy) or not len(pool):
        return None
    run, groups = work.run, groups_of(work.task)
    documents, labels = known(work.store.queries(), groups)
    votes = committee(strategy)
    rounds = range(max(1, changed.first_round(work.store), round - votes + 1), round + 1) if votes else [round]
    if work.config.learner.kind in ENGINES:
        scores = [run.scores(one).absolute() for one in rounds]
        return survey_scored(pool, documents, labels, groups, work.corpus, scores, votes=votes > 0, progress=progress)
    trained = [name for one in rounds if is_made(run.models, name := run.model_name(one))]
    voters = [(run.models / name).absolute() for name in trained]
    workers = work.workers(round)
    return survey(pool, documents, labels, groups, voters, votes=votes > 0, workers=workers, progress=progress)
