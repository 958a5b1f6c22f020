"""What each oracle of a run is worth, as values. Prices are in dollars or seconds; shares are in [0, 1]."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from laud_ray.evaluation.probing.probe import Findings
from laud_ray.quality.oracles.accuracy import Accuracy
from laud_ray.quality.oracles.answers import Counts
from laud_ray.quality.oracles.split import Split
from laud_ray.quality.oracles.thresholds import Calibration
from laud_ray.quality.raters import Agreement, Confused
from laud_ray.report.oracle.alternative import Alternative
from laud_ray.report.oracle.calls import Calls
from laud_ray.store.probes import Probe
from laud_ray.types import Estimate


@dataclass(frozen=True, slots=True)
class Price:
    """What an oracle's labels cost, in one unit: dollars or seconds.

    Attributes:
        per_label: on the random documents; abstentions, retries and failed calls are shared out among the labels.
        per_right: of a right label; None where the accuracy is not measured.
        effective: of the information of one right label; None where the accuracy is not measured.
    """

    per_label: float
    per_right: Estimate | None
    effective: Estimate | None


@dataclass(frozen=True, slots=True)
class OracleShown:
    """An oracle of a run.

    Attributes:
        key: its place in the configuration; `places` are all of them.
        kind: replay, llm, people or cascade.
        trusted: whether its answers are the truth by which the others are measured.
        first: whether it is asked about every document, not only where another oracle of a cascade abstained.
        calls: of a language model.
        shares: the key of another oracle with the same model, whose calls are not told apart from its own.
        dollars: what all its answers cost; None if unknown, and `unpriced` says why.
        seconds: the median for an answer: a model's latency, or people's active time; None if unknown.
        total_seconds: of all answers together, as far as they are known.
        accuracy: of its labels; None if not measured, and `not_measured` says why, and how to.
        sampled: the random documents that its accuracy and prices are from, abstentions included.
        dollar_price, second_price: of its labels; None if unknown.
        confused: its label and, as the other one, the right label, where they differ; the most frequent first.
        calibration: of its confidence; None if it gives none, or no right labels are known.
        examples: how many annotated examples its prompts show, as soon as there are any.
    """

    key: str
    name: str
    kind: str
    places: tuple[str, ...]
    trusted: bool
    first: bool
    counts: Counts
    calls: Calls | None
    shares: str | None
    dollars: float | None
    unpriced: str | None
    seconds: float | None
    total_seconds: float | None
    accuracy: Accuracy | None
    not_measured: str | None
    sampled: int
    dollar_price: Price | None
    second_price: Price | None
    confused: tuple[Confused, ...]
    calibration: Calibration | None
    examples: int = 0


@dataclass(frozen=True, slots=True)
class OraclePage:
    """What each oracle of a run is worth.

    Attributes:
        run, storage: the task's name, and the run's folder or URI.
        classes: k, how many labels there are.
        sample: documents of the evaluation sample; `trusted` of them have a label of the trusted oracle.
        wanted: the accuracy that thresholds are looked for.
        agreement: of oracles on random documents; `doubtful` on those that were asked again, because the first
            answer was probably wrong, or that people corrected.
        split: the best mix of the run's own and the trusted oracle for the evaluation; None where there is no
            trusted oracle, or too little is known; `no_split` says why.
        people: dollars for a label of people, to compare with, and where the price is from; None if unknown.
        alternatives: whether each language model may replace people, by its name; empty if the run asks no people.
        probes: what the latest finished probe of each language model shows, by its name.
        unfinished: the probes that were begun and lack answers, with how many, by the model's name.
    """

    run: str
    storage: str
    classes: int
    sample: int
    trusted: int
    wanted: float
    oracles: tuple[OracleShown, ...]
    agreement: Agreement | None
    doubtful: Agreement | None
    split: Split | None
    no_split: str | None
    split_prices: Mapping[str, float | None]
    people: float | None
    people_from: str | None
    alternatives: Mapping[str, Alternative] = field(default_factory=dict)
    probes: Mapping[str, Findings] = field(default_factory=dict)
    unfinished: Mapping[str, tuple[Probe, int]] = field(default_factory=dict)
