"""The run: corpus -> zero-shot pass -> seed -> [train -> score -> evaluate -> stop? -> select -> annotate].

LAUD, arXiv 2511.14738. The order is the paper's: a round stops before it buys annotations, never after, so that
no answer is paid for that no model learns from.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray import models, oracles, push, query, second_opinions
from laud_ray.calls import Ledger
from laud_ray.cluster import connect
from laud_ray.config import EncoderConfig, EncoderZeroShotConfig, OracleConfig, RunConfig
from laud_ray.corpus import Corpus, normalise, open_corpus
from laud_ray.dispatch import Workers
from laud_ray.encoding import BUNDLED
from laud_ray.errors import ConfigError, RunError
from laud_ray.events import Event as Event
from laud_ray.events import Observer as Observer
from laud_ray.feedback import Feedback, judge
from laud_ray.model_folder import DESCRIPTION
from laud_ray.neighbours import Neighbours
from laud_ray.passes import run_pass
from laud_ray.query.auto import Choice, choose
from laud_ray.query.space import committee, reach
from laud_ray.run_folder import RunFolder, claim
from laud_ray.shortlists import Shortlist, read_shortlist, to_candidates
from laud_ray.stages import audit, auto, sample
from laud_ray.stages.annotate import annotate
from laud_ray.stages.evaluate import agreement, evaluate_round, knows
from laud_ray.stages.heal import lost_ranges
from laud_ray.stages.nearby import Nearby
from laud_ray.stages.seed import (
    ClassRanking,
    next_wave,
    nothing_to_learn,
    outcome,
    ranking_depth,
    shortfall,
    to_rankings,
)
from laud_ray.stages.select import select, shortlist_depth
from laud_ray.stages.space import known, survey, survey_scored
from laud_ray.stages.stop import reconsider, verdict
from laud_ray.stages.strata import CUTS, Population, dump_cuts
from laud_ray.stages.train import memory_size, to_examples, to_memory, train
from laud_ray.store import Answered
from laud_ray.training import Resources
from laud_ray.types import Candidates, Example, Oracle, Purpose, QueryStrategy, RoundResult, Space

logger = logging.getLogger(__name__)

# Texts on which a language model's label bias is measured; each costs a prompt when its engine starts.
PROBE = 64
LEAST_MASS, MOST_FLIPS = 0.5, 0.1
ZERO_SHOT_DONE = "the zero-shot pass is done; `laud run` without --zero-shot-only goes on from it"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call of `run` ended: finished for the reason given, or waiting for `pending` answers."""

    state: Literal["finished", "waiting"]
    reason: str
    model: str | None
    pending: int = 0


def run(config: RunConfig, observer: Observer = lambda event: None, *, zero_shot_only: bool = False) -> Outcome:
    """Start a run, or continue the one in config.storage, until a stop rule ends it or answers are pending.

    A finished run goes on if its budget was raised or its stop rules changed, and none of them ends it now.

    Args:
        zero_shot_only: finish after the zero-shot pass, before anything is asked; a later call goes on from there.

    Raises:
        UserError: if something that the user gave is wrong; nothing half-written is left.
    """
    with claim(config) as folder:
        reason = reconsider(config, folder.store)
        if reason is not None:
            return Outcome("finished", reason, folder.store.setting("current"))
        connect()
        return _Loop(folder, observer, zero_shot_only).go()


class _WaitingError(Exception):
    """Answers are pending, for the reason given: the run can go on when they are there."""


class _Loop:
    """The steps in order. What a step needs of earlier ones it reads from the store and the run's files."""

    def __init__(self, folder: RunFolder, observer: Observer, zero_shot_only: bool) -> None:
        self._folder, self._observer, self._zero_shot_only = folder, observer, zero_shot_only
        self._config, self._store = folder.config, folder.store
        self._task = folder.config.task.to_task()
        self._pending = 0

    def go(self) -> Outcome:
        try:
            reason = self._rounds()
        except _WaitingError as waiting:
            return Outcome("waiting", str(waiting), self._store.setting("current"), self._pending)
        return Outcome("finished", reason, self._store.setting("current"))

    def _rounds(self) -> str:
        """The loop, as in the paper's pseudo-code."""
        corpus = self._corpus()
        round = len(self._store.history())
        if round == 0:
            self._zero_shot(corpus)
            if self._zero_shot_only:
                return ZERO_SHOT_DONE
            self._draw_evaluation(corpus)
            self._annotate(corpus, "evaluation", 0)
            self._close(corpus, 0)
            round = 1
        elif self._zero_shot_only:
            return ZERO_SHOT_DONE
        self._heal(corpus, round - 1)
        if round == 1:
            self._seed(corpus)
            if (reason := self._one_sided()) is not None:
                return reason
        else:
            # The process before may have ended anywhere between closing the last round and having all its answers.
            self._query(corpus, round - 1)
        while True:
            self._train(corpus, round)
            self._score(corpus, round)
            reason = self._close(corpus, round)
            if reason is not None:
                return reason
            self._query(corpus, round)
            round += 1

    def _heal(self, corpus: Corpus, round: int) -> None:
        """Score again what was deleted of the last closed round, whose scores come next."""
        if not lost_ranges(corpus, self._folder.scores(round)):
            return
        name = self._folder.model_name(round)
        if round == 0:
            self._zero_shot(corpus)
        elif self._has(name):
            self._score(corpus, round)
        else:
            raise RunError(
                f"{self._folder.scores(round).uri}: scores are missing, and so is the model {name} that made them; "
                "expected either"
            )

    def _query(self, corpus: Corpus, round: int) -> None:
        self._audit(corpus, round)
        self._select(corpus, round)
        self._annotate(corpus, "query", round)

    def _corpus(self) -> Corpus:
        models.check(self._config.learner, self._config.zero_shot, self._task)
        asked = self._config.asked_oracles()
        for where, one in asked.items():
            oracles.check(one, where)
        corpus = open_corpus(self._folder.corpus)
        if corpus is None:
            with self._step("corpus", 0):
                corpus = normalise(self._config.corpus, self._folder.corpus, sealed=oracles.sealed_column(asked))
        for where, one in asked.items():
            oracles.check_column(one, self._task, corpus, where)
        if corpus.pool_size < 2 * self._config.evaluation.size:
            raise ConfigError(
                f"evaluation.size: {self._config.evaluation.size} of {corpus.pool_size} distinct documents; "
                "expected at most half of them, since these documents never train"
            )
        return corpus

    def _zero_shot(self, corpus: Corpus) -> None:
        with self._step("zero-shot", 0):
            learner = models.zero_shot(self._config.zero_shot, self._task, corpus.some_texts(PROBE))
            train(learner, self._task, [], self._folder.models, self._folder.model_name(0), self._config.seed)
            depth = ranking_depth(len(self._task.labels), self._seed_cap())
            wanted = Shortlist(ClassRanking(), depth, frozenset(), (self._config.seed, 0), corpus.pool_size)
            self._pass(corpus, 0, wanted)

    def _draw_evaluation(self, corpus: Corpus) -> None:
        """Draw the evaluation sample and the stop set, and record the queries for the first."""
        if self._store.queries("evaluation"):
            return
        with self._step("sample", 0):
            settings = self._config.evaluation
            stratify = self._task.kind == "binary" if settings.stratify is None else settings.stratify
            positive = self._task.names[0] if stratify and self._task.kind == "binary" else None
            everything = Population(corpus, self._folder.scores, positive)
            cuts = () if positive is None else (sample.cut(everything, 0, [sample.STRATA]),)
            drawn = sample.draw(replace(everything, cuts=cuts), settings.size, seed=(self._config.seed, 1))
            stop = sample.draw(everything, settings.stop_set, seed=(self._config.seed, 2))
            self._store.set_samples({"evaluation": drawn, "stop": stop}, {CUTS: dump_cuts(cuts)})
            self._store.add_queries("evaluation", 0, sample.to_queries(corpus, drawn))

    def _seed(self, corpus: Corpus) -> None:
        """Walk down the zero-shot rankings, a wave of queries at a time, until no class lacks any or has its share."""
        names, init = self._task.names, self._config.init
        depth = ranking_depth(len(names), self._seed_cap())
        rankings = to_rankings(read_shortlist(corpus, self._folder.scores(0), depth), names)
        held_out = {one.document_id for one in self._store.sample("evaluation")}
        rankings = [[q for q in ranking if q.document.id not in held_out] for ranking in rankings]
        nearby, cap = Nearby(rankings, Neighbours().embed), self._seed_cap()
        while True:
            self._annotate(corpus, "seed", 1)
            asked = self._store.queries("seed")
            wave = next_wave(rankings, asked, names, per_class=init.per_class, cap=cap, nearness=nearby)
            if not wave:
                break
            self._store.add_queries("seed", 1, wave)
        if (short := shortfall(outcome(asked, names), init.per_class)) is not None:
            self._observer(Event("note", "annotate", 1, note=short))

    def _one_sided(self) -> str | None:
        """End the run, with the reason, if the seed found too little for any model to learn from."""
        asked, names = self._store.queries("seed"), self._task.names
        learned = {example.label for example in to_examples(asked, self._judged(self._store.feedback()))}
        reason = nothing_to_learn(outcome(asked, names), learned)
        if reason is not None:
            self._store.set_stop_reason(reason)
        return reason

    def _train(self, corpus: Corpus, round: int) -> None:
        examples = to_examples(self._believed(round), self._said(round))
        with self._step("train", round, total=len(examples)):
            resources = self._config.resources
            where = (self._folder.folder / "training").uri if resources.workers else None
            learner = models.build(
                self._config.learner,
                self._config.zero_shot,
                Resources(resources.workers, resources.gpus_per_worker, where),
                self._task,
                self._sample(corpus),
            )
            name = self._folder.model_name(round)
            train(learner, self._task, examples, self._folder.models, name, self._config.seed)

    def _asked(self, before: int | None = None) -> list[Answered]:
        """Seed and query answers, with one label where there are several answers.

        Args:
            before: what an earlier round than this asked for.
        """
        asked = [*self._store.queries("seed"), *self._store.queries("query")]
        labels = audit.settled(self._config, second_opinions.opinions(self._store.engine, before)).labels
        return audit.with_settled(
            [a for a in asked if before is None or a.round < before or a.purpose == "seed"], labels
        )

    def _audit(self, corpus: Corpus, round: int) -> None:
        """Ask again about what is probably wrong, in place of some of the round's queries."""
        engine = self._store.engine
        decided = self._store.queries("query", round) or second_opinions.asked_in(engine, round)
        n = 0 if decided else audit.quota(self._config, round, self._spent())
        if not n and not second_opinions.pending(engine, round):
            return
        with self._step("audit", round) as progress:
            second_opinions.record(engine, round, self._doubts(n) if n else [])
            self._pending, waiting = audit.ask_again(engine, lambda n: self._second(corpus, n, round), round, progress)
        if self._pending:
            raise _WaitingError(waiting or "answers are pending")

    def _encoder(self) -> str:
        """The encoder that an audit embeds with."""
        settings = self._config.zero_shot
        return settings.model if isinstance(settings, EncoderZeroShotConfig) else BUNDLED

    def _doubts(self, n: int) -> list[second_opinions.SecondQuery]:
        return audit.questions(self._judged_answers(), second_opinions.opinions(self._store.engine), n)

    def _believed(self, round: int) -> list[Answered]:
        """What a round's model learns: all answers that have a label; once all are bought, those probably right.

        Before that it would choose worse what to ask, and what it left out could be judged less well (docs/LOG.md).
        """
        if not self._config.audit.leaves_out or self._spent() < self._config.budget.annotations:
            return self._asked()
        with self._step("judge", round):
            judged = self._judged_answers()
        kept = audit.believed(judged)
        if left_out := len(judged.judgements) - len(kept):
            note = f"{left_out} of {len(judged.judgements)} answers are probably wrong and train nothing"
            self._observer(Event("note", "judge", round, note=f"{note}; about {judged.rate:.0%} are wrong in all"))
        return kept

    def _judged_answers(self) -> audit.Judged:
        return audit.judge(
            self._asked(),
            second_opinions.opinions(self._store.engine),
            self._task.names,
            lambda labelled: audit.out_of_fold(self._task, labelled, self._encoder(), seed=self._config.seed),
        )

    def _sample(self, corpus: Corpus) -> tuple[str, ...]:
        """The texts that the learner may look at beside its examples."""
        learner = self._config.learner
        if not isinstance(learner, EncoderConfig):
            return corpus.some_texts(PROBE)
        held_out = self._held_out()
        size = memory_size(learner.memory, self._task, corpus.pool_size)
        return to_memory(corpus.some_texts(size + len(held_out)), held_out, size)

    def _held_out(self) -> set[str]:
        """The texts that never train: those of the evaluation sample."""
        return {a.query.document.text for a in self._store.queries("evaluation")}

    def _said(self, round: int) -> dict[str, str]:
        """What people said that a round's model learns: labels by text, none of the evaluation sample."""
        return self._judged(self._store.feedback_of(round))

    def _judged(self, feedback: Sequence[Feedback]) -> dict[str, str]:
        held_out = self._held_out()
        verdicts = judge(feedback, self._task.names, self._config.corpus.max_chars)
        return {text: label for text, label in verdicts.labels.items() if text not in held_out}

    def _score(self, corpus: Corpus, round: int) -> None:
        asked = frozenset(a.query.document.id for a in self._store.queries())
        strategy = self._strategy()
        wanted = Shortlist(strategy, self._depth(strategy), asked, (self._config.seed, round), corpus.pool_size)
        with self._step("score", round):
            self._pass(corpus, round, wanted)

    def _close(self, corpus: Corpus, round: int) -> str | None:
        """Evaluate the round's model, decide whether to stop, and record both."""
        with self._step("evaluate", round):
            result = self._result(corpus, round)
            reason = verdict(self._config, [*self._store.history(), result])
        kind = self._config.learner.kind if round else models.ZERO_SHOT[self._config.zero_shot.engine]
        self._store.close_round(result, kind, reason)
        self._observer(Event("round", "evaluate", round, result=result))
        if result.accepted and (failure := push.reload(self._config.serving)) is not None:
            self._observer(Event("note", "evaluate", round, note=failure))
        return reason

    def _result(self, corpus: Corpus, round: int) -> RoundResult:
        figures = evaluate_round(self._folder, round)
        history, kappa, change = self._store.history(), None, None
        if round:
            before, after = self._folder.scores(round - 1), self._folder.scores(round)
            stop_set, binary = self._store.sample("stop"), self._task.kind == "binary"
            kappa, change = agreement(before, after, stop_set, self._task.names, binary=binary)
        return RoundResult(
            number=round,
            model=self._folder.model_name(round),
            annotations=self._spent(),
            budget=self._config.budget.annotations,
            pool=corpus.pool_size - len(self._store.queries()),
            figures=figures,
            kappa=kappa,
            # The floor: a model that does worse than zero-shot on the same documents is not taken.
            accepted=not history or figures.accuracy.value >= history[0].figures.accuracy.value,
            seconds=self._store.timings(round),
            feedback=len(self._said(round)) if round else 0,
            delta_f=change,
        )

    def _select(self, corpus: Corpus, round: int) -> None:
        """Record the queries of a round, unless that was done before a crash."""
        if self._store.queries("query", round):
            return
        with self._step("select", round) as progress:
            choice, settings = self._choice(round), self._config.query
            strategy = self._strategy(choice)
            again = second_opinions.asked_in(self._store.engine, round)
            left = self._config.budget.annotations - self._spent()
            listed = self._shortlist(corpus, round, strategy)
            chosen = select(
                strategy,
                f"auto, {choice.name}" if choice else settings.strategy,
                listed,
                [a.query.document.text for a in self._store.queries()],
                min(settings.batch - again, left),
                criteria=self._criteria(strategy),
                rng=np.random.default_rng([self._config.seed, round]),
                space=self._space(corpus, round, strategy, to_candidates(listed, self._criteria(strategy)), progress),
            )
            self._store.add_queries("query", round, chosen)

    def _space(
        self,
        corpus: Corpus,
        round: int,
        strategy: QueryStrategy,
        pool: Candidates,
        progress: Callable[[int, int], None],
    ) -> Space | None:
        """Where the candidates lie in the eyes of the round's model, if the strategy looks at it."""
        if not reach(strategy) or not len(pool):
            return None
        documents, labels = known(self._store.queries(), self._task.names)
        votes = committee(strategy)
        rounds = range(max(1, round - votes + 1), round + 1) if votes else [round]
        if self._config.learner.kind in models.ENGINES:
            scores = [self._folder.scores(one).absolute() for one in rounds]
            names = self._task.names
            return survey_scored(pool, documents, labels, names, corpus, scores, votes=votes > 0, progress=progress)
        trained = [name for one in rounds if self._has(name := self._folder.model_name(one))]
        voters = [(self._folder.models / name).absolute() for name in trained]
        workers = self._workers(round)
        return survey(pool, documents, labels, voters, votes=votes > 0, workers=workers, progress=progress)

    def _has(self, model: str) -> bool:
        return self._folder.models.exists(f"{model}/{DESCRIPTION}")

    def _depth(self, strategy: QueryStrategy) -> int:
        settings, criteria = self._config.query, self._criteria(strategy)
        return shortlist_depth(settings.batch, reach=reach(strategy), criteria=criteria, cap=settings.shortlist)

    def _criteria(self, strategy: QueryStrategy) -> int:
        k = len(self._task.labels)
        return int(strategy.utility(np.full((1, k), 1 / k)).shape[1])

    def _shortlist(self, corpus: Corpus, round: int, strategy: QueryStrategy) -> pa.Table:
        """Return the candidates of a round, less what was asked about since, as `laud evaluate --budget` does."""
        found = read_shortlist(corpus, self._folder.scores(round), self._depth(strategy))
        asked = pa.array([a.query.document.id for a in self._store.queries()], pa.string())
        return found.filter(pc.invert(pc.is_in(found.column("id"), value_set=asked)))

    def _annotate(self, corpus: Corpus, purpose: Purpose, round: int) -> None:
        """Get the answers to what is open; where some stay pending, the run waits."""
        open_queries = [a for a in self._store.queries(purpose, round) if not a.answered]
        if not open_queries:
            return
        with self._step("annotate", round) as progress:
            oracle = self._oracle(corpus, purpose, round)
            self._pending = annotate(self._store, oracle, purpose, round, progress)
        if self._pending:
            raise _WaitingError(getattr(oracle, "waiting", None) or "answers are pending")

    def _spent(self) -> int:
        """Answers that count against the budget."""
        counts = self._store.counts()
        return counts["seed"] + counts["query"] + counts["audit"]

    def _second(self, corpus: Corpus, attempt: int, round: int) -> Oracle:
        """Who answers when a document is asked about for the second or third time."""
        chain = [("oracle", self._config.oracle), *self._config.second_oracles()]
        where, config = chain[attempt - 1]
        if config in [one for _, one in chain[: attempt - 1]]:
            config = oracles.anew(config)
        examples = self._examples(before=round) if oracles.wants_examples(config) else []
        return self._built(corpus, config, where, examples, attempt)

    def _oracle(self, corpus: Corpus, purpose: Purpose, round: int) -> Oracle:
        where, config = self._config.evaluation_oracle() if purpose == "evaluation" else ("oracle", self._config.oracle)
        examples = self._examples(before=round) if purpose == "query" and oracles.wants_examples(config) else []
        return self._built(corpus, config, where, examples)

    def _built(
        self, corpus: Corpus, config: OracleConfig, where: str, examples: Sequence[Example], attempt: int = 1
    ) -> Oracle:
        ledger, seed = Ledger(self._store), self._config.seed
        return oracles.build(config, self._task, corpus, seed, ledger, examples=examples, where=where, attempt=attempt)

    def _examples(self, before: int) -> list[Example]:
        """What was annotated before a round asks: not what it adds itself, or a restart would ask differently."""
        return [Example(a.query.document.text, a.label) for a in self._asked(before) if a.label is not None]

    def _choice(self, round: int) -> Choice | None:
        """How `auto` asks after a round, as the round's own model and the answers of earlier rounds say."""
        if self._config.query.strategy != "auto":
            return None
        if (made := auto.kept(self._store, round)) is not None:
            return made
        asked, result = self._asked(before=round), self._store.history()[round]
        choice = choose(auto.evidence(result, knows(self._folder, round), asked, self._task.names))
        auto.keep(self._store, round, choice)
        self._observer(Event("note", "select", round, note=f"auto asks by {choice.name}: {choice.why}"))
        return choice

    def _strategy(self, choice: Choice | None = None) -> QueryStrategy:
        asked = self._asked()
        settings = self._config.query
        return query.build(
            settings.strategy,
            counts=[sum(a.label == name for a in asked) for name in self._task.names],
            mix=settings.mix if settings.strategy == "mix" else None,
            diversity=settings.diversity,
            answerable=settings.answerable and any(a.answered and a.label is None for a in asked),
            choice=choice,
        )

    def _seed_cap(self) -> int:
        return min(self._config.init.max_queries, self._config.budget.annotations)

    def _pass(self, corpus: Corpus, round: int, shortlist: Shortlist) -> None:
        name, step = self._folder.model_name(round), "score" if round else "zero-shot"
        reached = 0

        def progress(done: int, total: int) -> None:
            nonlocal reached
            reached = total
            self._observer(Event("progress", step, round, done, total))

        model = (self._folder.models / name).absolute()
        result = run_pass(
            corpus,
            model,
            self._folder.scores(round),
            name=name,
            shortlist=shortlist,
            workers=self._workers(round),
            progress=progress,
        )
        if result.errors:
            self._observer(Event("progress", step, round, reached, reached, errors=result.errors))
        for line in _unwell(result.health):
            self._observer(Event("note", step, round, note=line))

    def _workers(self, round: int) -> Workers:
        resources = self._config.resources
        engine = self._config.learner.kind in models.ENGINES if round else self._config.zero_shot.engine == "vllm"
        engines = resources.scorers if engine else 0
        return Workers(resources.cpus_per_scorer if engine else 1, resources.gpus_per_scorer, engines)

    @contextmanager
    def _step(self, step: str, round: int, total: int = 0) -> Iterator[Callable[[int, int], None]]:
        """Time a step and tell the observer; yields what the step calls to say how far it is."""
        began = time.monotonic()
        self._observer(Event("begin", step, round, total=total))
        yield lambda done, total: self._observer(Event("progress", step, round, done, total))
        seconds = time.monotonic() - began
        self._store.add_timing(round, step, seconds)
        self._observer(Event("end", step, round, total=total, seconds=seconds))


def _unwell(health: Mapping[str, float]) -> Iterator[str]:
    """Say what a scorer measured of itself that a person should know."""
    if health.get("label_mass", 1.0) < LEAST_MASS:
        yield (
            f"only {health['label_mass']:.0%} of the model's next-token probability is on the labels' codes: "
            "it does not follow the prompt"
        )
    if health.get("order_flips", 0.0) > MOST_FLIPS:
        yield (
            f"{health['order_flips']:.0%} of a sample get another label when the labels stand in another order: "
            "raise zero_shot.orders to average over several"
        )
