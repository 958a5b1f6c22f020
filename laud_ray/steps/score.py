"""Score the corpus: zero-shot, and with each round's model."""

from collections.abc import Iterator, Mapping
from typing import get_args

from laud_ray.errors import RunError
from laud_ray.events import Event
from laud_ray.models import kinds
from laud_ray.models.language.label_prompt import Answers
from laud_ray.passes.incomplete import drop_incomplete
from laud_ray.passes.novelty import Beside
from laud_ray.passes.run import run_pass
from laud_ray.passes.scoring import rules_of
from laud_ray.passes.shortlists import Shortlist
from laud_ray.steps import changed, legible
from laud_ray.steps.selection import focus
from laud_ray.steps.selection.seed_walk import ClassRanking, ranking_depth, seed_cap, sought_groups
from laud_ray.steps.selection.strategy import depth, strategy_of
from laud_ray.steps.training.model import PROBE, is_made, train
from laud_ray.steps.work import Work
from laud_ray.types import QueryStrategy

ANSWERS: tuple[str, ...] = get_args(Answers)
LEAST_MASS, MOST_FLIPS = 0.5, 0.1


def zero_shot(work: Work) -> None:
    """Create the zero-shot model, and rank the corpus with it for the seed walk."""
    config, corpus = work.config, work.corpus
    with work.step("zero-shot", 0):
        learner = kinds.zero_shot(config.zero_shot, work.task, corpus.some_texts(PROBE), work.workers(0))
        train(learner, work.task, [], work.run.models, work.run.model_name(0), config.seed)
        groups = sought_groups(work.task, config)
        listed = ranking_depth(len(groups.names), seed_cap(config))
        _pass(work, 0, Shortlist(ClassRanking(groups), listed, frozenset(), (config.seed, 0)))


def score(work: Work, round: int, beside: Beside | None = None) -> None:
    """Score the corpus with a round's model, and shortlist the candidates for the next queries."""
    asked = frozenset(a.query.document.id for a in work.store.queries())
    strategy: QueryStrategy
    if leaves := changed.record(work.store, work.config, round):
        strategy = focus.ranking_of(leaves, work.task.names)
        listed = focus.ranking_depth(work.config.query.batch)
    else:
        strategy = strategy_of(work, rules=rules_of(work.run.models / work.run.model_name(round)))
        listed = depth(work, strategy)
    wanted = Shortlist(strategy, listed, asked, (work.config.seed, round))
    with work.step("score", round):
        _pass(work, round, wanted, beside)


def score_only(work: Work, round: int, beside: Beside | None = None) -> None:
    """Score what has no scores with the model of a round whose labels have changed since: nothing is chosen by it."""
    if {part.name for part in work.corpus.ranges} - work.run.scores(round).names():
        with work.step("score", round):
            _pass(work, round, None, beside)


def heal(work: Work, round: int, beside: Beside | None = None) -> None:
    """Score what the model of a closed round has no scores of: what was appended since, or files that were deleted.

    Args:
        work: the run.
        round: its number.
        beside: what to measure with the vectors of the texts, if the round is not the first.

    Raises:
        RunError: if the model is missing too.
    """
    if not drop_incomplete(work.corpus, work.run.scores(round)):
        return
    name = work.run.model_name(round)
    if round == 0:
        zero_shot(work)
    elif is_made(work.run.models, name):
        score(work, round, beside)
    else:
        raise RunError(
            f"{work.run.scores(round).uri}: some scores are missing, and so is the model {name} that made them; "
            "expected at least one of the two"
        )


def _pass(work: Work, round: int, shortlist: Shortlist | None, beside: Beside | None = None) -> None:
    name, step = work.run.model_name(round), "score" if round else "zero-shot"
    reached = 0

    def progress(done: int, total: int) -> None:
        nonlocal reached
        reached = total
        work.observer(Event("progress", step, round, done, total))

    result = run_pass(
        work.corpus,
        (work.run.models / name).absolute(),
        work.run.scores(round),
        name=name,
        shortlist=shortlist,
        beside=beside,
        workers=work.workers(round),
        progress=progress,
    )
    if result.errors:
        work.observer(Event("progress", step, round, reached, reached, errors=result.errors))
    remark = legible.add(work.store, round, result.legibility)
    for line in [*remarks(result.health), *([remark] if remark else [])]:
        work.note(step, round, line)


def remarks(health: Mapping[str, float]) -> Iterator[str]:
    """Yield a note on the answers that were chosen, and for each measurement of a scorer that shows a problem."""
    if "chosen" in health:
        yield _chosen(health)
    # Keywords and words were chosen by how often they are right, however little of the probability is on them.
    if health.get("label_mass", 1.0) < LEAST_MASS and not health.get("chosen"):
        yield (
            f"only {health['label_mass']:.0%} of the model's next-token probability is on the codes of the labels: "
            "it does not follow the prompt"
        )
    if health.get("order_flips", 0.0) > MOST_FLIPS:
        other = (
            "" if "chosen" in health else ", and `answers: auto` compares other answers, which a small model may know"
        )
        yield (
            f"{health['order_flips']:.0%} of a sample get another label if the order of the labels in the prompt "
            f"changes; a higher `orders` in a new run averages over several orders{other}"
        )


def _chosen(health: Mapping[str, float]) -> str:
    """Say which answers a language model gives, and why."""
    by = "have the annotated label" if health["by_annotations"] else "agree with the encoder"
    right = {answers: f"{health[f'{answers}_right']:.0%}" for answers in ANSWERS if f"{answers}_right" in health}
    chosen = ANSWERS[int(health["chosen"])]
    others = ", ".join(f"of {answers} {share}" for answers, share in right.items() if answers != chosen)
    n = int(health["compared"])
    return f"the model answers with {chosen}: on {n} documents, {right[chosen]} of them {by}, {others}"
