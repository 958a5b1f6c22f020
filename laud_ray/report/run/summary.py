"""The summary of a run, from which its views are made. Fractions are in [0, 1]."""

import math
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from laud_ray.quality.annotators import PeopleFigures
from laud_ray.quality.diagnosis import Finding
from laud_ray.quality.noise import LeftOut
from laud_ray.quality.raters import Agreement, OracleError
from laud_ray.query.auto import Choice
from laud_ray.report.formatting import figure
from laud_ray.report.run.updates import UpdatesShown
from laud_ray.stats.legibility import Legibility
from laud_ray.types import CandidateRecall, ClassFigures, Estimate, Figures, Promotion, Purpose, RoundResult

# stopped: neither finished nor waiting, and no process works on it; the same command resumes it.
State: TypeAlias = Literal["running", "waiting", "stopped", "finished"]


@dataclass(frozen=True, slots=True)
class QueryShown:
    """One question to the oracle.

    Attributes:
        answer: None while it is pending and for an abstention.
        above: whether the answer is an inner node above the predicted leaf, which it does not contradict.
    """

    document_id: str
    text: str
    purpose: Purpose
    round: int
    reason: str
    predicted: str | None
    confidence: float | None
    answer: str | None
    above: bool = False

    @property
    def surprising(self) -> bool:
        """Whether the answer differs from the prediction."""
        return (
            self.answer is not None and self.predicted is not None and self.answer != self.predicted and not self.above
        )


@dataclass(frozen=True, slots=True)
class LeavesShown:
    """The leaves of a taxonomy.

    Attributes:
        all: how many there are.
        levels: the depth of the deepest.
        annotated: how many have an annotation, apart from those for evaluation.
        above: how many annotations are inner nodes.
    """

    all: int
    levels: int
    annotated: int
    above: int


@dataclass(frozen=True, slots=True)
class DisputeShown:
    """A document whose answers differ without a majority.

    Attributes:
        said: (annotator, label) pairs in the order of the answers.
    """

    document_id: str
    text: str
    said: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AuditShown:
    """The results of audits.

    Attributes:
        answered: number of second and third answers.
        changed: documents whose label differs from the first answer.
        disputed: documents without a majority, which a third answer or a person's feedback can settle.
    """

    answered: int
    changed: int
    disputed: tuple[DisputeShown, ...]


@dataclass(frozen=True, slots=True)
class ModelShown:
    """One model of the registry.

    Attributes:
        accepted: False if the model was rejected as worse than zero-shot, or because it has not learned.
        created_at: in UTC.
        accuracy: None if it could not be measured.
        micro_f1: of a multilabel task; None for others, or if it could not be measured.
    """

    name: str
    current: bool
    round: int
    kind: str
    accepted: bool
    created_at: datetime
    accuracy: Estimate | None
    micro_f1: Estimate | None = None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The state and the results of a run.

    Attributes:
        history: the closed rounds in order, from round 0; empty before the first.
        corpus: counts of documents: documents, unique, errors, truncated and so on.
        annotations: numbers of answers: seed, query, evaluation, audit (second and third answers), abstained (first
            answers that are abstentions), trusted (second answers for the evaluation sample).
        budget: the most seed, query and audit annotations together.
        cost: dollars spent on oracles, as far as they are known.
        unpriced: models that were asked and have no prices, so that their dollars are unknown.
        not_found: classes of which no document was found; in a taxonomy, the branches that the seed walked down.
        queries: all questions, in the order in which they were asked.
        storage: the run's folder or URI, as given on the command line.
        feedback: numbers of texts with feedback on served answers: `answers` have a label; `wrong` were marked wrong
            and have no label yet.
        promoted: the promotion by which the current model became current, if a person made it current.
        choices: the choice of `auto` after each round, with its reason.
        diagnosis: problems of the run, with evidence and a remedy.
        not_found_in: for each class that was not found, the number of seed queries for it.
        audit: results of audits; None if there are none.
        agreement: agreement between annotators of the same documents; None if there are no such documents.
        oracle_error: errors of the run's oracle by the trusted oracle's answers; None without a trusted oracle.
        left_out: answers that were left out of the last model's training; None if none were judged.
        legibility: coverage of the corpus by the last model's tokenizer; None if it was not counted.
        notes: notes on how the corpus was read.
        asks_people: whether people are asked, alone or after other oracles.
        people: what the people have done; None where nothing was asked of any.
        leaves: the leaves of a taxonomy; None for other tasks.
        candidates: how often the list from which a language model chooses holds the right leaf; None if none does, or
            it is not measured yet.
        updates: what `laud update` has added; None if it never did.
        people_over: why nobody gets another question, since the answers have cost as much as they may; else None.
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
    people: PeopleFigures | None = None
    people_over: str | None = None
    unpriced: tuple[str, ...] = ()
    leaves: LeavesShown | None = None
    candidates: CandidateRecall | None = None
    updates: UpdatesShown | None = None

    @property
    def spent(self) -> int:
        """The annotations that count against the budget."""
        return sum(self.annotations.get(purpose, 0) for purpose in ("seed", "query", "audit", "renewed"))

    @property
    def current(self) -> RoundResult | None:
        """The round that the current model comes from, if it has closed."""
        return next((result for result in self.history if result.model == self.current_model), None)

    @property
    def command(self) -> str:
        """The command that the run goes on with."""
        return "laud update" if self.updates is not None and self.updates.is_open else "laud run"

    @property
    def shown(self) -> RoundResult | None:
        """The round whose figures are shown first: that of the current model, else the latest."""
        return self.current or (self.history[-1] if self.history else None)


def next_commands(summary: RunSummary) -> tuple[tuple[str, str], ...]:
    """Return (purpose, command) pairs: suggestions for the next command."""
    run = shlex.quote(summary.storage)
    config = shlex.quote(f"{summary.storage.rstrip('/')}/config.yaml")
    updates = summary.updates
    following = f"laud run {config}"
    if updates is not None and updates.is_open:
        following = f"laud update {run}"
    if updates is not None and updates.proposals and summary.state != "running":
        return (("Decide about proposed labels", f"laud labels {run}"), ("Go on then", following))
    if updates is not None and updates.alarm is not None and updates.needs_person and summary.state == "finished":
        settle = tuple(("Settle the alarm, by one of these", one) for one in updates.alarm.commands(run))
        return (*settle, ("Write a report", f"laud report {run}"))
    open = summary.people is not None and summary.people.open + summary.people.disputed > 0
    answer = (
        (
            ("Answer on a page", f"laud annotate {run}"),
            ("Answer in a file", f"laud questions export {run} --out questions.csv"),
        )
        if open
        else ()
    )
    if summary.state == "running":
        return (*answer, ("Watch it", f"laud status {run}"), ("Resume it after a crash", following))
    if summary.state == "stopped":
        return (*answer, ("Resume it", following))
    if summary.state == "waiting" and summary.asks_people:
        return (*answer, ("Resume it then" if open else "Resume it", following))
    if summary.state == "waiting":
        return (("Resume it when the oracle can answer", following),)
    return (
        ("Write a report", f"laud report {run}"),
        ("Measure it on labelled data", f"laud evaluate {run} DATA --label COLUMN"),
    )


def switches(summary: RunSummary) -> tuple[tuple[int, Choice], ...]:
    """Return the choices of `auto` that differ from the one before, each with its round."""
    listed = sorted(summary.choices.items())
    before = [None, *(choice for _, choice in listed)]
    return tuple(one for one, earlier in zip(listed, before, strict=False) if one[1].differs(earlier))


def better_before(summary: RunSummary) -> RoundResult | None:
    """Return the best accepted round before the current model's, if it is better by `Figures.compared`; else None."""
    current = summary.current
    if current is None:
        return None
    earlier = [result for result in summary.history if result.accepted and result.number < current.number]
    best = max(earlier, key=lambda result: result.figures.compared.value, default=current)
    return best if best.figures.compared.value > current.figures.compared.value else None


def classes_line(summary: RunSummary) -> str:
    """Return how many classes a run has: `4,187 leaves in 4 levels`, or `25 classes`."""
    leaves = summary.leaves
    if leaves is None:
        return f"{len(summary.labels)} classes"
    return f"{leaves.all:,} leaves in {leaves.levels} {'level' if leaves.levels == 1 else 'levels'}"


def leaves_line(leaves: LeavesShown) -> str:
    """Return how many leaves of a taxonomy have an annotation, seed or query.

    Example:
        `812 of 4,187 have an annotation, 3,375 have none; 14 answers are inner nodes`.
    """
    text = f"{leaves.annotated:,} of {leaves.all:,} have an annotation, {leaves.all - leaves.annotated:,} have none"
    if not leaves.above:
        return text
    return f"{text}; {leaves.above:,} {'answer is an inner node' if leaves.above == 1 else 'answers are inner nodes'}"


def candidates_line(found: CandidateRecall) -> str:
    """Return how often the list from which a language model chooses holds the right leaf, and what that means.

    Example:
        `50 a document, the right leaf among them for 84.0 % [80.1, 87.3] of documents (n = 300, round 3); ...`.
    """
    recall = found.recall
    return (
        f"{found.size} a document, the right leaf among them for {figure(recall)} of documents (n = {recall.n:,}, "
        f"round {found.round}); a model that chooses one of them cannot be right more often"
    )


def sought(summary: RunSummary) -> Callable[[str], str]:
    """Return a function that describes a class that was not found: "Kefir (in 12 queries)"."""

    def say(name: str) -> str:
        queries = summary.not_found_in.get(name)
        if queries == 0:
            return f"{name} (not searched: init.max_queries was used up before)"
        return name if queries is None else f"{name} (in {queries} {'query' if queries == 1 else 'queries'})"

    return say


def measured(figures: Figures) -> tuple[ClassFigures, ...]:
    """Return the classes with a document in the evaluation sample, the lowest F1 first."""
    rows = (row for row in figures.per_class if row.support > 0 and math.isfinite(row.f1))
    return tuple(sorted(rows, key=lambda row: (row.f1, -row.support, row.label)))


def unmeasured(figures: Figures) -> tuple[str, ...]:
    """Return the labels of the classes without a document in the evaluation sample."""
    known = {row.label for row in measured(figures)}
    return tuple(row.label for row in figures.per_class if row.label not in known)
