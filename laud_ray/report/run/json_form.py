"""The stable JSON form of a run, for `laud status --json` and `laud models --json`. Fractions are in [0, 1]."""

from collections.abc import Sequence
from dataclasses import asdict

from laud_ray.quality.annotators import Annotator, PeopleFigures
from laud_ray.quality.raters import OracleError
from laud_ray.report.hierarchy.json_form import hierarchy_json
from laud_ray.report.json_values import agreement_json, confused_json, estimate_json, finite
from laud_ray.report.run.summary import AuditShown, ModelShown, RunSummary, measured
from laud_ray.report.run.updates import updates_json
from laud_ray.report.sets import multilabel_json
from laud_ray.stats.legibility import Legibility
from laud_ray.types import CandidateRecall, ClassFigures, Promotion, RoundResult


def to_json(summary: RunSummary) -> dict[str, object]:
    """Return the object that `laud status --json` prints: JSON types only, None for a number that is not finite."""
    return {
        "run": summary.name,
        "kind": summary.kind,
        "state": summary.state,
        "stop_reason": summary.stop_reason,
        "current_model": summary.current_model,
        "rounds": [_round(result) for result in summary.history],
        "hierarchy": None if summary.shown is None else hierarchy_json(summary.shown.figures.hierarchy),
        "multilabel": None if summary.shown is None else multilabel_json(summary.shown.figures.multilabel),
        "leaves": None if summary.leaves is None else asdict(summary.leaves),
        "candidates": _candidates(summary.candidates),
        "classes": [] if summary.shown is None else [_class(row) for row in summary.shown.figures.per_class],
        "promoted": _promotion(summary.promoted),
        "annotations": dict(summary.annotations),
        "audit": _audit(summary.audit),
        "agreement": agreement_json(summary.agreement),
        "left_out": None if summary.left_out is None else asdict(summary.left_out),
        "oracle_error": _oracle_error(summary.oracle_error),
        "people": _people(summary.people),
        "feedback": dict(summary.feedback),
        "budget": summary.budget,
        "cost": None if summary.unpriced else finite(summary.cost),
        "unpriced": list(summary.unpriced),
        "not_found": list(summary.not_found),
        "not_found_in": dict(summary.not_found_in),
        "choices": [
            {"round": number, "shares": dict(choice.shares), "why": choice.why}
            for number, choice in summary.choices.items()
        ],
        "diagnosis": [asdict(finding) for finding in summary.diagnosis],
        "corpus": dict(summary.corpus),
        "notes": list(summary.notes),
        "legibility": legibility_json(summary.legibility),
        **updates_json(summary.updates),
        **models_json(summary.models),
        "labels": list(summary.labels),
        "storage": summary.storage,
        "versions": dict(summary.versions),
    }


def _candidates(found: CandidateRecall | None) -> dict[str, object] | None:
    return None if found is None else {"round": found.round, "size": found.size, "recall": estimate_json(found.recall)}


def models_json(models: Sequence[ModelShown]) -> dict[str, object]:
    """Return the object that `laud models --json` prints; times are in ISO 8601, UTC."""
    return {
        "models": [
            {
                "name": model.name,
                "kind": model.kind,
                "round": model.round,
                "accepted": model.accepted,
                "current": model.current,
                "created_at": model.created_at.isoformat(),
                "accuracy": None if model.accuracy is None else estimate_json(model.accuracy),
                "micro_f1": None if model.micro_f1 is None else estimate_json(model.micro_f1),
            }
            for model in models
        ]
    }


def legibility_json(found: Legibility | None) -> dict[str, object] | None:
    """Return the number of texts that were checked, and the shares of their tokens and texts unknown to the encoder."""
    if found is None:
        return None
    unknown = found.unknown / max(found.tokens, 1)
    return {
        "texts": found.texts,
        "unknown_tokens": finite(unknown),
        "unread_tokens": finite(found.share),
        "unread_texts": finite(found.unread_share),
        "remark": found.remark(),
    }


def _round(result: RoundResult) -> dict[str, object]:
    return {
        "round": result.number,
        "model": result.model,
        "annotations": result.annotations,
        "feedback": result.feedback,
        "pool": result.pool,
        "accuracy": estimate_json(result.figures.accuracy),
        "macro_f1": estimate_json(result.figures.macro_f1),
        "hierarchy": hierarchy_json(result.figures.hierarchy, nodes=False),
        "multilabel": multilabel_json(result.figures.multilabel),
        "calibration_error": finite(result.figures.calibration_error),
        "kappa": finite(result.kappa),
        "delta_f": finite(result.delta_f),
        "trusted": result.figures.trusted,
        "unanswered": dict(result.figures.unanswered),
        "accepted": result.accepted,
        "seconds": {step: finite(seconds) for step, seconds in result.seconds.items()},
    }


def _class(row: ClassFigures) -> dict[str, object]:
    """Return the figures of a class; they are None in a run of an earlier version, which measured no intervals."""
    names, found = ("prevalence", "precision", "recall", "f1"), row.estimates
    figures = {name: None if found is None else estimate_json(getattr(found, name)) for name in names}
    return {"label": row.label, "documents": row.support, **figures}


def _audit(audit: AuditShown | None) -> dict[str, object] | None:
    if audit is None:
        return None
    disputed = [{"id": one.document_id, "said": [list(pair) for pair in one.said]} for one in audit.disputed]
    return {"answered": audit.answered, "changed": audit.changed, "disputed": disputed}


def _oracle_error(error: OracleError | None) -> dict[str, object] | None:
    if error is None:
        return None
    return {
        "agreement": estimate_json(error.figures.accuracy),
        "kappa": finite(error.kappa),
        "per_class": [
            {
                "label": row.label,
                "documents": row.support,
                "precision": estimate_json(row.estimates.precision),
                "recall": estimate_json(row.estimates.recall),
            }
            for row in measured(error.figures)
            if row.estimates is not None
        ],
        "confused": confused_json(error.confused),
    }


def _people(people: PeopleFigures | None) -> dict[str, object] | None:
    if people is None:
        return None
    agreement, suggestions = people.agreement, people.anchoring
    return {
        "open": people.open,
        "disputed": people.disputed,
        "done": people.done,
        "votes": people.votes,
        "late": people.late,
        "dollars": people.dollars,
        "annotators": [_person(one) for one in people.annotators],
        "agreement": None
        if agreement is None
        else {"documents": agreement.documents, "alpha": finite(agreement.alpha)},
        "suggestions": None
        if suggestions is None
        else {
            "effect": estimate_json(suggestions.effect),
            "time_saved": None if suggestions.saved is None else estimate_json(suggestions.saved),
            "shown": suggestions.shown,
            "hidden": suggestions.hidden,
        },
    }


def _person(one: Annotator) -> dict[str, object]:
    return {
        "name": one.name,
        "answers": one.answers,
        "unsure": one.unsure,
        "accuracy": None if one.accuracy is None else estimate_json(one.accuracy),
        "gold": one.gold,
        "gold_right": one.gold_right,
        "seconds": one.seconds,
        "dollars": one.dollars,
        "fast_in_a_row": one.fast if one.hurried else 0,
        "confused": [{"label": pair.label, "right": pair.other, "count": pair.count} for pair in one.confused],
    }


def _promotion(promotion: Promotion | None) -> dict[str, object] | None:
    if promotion is None:
        return None
    return {"from": promotion.previous, "at": promotion.created_at.isoformat()}
