"""The same budget three ways: a language model alone, a language model and people, people alone.

And the price of labelling every document with a language model instead of a run. What the configuration does not say
is assumed, and every assumption is a sentence of the result.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from laud_ray.config import LlmConfig, PeopleConfig, people_in
from laud_ray.planning.speed import fixed
from laud_ray.planning.speed.model_size import parameters
from laud_ray.planning.speed.pace import answering
from laud_ray.planning.steps import SECONDS_PER_ANSWER, Run, answers_of, engine_makes_room, llms_in, most_rounds
from laud_ray.planning.tokens import Asked, asked
from laud_ray.stats.estimates.design import Split, best_split, exact_interval, split

# Dollars for an hour of a person, where the configuration has no price.
HOURLY = 35.0
# Dollars per million tokens, given, given again and answered: a list price of a small hosted model in early 2026.
INPUT_PRICE, CACHED_PRICE, OUTPUT_PRICE = 0.25, 0.025, 2.0
# Seconds in which an endpoint answers a call.
CALL_SECONDS = 1.0
# The accuracy at which intervals are reckoned, and the correlation between what a language model and people say about
# a prediction being right.
ACCURACY, RHO = 0.85, 0.7
# The share of documents of which a language model is not sure, so that people answer.
UNSURE = 0.2
LLM, BOTH, PEOPLE = "LLM alone", "LLM and people", "people alone"


@dataclass(frozen=True, slots=True)
class Prices:
    """What an answer costs.

    Attributes:
        model: of the language model; None if none is configured.
        call: tokens of a call.
        input, cached, output: dollars per million tokens. `cached` is for the part of the prompt that all calls have
            in common.
        votes: calls of the language model for a document.
        person: dollars for a document that people answer.
        person_hours: their hours for it.
    """

    model: str | None
    call: Asked
    input: float
    cached: float
    output: float
    votes: int
    person: float
    person_hours: float

    @property
    def llm(self) -> float:
        """Dollars for a document that the language model answers."""
        call = self.call
        once = call.fixed * self.cached + call.own * self.input + call.answer * self.output
        return self.votes * once / 1e6


@dataclass(frozen=True, slots=True)
class Way:
    """One way to spend the budget: its annotations and its evaluation sample.

    Attributes:
        dollars: of all answers.
        hours: of the run's computing and of the language model that answers.
        people_hours: of people.
        documents: of the evaluation sample: with an answer of the language model, and of people.
        low, high: the 95 % interval that the sample leaves at the assumed accuracy. For a language model alone, it is
            the interval of the agreement with the language model, whose own errors are not in it.
        of: what the interval is about: `accuracy`, or `agreement with the LLM`.
    """

    name: str
    dollars: float
    hours: float
    people_hours: float
    llm_documents: int
    people_documents: int
    low: float
    high: float
    of: str

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


@dataclass(frozen=True, slots=True)
class Everything:
    """The price of labelling every distinct document with a language model instead.

    Attributes:
        tokens: of a call: the part that all calls have in common, its own, and the answer.
        hours: with the configured requests in flight, or on the planned device.
    """

    model: str | None
    documents: int
    fixed_tokens: float
    own_tokens: float
    answer_tokens: float
    dollars: float
    hours: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The three ways, the price of everything, and what they assume."""

    ways: tuple[Way, ...]
    everything: Everything
    assumptions: tuple[str, ...]


def compare(run: Run, hours: float) -> Comparison:
    """Compare the ways to spend a run's budget.

    Args:
        run: the run.
        hours: of its computing, without a language model that answers.
    """
    llm, people = _configured(run)
    found = prices(llm, people, asked(llm or _any_llm(), run.task, run.texts))
    ways = tuple(_ways(run, found, llm, hours))
    documents = run.corpus.pool_size
    call = found.call
    everything = Everything(
        found.model,
        documents,
        call.fixed,
        call.own,
        call.answer,
        documents * found.llm,
        _llm_hours(run, llm, call, documents * found.votes, times=1),
    )
    return Comparison(ways, everything, tuple(_assumptions(llm, people)))


def prices(llm: LlmConfig | None, people: PeopleConfig | None, call: Asked) -> Prices:
    """Return what an answer costs: as configured, or else as assumed."""
    if llm is not None and (llm.priced or llm.engine == "vllm"):
        # There is no price for the part that an endpoint has cached, so all of the prompt is paid in full.
        rates = (llm.input_price, llm.input_price, llm.output_price)
    else:
        rates = (INPUT_PRICE, CACHED_PRICE, OUTPUT_PRICE)
    asked_people = people or PeopleConfig(kind="people")
    hours = answers_of(asked_people, 1000) / 1000 * SECONDS_PER_ANSWER / 3600
    hourly = asked_people.hourly or HOURLY
    votes = 1 if llm is None else llm.votes
    return Prices(None if llm is None else llm.model, call, *rates, votes, hours * hourly, hours)


def design(size: int, trusted: int | None, found: Prices, most: int) -> Split:
    """Return how a language model and people share an evaluation sample.

    Args:
        size: of the evaluation sample that people alone would answer.
        trusted: how many of `size` people answer, as configured; None: the cheapest split that leaves the interval of
            people alone.
        found: the prices.
        most: the most documents that can be in the sample.
    """
    if trusted is not None:
        return split(trusted, size, RHO)
    return best_split(size, found.llm, found.person, RHO, max(most, size))


def _ways(run: Run, found: Prices, llm: LlmConfig | None, hours: float) -> Sequence[Way]:
    budget, size = run.config.budget.annotations, run.config.evaluation.size
    times = most_rounds(run.config) if engine_makes_room(run) else 1

    def way(name: str, llm_learns: float, people_learn: float, sample: Split | None, n: float, of: str) -> Way:
        by_llm = llm_learns + (size if name == LLM else 0 if sample is None else sample.cheap)
        by_people = people_learn + (0 if name == LLM else size if sample is None else sample.trusted)
        low, high = exact_interval(ACCURACY, n)
        measured = (size, 0) if name == LLM else (0, size) if sample is None else (sample.cheap, sample.trusted)
        return Way(
            name,
            by_llm * found.llm + by_people * found.person,
            hours + (_llm_hours(run, llm, found.call, by_llm * found.votes, times) if by_llm else 0.0),
            by_people * found.person_hours,
            round(measured[0]),
            round(measured[1]),
            low,
            high,
            of,
        )

    both = design(size, run.config.evaluation.trusted, found, run.corpus.pool_size // 2)
    return (
        way(LLM, budget, 0, None, size, "agreement with the LLM"),
        way(BOTH, budget, UNSURE * budget, both, both.effective, "accuracy"),
        way(PEOPLE, 0, budget, None, size, "accuracy"),
    )


def _llm_hours(run: Run, llm: LlmConfig | None, call: Asked, calls: float, times: int) -> float:
    """Return the hours in which a language model answers calls: at an endpoint, or on the planned device.

    On a device its engine starts a number of times, once for the calls of each step.
    """
    if llm is None or llm.engine == "openai":
        return calls * CALL_SECONDS / (_any_llm() if llm is None else llm).concurrency / 3600
    pace = answering(llm, call, parameters(llm.model, causal=True), run.device)
    return (calls * pace.seconds / pace.slots + times * fixed.oracle(gpu=run.device.is_gpu)) / 3600


def _configured(run: Run) -> tuple[LlmConfig | None, PeopleConfig | None]:
    """Return the first language model and the people that the configuration asks, if any."""
    all_asked = run.config.asked_oracles().values()
    llm = next((one for oracle in all_asked for one in llms_in(oracle)), None)
    return llm, next((one for oracle in all_asked if (one := people_in(oracle)) is not None), None)


def _any_llm() -> LlmConfig:
    return LlmConfig(kind="llm", engine="openai", model="a small hosted model")


def _assumptions(llm: LlmConfig | None, people: PeopleConfig | None) -> Sequence[str]:
    said = []
    if llm is not None and llm.priced:
        said.append(
            f"{llm.model} costs ${llm.input_price:g} and ${llm.output_price:g} per million tokens given and answered, "
            "as configured; a discount for cached tokens is not counted"
        )
    elif llm is not None and llm.engine == "vllm":
        said.append(f"{llm.model} runs on this cluster, and its answers cost no dollars beside the machines' price")
    else:
        whose = "a small hosted model" if llm is None else llm.model
        said.append(
            f"{whose} is assumed to cost ${INPUT_PRICE:g}, ${CACHED_PRICE:g} and ${OUTPUT_PRICE:g} per million tokens "
            "given, cached and answered (a list price of early 2026); set input_price and output_price of an llm oracle"
        )
    if llm is None or llm.engine == "openai":
        said.append(f"an endpoint is assumed to answer a call in {CALL_SECONDS:g} second")
    if people is not None and people.hourly:
        said.append(f"people cost ${people.hourly:g} an hour, as configured")
    else:
        said.append(f"people are assumed to cost ${HOURLY:g} an hour; set hourly of a people oracle")
    return [
        *said,
        f"a person is assumed to take {SECONDS_PER_ANSWER:g} seconds for an answer, and to answer "
        f"{UNSURE:.0%} of the annotations with an LLM, those of which it is not sure",
        f"intervals are at an assumed accuracy of {ACCURACY:.0%}; an LLM's answers are assumed to correlate by {RHO:g} "
        "with people's on whether a prediction is right",
        f"{LLM}: its interval is that of the agreement with the LLM, whose own errors are not in it",
    ]
