"""Draw the evaluation sample before anything is selected, and get trusted answers for a part of it."""

from dataclasses import replace

from laud_ray.evaluation import draw, trusted
from laud_ray.evaluation.strata import CUTS, Population, dump_cuts
from laud_ray.people.groups import Awaited
from laud_ray.steps.work import WaitingError, Work
from laud_ray.store import rechecks


def draw_evaluation(work: Work) -> None:
    """Draw the evaluation sample and the stop set, and record queries for the sample. Done once for a run."""
    if work.store.queries("evaluation"):
        return
    with work.step("sample", 0):
        settings, seed = work.config.evaluation, work.config.seed
        stratify = work.task.kind == "binary" if settings.stratify is None else settings.stratify
        positive = work.task.names[0] if stratify else None
        everything = Population(work.corpus, work.run.scores, positive)
        cuts = () if positive is None else (draw.cut(everything, 0, [draw.STRATA]),)
        drawn = draw.draw(replace(everything, cuts=cuts), settings.size, seed=(seed, 1))
        stop = draw.draw(everything, settings.stop_set, seed=(seed, 2))
        work.store.set_samples({"evaluation": drawn, "stop": stop}, {CUTS: dump_cuts(cuts)})
        work.store.add_queries("evaluation", 0, draw.to_queries(work.corpus, drawn))


def trust(work: Work) -> None:
    """Ask the trusted oracle, if the run has one, about its open questions.

    Raises:
        WaitingError: if answers stay pending.
    """
    if not rechecks.pending_trusted(work.store.engine):
        return
    with work.step("annotate", 0) as progress:
        pending, waiting = trusted.ask(work.store, work.config, work.corpus, progress)
    if pending:
        raise WaitingError(waiting, pending, [Awaited("evaluation", None, rechecks.FIRST_ATTEMPT)])
