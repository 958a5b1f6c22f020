"""The steps of a run with their documents, tokens, calls, dollars and hours."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from laud_ray.config import (
    CausalConfig,
    EncoderConfig,
    InContextConfig,
    LinearConfig,
    LlmConfig,
    PeopleConfig,
    RunConfig,
    VllmZeroShotConfig,
    people_in,
    unpriced,
)
from laud_ray.data.corpus import Corpus
from laud_ray.models.language.in_context import ORDERS
from laud_ray.planning.speed import fixed
from laud_ray.planning.speed.devices import Device
from laud_ray.planning.speed.model_size import parameters
from laud_ray.planning.speed.pace import Pace, answering, scoring, training
from laud_ray.planning.tokens import Section, asked, computed
from laud_ray.steps.selection.seed_walk import seed_cap
from laud_ray.steps.training.model import PROBE, memory_size
from laud_ray.types import Task

# Active time of a person for an answer, where nothing is known yet.
SECONDS_PER_ANSWER = 8.0


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the plan.

    Attributes:
        tokens: computed tokens; a prompt prefix that documents share counts once.
        hours: on the planned devices, start-up included; None if an external endpoint or nobody computes.
        people_hours: of the people who answer; None if none do.
        dollars: None for the calls of an endpoint without prices.
        start_up: the part of `hours` for the start of workers and engines and the loading of models.
        measured: whether the model itself was run for a moment on this machine; else hours are the number of
            operations over the device's speed.
    """

    name: str
    documents: int
    tokens: int
    calls: int = 0
    dollars: float | None = 0.0
    hours: float | None = None
    people_hours: float | None = None
    start_up: float = 0.0
    measured: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is planned."""

    config: RunConfig
    task: Task
    corpus: Corpus
    texts: tuple[str, ...]
    device: Device


def steps(run: Run) -> Iterator[Step]:
    """Yield the steps of a run in their order."""
    config, rounds = run.config, most_rounds(run.config)
    yield Step("start of Ray", 0, 0, hours=fixed.RAY / 3600, start_up=fixed.RAY / 3600)
    yield _passes("zero-shot pass", run, config.zero_shot, 1)
    yield from _answers(run)
    trained = _training(run, config.learner, rounds)
    yield from () if trained is None else (trained,)
    yield _passes(f"score passes ({rounds})", run, config.learner, rounds)


def shortest_walk(config: RunConfig) -> int:
    """Return the fewest queries that the seed may take: each one finds a document of its class."""
    return min(seed_cap(config), config.init.per_class * len(config.task.to_task().labels))


def most_rounds(config: RunConfig) -> int:
    """Return the most rounds that the budget allows; other rules may stop the run before."""
    left = config.budget.annotations - shortest_walk(config)
    limit = min((rule.maximum for rule in config.stop if rule.kind == "rounds"), default=None)
    most = 1 + math.ceil(left / config.query.batch)
    return most if limit is None else min(most, limit)


def llms_in(oracle: Any) -> list[LlmConfig]:
    """Return the language models of an oracle. In the worst case a cascade asks every one of them."""
    return [one for one in getattr(oracle, "oracles", (oracle,)) if isinstance(one, LlmConfig)]


def answers_of(people: PeopleConfig, documents: int) -> int:
    """Return the answers of people, those of the random share that is asked twice included."""
    twice = people.twice if people.team > 1 and people.per_document == 1 else 0.0
    return math.ceil(documents * (people.per_document + twice))


def _passes(name: str, run: Run, section: Section, passes: int) -> Step:
    documents = passes * run.corpus.pool_size
    needs = computed(section, run.task, run.texts)
    pace = scoring(section, needs, run.texts, run.device, run.config.resources)
    # The last ranges keep only some of the workers busy.
    ranges = len(run.corpus.ranges)
    slots = min(pace.slots, ranges)
    uneven = math.ceil(ranges / slots) * slots / ranges if slots >= 1 else 1.0
    first = section is run.config.zero_shot
    begin = fixed.passes(section, passes, needs.size, first=first, gpu=run.device.is_gpu)
    if isinstance(section, VllmZeroShotConfig | InContextConfig):
        # Each engine reads some documents in several orders of the labels before it scores.
        begin += passes * PROBE * max(1.0, ORDERS / needs.prompts) * pace.seconds
    seconds = uneven * documents * pace.seconds / slots
    tokens = round(documents * needs.each + passes * needs.shared)
    return _step(name, documents, tokens, seconds, begin, pace)


def _answers(run: Run) -> Iterator[Step]:
    """Yield the steps in which oracles answer."""
    config = run.config
    seed, budget = seed_cap(config), config.budget.annotations
    left = max(0, budget - seed)
    again = int(config.audit.share * left) // config.audit.every
    trusted, more = config.trusted_oracle(), most_rounds(config) - 1
    calls = (
        ("evaluation", config.evaluation_oracle()[1], config.evaluation.size, 0, False),
        *((("evaluation, trusted", trusted[1], config.evaluation.trusted or 0, 0, False),) if trusted else ()),
        ("seed (at most)", config.oracle, seed, 0, True),
        ("queries", config.oracle, left - again, more, True),
        *((("asked again (at most)", config.second_oracles()[0][1], again, more, True),) if again else ()),
    )
    started = set[str]()
    # The evaluation sample is asked about before there are annotated examples to show.
    for name, one, documents, times, annotated in calls:
        for llm in llms_in(one):
            starts = (times if engine_makes_room(run) else 0) or (llm.model not in started)
            shown = llm if annotated else llm.model_copy(update={"examples": 0})
            yield _calls(f"{name}: {llm.model}", run, shown, documents, starts)
            started.add(llm.model)
        if (people := people_in(one)) is not None:
            answers = answers_of(people, documents)
            hours = answers * SECONDS_PER_ANSWER / 3600
            yield Step(f"{name}: people", documents, 0, answers, hours * people.hourly, people_hours=hours)
        if not llms_in(one) and people is None:
            yield Step(name, documents, 0, documents)


def engine_makes_room(run: Run) -> bool:
    """Whether an oracle's engine, which stays for a run, has to stop when training or a pass needs its GPUs."""
    resources = run.config.resources
    return run.device.is_gpu and bool(resources.gpus_per_worker or resources.gpus_per_scorer)


def _calls(name: str, run: Run, oracle: LlmConfig, documents: int, starts: int) -> Step:
    """Return the step in which a language model answers about documents; its engine starts `starts` times."""
    call = asked(oracle, run.task, run.texts)
    calls = round(documents * oracle.votes * call.questions)
    given = round(calls * (call.fixed + call.own))
    dollars = oracle.dollars(given, calls * call.answer)
    tokens = given + calls * call.answer
    if oracle.engine == "openai":
        return Step(name, documents, tokens, calls, None if unpriced(oracle) else dollars)
    tokens -= round(max(0, calls - 1) * call.fixed)
    pace = answering(oracle, call, parameters(oracle.model, causal=True), run.device)
    begin = min(starts, calls) * fixed.oracle(gpu=run.device.is_gpu)
    return _step(name, documents, tokens, calls * pace.seconds / pace.slots, begin, pace, calls, dollars)


def _training(run: Run, learner: Section, rounds: int) -> Step | None:
    """Return the step of training in all rounds; None if the learner does not train."""
    if not isinstance(learner, EncoderConfig | CausalConfig | LinearConfig):
        return None
    config, needs = run.config, computed(learner, run.task, run.texts)
    shortest, batch = shortest_walk(config), config.query.batch
    sizes = [min(config.budget.annotations, shortest + i * batch) for i in range(rounds)]
    pace = training(learner, needs, run.task, run.texts, run.device, config.resources)
    begin = rounds * fixed.training(learner, config.resources.workers)
    if isinstance(learner, LinearConfig):
        seconds = sum(fixed.solving(n, len(run.task.labels)) + n * pace.seconds for n in sizes)
        return _step("training", sum(sizes), round(sum(sizes) * needs.each), seconds, begin, pace)
    kind = run.task.kind
    epochs = [learner.epochs_for(n) if isinstance(learner, CausalConfig) else learner.epochs_for(kind) for n in sizes]
    examples = sum(n * times for n, times in zip(sizes, epochs, strict=True))
    # Each step computes the prefix once, and the last one of an epoch has fewer examples.
    packs = sum(math.ceil(n / learner.batch) * times for n, times in zip(sizes, epochs, strict=True))
    tokens = round(examples * needs.each + packs * needs.shared)
    # A language model is trained token by token, with the prefix of each pack; an encoder text by text.
    seconds = (tokens if isinstance(learner, CausalConfig) else examples) * pace.seconds / pace.slots
    if isinstance(learner, EncoderConfig):
        held = memory_size(learner.memory, run.task, run.corpus.pool_size)
        seconds += rounds * held * fixed.MEMORY * pace.seconds
    return _step("training", examples, tokens, seconds, begin, pace)


def _step(
    name: str,
    documents: int,
    tokens: int,
    seconds: float,
    begin: float,
    pace: Pace,
    calls: int = 0,
    dollars: float = 0.0,
) -> Step:
    hours = (seconds + begin) / 3600
    return Step(name, documents, tokens, calls, dollars, hours, start_up=begin / 3600, measured=pace.measured)
