"""Audit and agreement in plain words, the same in the terminal and on the page."""

from laud_ray.quality.raters import Agreement, Confused, OracleError, PairAgreement
from laud_ray.report.formatting import decimal, figure, percent
from laud_ray.report.run.summary import AuditShown, measured
from laud_ray.types import ClassFigures


def audit_line(audit: AuditShown) -> str:
    """Return one line on the results of the audits."""
    changed = f"{audit.answered:,} further answers, which changed {audit.changed:,} labels"
    if not audit.disputed:
        return changed
    disputed = f"{len(audit.disputed):,} document{'' if len(audit.disputed) == 1 else 's'}"
    return f"{changed}; {disputed} in dispute, to be settled by a third answer or by feedback"


def agreement_line(agreement: Agreement, *, doubtful: bool) -> str:
    """Return one line on the agreement of all answers to the same documents.

    Args:
        doubtful: whether an audit chose these documents because their first answers were doubtful.
    """
    documents = f"{agreement.documents:,} document{'' if agreement.documents == 1 else 's'}"
    chosen = "; most of these had doubtful answers, so on all documents it would be higher" if doubtful else ""
    return f"Krippendorff's alpha {decimal(agreement.alpha)} on {documents} with several answers{chosen}"


def pair_line(pair: PairAgreement) -> str:
    """Return one line on the agreement of two annotators."""
    kappa = f"Cohen's kappa {decimal(pair.kappa)}"
    return f"{pair.one} and {pair.other}: {percent(pair.share)} the same, {kappa}, n = {pair.n:,}"


def oracle_line(error: OracleError) -> str:
    """Return how far the run's oracle agrees with the trusted one, without a subject: "agrees with ..."."""
    kappa = f"Cohen's kappa {decimal(error.kappa)}, n = {error.figures.n:,}"
    return f"agrees with the trusted oracle on {figure(error.figures.accuracy)} of documents, {kappa}"


def worst_classes(error: OracleError) -> tuple[ClassFigures, ...]:
    """Return the classes on which the run's oracle errs, the lowest recall first."""
    rows = [row for row in measured(error.figures) if row.recall < 1]
    return tuple(sorted(rows, key=lambda row: (row.recall, -row.support, row.label)))


def oracle_class_line(row: ClassFigures) -> str:
    """Return one line on the recall of the run's oracle for a class."""
    assert row.estimates is not None, "measured by this version"
    return f"its recall of {row.label} is {figure(row.estimates.recall)}, n = {row.support:,}"


def confused_line(one: Confused) -> str:
    """Return one line on two labels that were given to the same documents."""
    return f"{one.label} or {one.other}: {one.count:,} document{'' if one.count == 1 else 's'} got both"
