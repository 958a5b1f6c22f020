"""All that a reader needs to know about a run, and its stable JSON form. Fractions are in [0, 1]."""

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from laud_ray.diagnosis import Finding
from laud_ray.query.auto import Choice
from laud_ray.raters import Agreement, Confused, OracleError
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

    @property
    def spent(self) -> int:
        """The annotations that count against the budget."""
        return sum(self.annotations.get(purpose, 0) for purpose in ("seed", "query", "audit"))

    @property
    def current(self) -> RoundResult | None:
        """The round that the current model comes from, if it has closed."""
        return next((result for result in self.history if result.model == self.current_model), None)


def next_commands(summary: RunSummary) -> tuple[tuple[str, str], ...]:
    """Return (what it does, command) pairs: what to do next with the run."""
    run = shlex.quote(summary.storage)
    config = shlex.quote(f"{summary.storage.rstrip('/')}/config.yaml")
    if summary.state == "running":
        return (("Watch it", f"laud status {run}"), ("Continue it after a crash", f"laud run {config}"))
    if summary.state == "stopped":
        return (("Continue it", f"laud run {config}"),)
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


def to_json(summary: RunSummary) -> dict[str, object]:
    """Return what `laud status --json` prints: JSON types only, None for what is not a finite number."""
    return {
        "run": summary.name,
        "kind": summary.kind,
        "state": summary.state,
        "stop_reason": summary.stop_reason,
        "current_model": summary.current_model,
        "rounds": [_round(result) for result in summary.history],
        "promoted": _promotion(summary.promoted),
        "annotations": dict(summary.annotations),
        "audit": _audit(summary.audit),
        "agreement": _agreement(summary.agreement),
        "oracle_error": _oracle_error(summary.oracle_error),
        "feedback": dict(summary.feedback),
        "budget": summary.budget,
        "cost": _finite(summary.cost),
        "not_found": list(summary.not_found),
        "not_found_in": dict(summary.not_found_in),
        "choices": [
            {"round": number, "shares": dict(choice.shares), "why": choice.why}
            for number, choice in summary.choices.items()
        ],
        "diagnosis": [asdict(finding) for finding in summary.diagnosis],
        "corpus": dict(summary.corpus),
        **models_json(summary.models),
        "labels": list(summary.labels),
        "storage": summary.storage,
        "versions": dict(summary.versions),
    }


def models_json(models: Sequence[ModelShown]) -> dict[str, object]:
    """Return what `laud models --json` prints; times are in ISO 8601, UTC."""
    return {
        "models": [
            {
                "name": model.name,
                "kind": model.kind,
                "round": model.round,
                "accepted": model.accepted,
                "current": model.current,
                "created_at": model.created_at.isoformat(),
                "accuracy": None if model.accuracy is None else _estimate(model.accuracy),
            }
            for model in models
        ]
    }


def _round(result: RoundResult) -> dict[str, object]:
    return {
        "round": result.number,
        "model": result.model,
        "annotations": result.annotations,
        "feedback": result.feedback,
        "pool": result.pool,
        "accuracy": _estimate(result.figures.accuracy),
        "macro_f1": _estimate(result.figures.macro_f1),
        "calibration_error": _finite(result.figures.calibration_error),
        "kappa": _finite(result.kappa),
        "delta_f": _finite(result.delta_f),
        "trusted": result.figures.trusted,
        "accepted": result.accepted,
        "seconds": {step: _finite(seconds) for step, seconds in result.seconds.items()},
    }


def _audit(audit: AuditShown | None) -> dict[str, object] | None:
    if audit is None:
        return None
    disputed = [{"id": one.document_id, "said": [list(pair) for pair in one.said]} for one in audit.disputed]
    return {"answered": audit.answered, "changed": audit.changed, "disputed": disputed}


def _agreement(agreement: Agreement | None) -> dict[str, object] | None:
    if agreement is None:
        return None
    return {
        "documents": agreement.documents,
        "alpha": _finite(agreement.alpha),
        "pairs": [
            {"one": p.one, "other": p.other, "n": p.n, "share": _finite(p.share), "kappa": _finite(p.kappa)}
            for p in agreement.pairs
        ],
        "confused": _confused(agreement.confused),
    }


def _oracle_error(error: OracleError | None) -> dict[str, object] | None:
    if error is None:
        return None
    return {
        "agreement": _estimate(error.figures.accuracy),
        "kappa": _finite(error.kappa),
        "per_class": [
            {
                "label": row.label,
                "documents": row.support,
                "precision": _estimate(row.estimates.precision),
                "recall": _estimate(row.estimates.recall),
            }
            for row in measured(error.figures)
            if row.estimates is not None
        ],
        "confused": _confused(error.confused),
    }


def _confused(pairs: Sequence[Confused]) -> list[dict[str, object]]:
    return [{"label": one.label, "other": one.other, "documents": one.count} for one in pairs]


def _promotion(promotion: Promotion | None) -> dict[str, object] | None:
    if promotion is None:
        return None
    return {"from": promotion.previous, "at": promotion.created_at.isoformat()}


def _estimate(estimate: Estimate) -> dict[str, object]:
    return {
        "value": _finite(estimate.value),
        "low": _finite(estimate.low),
        "high": _finite(estimate.high),
        "n": estimate.n,
    }


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
