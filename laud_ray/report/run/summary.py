"""All that a reader needs to know about a run. Fractions are in [0, 1]."""

import math
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from laud_ray.quality.diagnosis import Finding
from laud_ray.quality.noise import LeftOut
from laud_ray.quality.raters import Agreement, OracleError
from laud_ray.query.auto import Choice
from laud_ray.stats.legibility import Legibility
from laud_ray.types import ClassFigures, Estimate, Figures, Promotion, Purpose, RoundResult

# stopped: neither finished nor waiting, and no process works on it; the same command continues it.
State: TypeAlias = Literal["running", "waiting", "stopped", "finished"]


@dataclass(frozen=True, slots=True)
class QueryShown:
    """One question to the oracle. `answer` is None while it is pending and for an abstention."""

    document_id: str
    text: str
    purpose: Purpose
    round: int
    reason: str
    predicted: str | None
    confidence: float | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class DisputeShown:
    """A document whose answers differ without a majority: who said what of it, in the order of asking."""

    document_id: str
    text: str
    said: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AuditShown:
    """What came of asking again.

    Attributes:
        answered: second and third answers.
        changed: documents whose label is no longer the first answer.
        disputed: documents that only a person can settle, or a third answer.
    """

    answered: int
    changed: int
    disputed: tuple[DisputeShown, ...]


@dataclass(frozen=True, slots=True)
class ModelShown:
    """One model of the registry.

    Attributes:
        accepted: False when the floor rejected it.
        created_at: in UTC.
        accuracy: None where none could be measured.
    """

    name: str
    current: bool
    round: int
    kind: str
    accepted: bool
    created_at: datetime
    accuracy: Estimate | None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run as its database tells it.

    Attributes:
        history: the closed rounds in order, from round 0; empty before the first.
        corpus: counts of documents: documents, unique, errors, truncated and so on.
        annotations: counts of answers: seed, query, evaluation, audit (asked for again), and how many of the first
            answers abstained; trusted: second answers for the evaluation sample.
        budget: the seed, query and audit annotations that may be bought in all.
        cost: dollars spent on the oracle.
        not_found: classes of which the seed found no document.
        queries: what was asked, in the order of asking.
        storage: the run's folder or URI, as the command line takes it.
        feedback: texts by what people said of served answers: `answers` have a label, `wrong` are still to be
            answered.
        promoted: how the current model became so, if a person made it current.
        choices: how `auto` asked after each round, and why.
        diagnosis: what goes wrong, with its figures and a remedy.
        not_found_in: for the classes that were not found, the seed queries that looked for each.
        audit: what came of asking again; None where nothing was.
        agreement: how far those agree who answered the same documents; None where there are none.
        oracle_error: how the run's oracle does on what a trusted one answered; None where there is none.
        left_out: what the last model did not learn as probably wrong; None where nothing was judged.
        legibility: how much of the corpus the last model's encoder reads; None where nothing was counted.
        notes: what a person should know of how the corpus was read.
        asks_people: whether people are asked, alone or after other oracles.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    state: State
    stop_reason: str | None
    current_model: str | None
    history: tuple[RoundResult, ...]
    corpus: Mapping[str, int]
    annotations: Mapping[str, int]
    budget: int
    cost: float
    not_found: tuple[str, ...]
    queries: tuple[QueryShown, ...]
    models: tuple[ModelShown, ...]
    config_yaml: str
    versions: Mapping[str, str]
    storage: str
    feedback: Mapping[str, int] = field(default_factory=lambda: {"answers": 0, "wrong": 0})
    promoted: Promotion | None = None
    choices: Mapping[int, Choice] = field(default_factory=dict)
    diagnosis: tuple[Finding, ...] = ()
    not_found_in: Mapping[str, int] = field(default_factory=dict)
    audit: AuditShown | None = None
    agreement: Agreement | None = None
    oracle_error: OracleError | None = None
    left_out: LeftOut | None = None
    legibility: Legibility | None = None
    notes: tuple[str, ...] = ()
    asks_people: bool = False

    @property
    def spent(self) -> int:
        """The annotations that count against the budget."""
        return sum(self.annotations.get(purpose, 0) for purpose in ("seed", "query", "audit"))

    @property
    def current(self) -> RoundResult | None:
        """The round that the current model comes from, if it has closed."""
        return next((result for result in self.history if result.model == self.current_model), None)

    @property
    def shown(self) -> RoundResult | None:
        """The round whose figures a reader wants first: the current model's, else the latest."""
        return self.current or (self.history[-1] if self.history else None)


def next_commands(summary: RunSummary) -> tuple[tuple[str, str], ...]:
    """Return (what it does, command) pairs: what to do next with the run."""
    run = shlex.quote(summary.storage)
    config = shlex.quote(f"{summary.storage.rstrip('/')}/config.yaml")
    if summary.state == "running":
        return (("Watch it", f"laud status {run}"), ("Continue it after a crash", f"laud run {config}"))
    if summary.state == "stopped":
        return (("Continue it", f"laud run {config}"),)
    if summary.state == "waiting" and summary.asks_people:
        return (
            ("Answer on a page", f"laud annotate {run}"),
            ("Answer in a file", f"laud questions export {run} --out questions.csv"),
            ("Continue it then", f"laud run {config}"),
        )
    if summary.state == "waiting":
        return (("Continue it when answers can come", f"laud run {config}"),)
    return (
        ("Look at it on one page", f"laud report {run}"),
        ("Check it on labelled data", f"laud evaluate {run} DATA --label COLUMN"),
    )


def switches(summary: RunSummary) -> tuple[tuple[int, Choice], ...]:
    """Return the choices of `auto` that differ from the one before, each with its round."""
    listed = sorted(summary.choices.items())
    before = [None, *(choice for _, choice in listed)]
    return tuple(one for one, earlier in zip(listed, before, strict=False) if one[1].differs(earlier))


def better_before(summary: RunSummary) -> RoundResult | None:
    """Return the best accepted round before the current model's, if it did better on the evaluation sample."""
    current = summary.current
    if current is None:
        return None
    earlier = [result for result in summary.history if result.accepted and result.number < current.number]
    best = max(earlier, key=lambda result: result.figures.accuracy.value, default=current)
    return best if best.figures.accuracy.value > current.figures.accuracy.value else None


def sought(summary: RunSummary) -> Callable[[str], str]:
    """Return what to say of a class that was not found: its name, and in how many queries where that is known."""

    def say(name: str) -> str:
        queries = summary.not_found_in.get(name)
        if queries == 0:
            return f"{name} (not looked for: init.max_queries did not reach so far)"
        return name if queries is None else f"{name} (in {queries} {'query' if queries == 1 else 'queries'})"

    return say


def measured(figures: Figures) -> tuple[ClassFigures, ...]:
    """Return the classes with a document in the evaluation sample, the lowest F1 first."""
    rows = (row for row in figures.per_class if row.support > 0 and math.isfinite(row.f1))
    return tuple(sorted(rows, key=lambda row: (row.f1, -row.support, row.label)))


def unmeasured(figures: Figures) -> tuple[str, ...]:
    """Return the labels of the classes about which the evaluation sample says nothing."""
    known = {row.label for row in measured(figures)}
    return tuple(row.label for row in figures.per_class if row.label not in known)
