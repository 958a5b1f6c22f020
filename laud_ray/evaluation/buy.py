"""Buy further evaluation answers for a run, so that the figures of a model get narrower intervals.

In a run with `evaluation.trusted`, trusted answers are bought for documents of the sample that have only the run's own
answers, because the error of these dominates the interval. In other runs the sample itself grows.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from laud_ray import oracles
from laud_ray.cluster.connect import connect
from laud_ray.config import OracleConfig
from laud_ray.data.corpus import Corpus, open_corpus
from laud_ray.data.generations.manifest import FIRST, number_of
from laud_ray.errors import RunError
from laud_ray.evaluation import draw, trusted
from laud_ray.evaluation.enlarge import extend, headline, ids_outside_sample, needed
from laud_ray.evaluation.measure import evaluate_round, evaluation_answers
from laud_ray.evaluation.strata import CUTS, Population, dump_cuts, load_cuts
from laud_ray.events import Event, Observer
from laud_ray.models.language.warm import closing_engines
from laud_ray.oracles.asking import annotate
from laud_ray.store import model_records, rechecks
from laud_ray.store.ledger import Ledger
from laud_ray.store.registry import find
from laud_ray.store.run import RunFolder
from laud_ray.store.versions.tasks import require_current
from laud_ray.types import Estimate, Figures

Progress: TypeAlias = Callable[[int, int], None]

_PURCHASE = "evaluation purchase"


@dataclass(frozen=True, slots=True)
class Bought:
    """The result of a purchase.

    Attributes:
        bought: answers received in this call.
        pending: answers that are still missing, for the reason in `waiting`.
        resumed: whether this call resumed an earlier purchase instead of starting one.
        headline: name and estimate of the figure whose interval `width` is about.
        width: the wanted width of its 95 % interval.
        needed: an estimate of the answers in all that this width takes; None without a width.
    """

    model: str
    figures: Figures
    bought: int
    pending: int
    waiting: str
    resumed: bool
    headline: tuple[str, Estimate]
    width: float | None
    needed: int | None


@closing_engines()
def buy(
    run: RunFolder,
    n: int,
    *,
    model: str | None = None,
    width: float | None = None,
    observer: Observer = lambda event: None,
) -> Bought:
    """Buy at most n further answers from the most trusted oracle, and estimate a model's figures from all answers.

    The documents are drawn and recorded before the oracle is asked. A call after a crash, or while answers are
    pending, therefore resumes that purchase, with its own n, instead of starting another one.

    Args:
        model: the name of a model; by default the current one.
        width: the wanted width of the headline's 95 % interval. No more answers are bought than it is expected to take.

    Raises:
        RunError: if the model does not exist, or its scores were removed.
    """
    name = find(run, model)
    number = next(one.round for one in model_records.models(run.store.engine) if one.name == name)
    require_current(run.config, run.store, number)
    corpus = _open_scored(run, number)
    if run.config.evaluation.trusted is not None:
        return _buy_trusted(run, corpus, name, number, n, width, observer)
    answered = run.store.counts()["evaluation"]
    before = evaluate_round(run, number)
    purchase = json.loads(run.store.setting(_PURCHASE) or "{}")
    resumed = bool(purchase) and not purchase["done"]
    if not resumed and (wanted := _wanted(run, before, n, width)) > 0:
        purchase = {"number": purchase.get("number", 0) + 1, "done": False, "round": len(run.store.history()) - 1}
        _draw(run, corpus, number, wanted, purchase)
    pending, waiting = _ask(run, corpus, purchase, observer) if purchase and not purchase["done"] else (0, "")
    figures = evaluate_round(run, number)
    shown = headline(figures, run.config.task.to_task())
    if purchase and not pending:
        run.store.set(_PURCHASE, json.dumps({**purchase, "done": True}))
    bought = run.store.counts()["evaluation"] - answered
    goal = None if width is None else needed(shown[1], width, run.store.sample("evaluation"))
    return Bought(name, figures, bought, pending, waiting, resumed, shown, width, goal)


def _buy_trusted(
    run: RunFolder, corpus: Corpus, name: str, number: int, n: int, width: float | None, observer: Observer
) -> Bought:
    """Buy trusted answers for documents of the sample that have none; see `buy`."""
    store, task = run.store, run.config.task.to_task()
    answered, most, round = store.counts()["trusted"], len(store.queries("evaluation")), len(store.history()) - 1

    def goal(figures: Figures, width: float) -> int:
        _, estimate = headline(figures, task)
        return min(most, needed(replace(estimate, n=figures.trusted or 0), width, store.sample("evaluation")))

    resumed = bool(rechecks.pending_trusted(store.engine))
    wanted = n
    if width is not None:
        before = evaluate_round(run, number)
        wanted = min(n, goal(before, width) - (before.trusted or 0))
    if wanted > 0 and not resumed and not trusted.choose(store, wanted, seed=run.config.seed, round=round):
        raise RunError(
            f"{run.folder.uri}: the trusted oracle was already asked about all {most} documents of the evaluation "
            "sample; expected at least one more document"
        )
    pending, waiting = _ask_trusted(run, corpus, round, observer)
    figures = evaluate_round(run, number)
    bought = store.counts()["trusted"] - answered
    total = None if width is None else goal(figures, width)
    return Bought(name, figures, bought, pending, waiting, resumed, headline(figures, task), width, total)


def _ask_trusted(run: RunFolder, corpus: Corpus, round: int, observer: Observer) -> tuple[int, str]:
    """Ask the trusted oracle its open questions; return the number of pending answers, and the reason."""
    chosen = run.config.trusted_oracle()
    if chosen is None or not rechecks.pending_trusted(run.store.engine):
        return 0, ""
    _prepare_oracle(run, *chosen)
    return _observed(observer, round, lambda progress: trusted.ask(run.store, run.config, corpus, progress))


def _open_scored(run: RunFolder, number: int) -> Corpus:
    """Open the corpus, and check that the scores of a round, and those that define the strata, are complete.

    They need not hold documents that were appended later, because the sample is enlarged with others alone.
    """
    corpus = open_corpus(run.corpus)
    if corpus is None:
        raise RunError(f"{run.corpus.uri}: has no corpus; expected one, which `laud run` creates")
    for round in sorted({number, *(cut.round for cut in load_cuts(run.store.setting(CUTS)))}):
        if {part.name for part in corpus.of_generation(FIRST).ranges} - run.scores(round).names():
            name = run.model_name(round)
            raise RunError(
                f"{run.scores(round).uri}: the scores of {name} are incomplete; expected those of every range "
                "(`laud run` computes the scores of the last round again)"
            )
    if {one.range for one in run.store.sample("evaluation")} - run.scores(number).names():
        raise RunError(
            f"{run.scores(number).uri}: {run.model_name(number)} has no scores of documents that were appended later "
            "and are evaluated; expected a model that has, such as the current one"
        )
    return corpus


def _wanted(run: RunFolder, before: Figures, n: int, width: float | None) -> int:
    """Return how many answers to buy: n, or fewer if a width takes fewer."""
    if width is None:
        return n
    _, estimate = headline(before, run.config.task.to_task())
    return min(n, needed(estimate, width, run.store.sample("evaluation")) - before.n)


def _draw(run: RunFolder, corpus: Corpus, number: int, n: int, purchase: dict[str, int | bool]) -> None:
    """Record in one transaction the enlarged sample, how it was drawn, and that its purchase has started."""
    store, task = run.store, run.config.task.to_task()
    whole, cuts = store.sample("evaluation"), load_cuts(store.setting(CUTS))
    drawn = [one for one in whole if number_of(one.range) == FIRST]
    later = [one for one in whole if number_of(one.range) != FIRST]
    if not cuts and len({one.stratum for one in drawn}) > 1:
        raise RunError(
            f"{run.folder.uri}: the evaluation sample was drawn by an earlier version, which did not record its "
            "strata; expected a run of this version"
        )
    answers = evaluation_answers(store)
    trained = ids_outside_sample([a.query.document.id for a in store.queries()], drawn)
    positive = task.names[0] if task.kind == "binary" else None
    population = Population(corpus.of_generation(FIRST), run.scores, positive, cuts, trained)
    seed = (run.config.seed, 3, int(purchase["number"]))
    found = extend(population, drawn, answers, task, n, round=number, seed=seed)
    said = {CUTS: dump_cuts(found.cuts), _PURCHASE: json.dumps(purchase)}
    # The strata of later generations stay as they are, with numbers above those of the first.
    numbers = {one: found.cuts[-1].strata + i for i, one in enumerate(sorted({one.stratum for one in later}))}
    kept = [replace(one, stratum=numbers[one.stratum]) for one in later]
    store.set_samples({"evaluation": [*found.sample, *kept], "stop": store.sample("stop")}, said)


def _ask(run: RunFolder, corpus: Corpus, purchase: dict[str, int], observer: Observer) -> tuple[int, str]:
    """Record the missing queries of the sample and ask the open ones; return the pending answers, and the reason."""
    store = run.store
    asked = {a.query.document.id for a in store.queries()}
    learned = {one.text for one in store.feedback()}  # models may be trained on feedback, so it cannot evaluate them
    lacking = [one for one in store.sample("evaluation") if one.document_id not in asked]
    new = [query for query in draw.to_queries(corpus, lacking) if query.document.text not in learned]
    store.add_queries("evaluation", purchase["round"], new)
    rounds = {a.round for a in store.queries("evaluation") if not a.answered}
    asked_for = [_ask_about(run, corpus, round, observer) for round in sorted(rounds)]
    return sum(left for left, _ in asked_for), next((why for left, why in asked_for if left), "")


def _ask_about(run: RunFolder, corpus: Corpus, round: int, observer: Observer) -> tuple[int, str]:
    """Ask the open queries that were recorded under a round."""
    config = run.config
    where, chosen = config.evaluation_oracle()
    _prepare_oracle(run, where, chosen)
    oracle = oracles.build(chosen, config.task.to_task(), corpus, config.seed, Ledger(run.store), where=where)

    def ask(progress: Progress) -> tuple[int, str | None]:
        return annotate(run.store, oracle, "evaluation", round, progress), getattr(oracle, "waiting", None)

    return _observed(observer, round, ask)


def _observed(observer: Observer, round: int, ask: Callable[[Progress], tuple[int, str | None]]) -> tuple[int, str]:
    """Call `ask` and report its progress to the observer; return the pending answers, and the reason."""
    began = time.monotonic()
    observer(Event("begin", "annotate", round))
    left, waiting = ask(lambda done, total: observer(Event("progress", "annotate", round, done, total)))
    observer(Event("end", "annotate", round, seconds=time.monotonic() - began))
    return left, waiting or "answers are pending"


def _prepare_oracle(run: RunFolder, where: str, chosen: OracleConfig) -> None:
    """Check that an oracle can be asked, and connect to Ray if it needs that."""
    oracles.check(chosen, run.config.task.to_task(), where)
    if oracles.needs_ray(chosen):
        connect()
