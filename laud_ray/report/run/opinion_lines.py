"""Audit and agreement in plain words, the same in the terminal and on the page."""

from laud_ray.quality.raters import Agreement, Confused, OracleError, PairAgreement
from laud_ray.report.formatting import decimal, figure, percent
from laud_ray.report.run.summary import AuditShown, measured
from laud_ray.types import ClassFigures


def audit_line(audit: AuditShown) -> str:
    """Say what asking again came to."""
    changed = f"{audit.answered:,} answers; {audit.changed:,} labels changed by them"
    if not audit.disputed:
        return changed
    disputed = f"{len(audit.disputed):,} document{'' if len(audit.disputed) == 1 else 's'}"
    return f"{changed}; {disputed} in dispute until a third answer or a person's feedback"


def agreement_line(agreement: Agreement, *, doubtful: bool) -> str:
    """Say how far all who answered the same documents agree; `doubtful`: whether an audit chose these."""
    documents = f"{agreement.documents:,} document{'' if agreement.documents == 1 else 's'}"
    chosen = "; most were chosen as doubtful, so on all documents it would be higher" if doubtful else ""
    return f"Krippendorff's alpha {decimal(agreement.alpha)} on {documents} with several answers{chosen}"


def pair_line(pair: PairAgreement) -> str:
    """Say how far two agree."""
    kappa = f"Cohen's kappa {decimal(pair.kappa)}"
    return f"{pair.one} and {pair.other}: {percent(pair.share)} the same, {kappa}, n = {pair.n:,}"


def oracle_line(error: OracleError) -> str:
    """Say how far the run's oracle agrees with the trusted one, by whose answers figures are corrected."""
    kappa = f"Cohen's kappa {decimal(error.kappa)}, n = {error.figures.n:,}"
    return f"gives the trusted oracle's label to {figure(error.figures.accuracy)} of documents, {kappa}"


def worst_classes(error: OracleError) -> tuple[ClassFigures, ...]:
    """Return the classes whose documents the run's oracle knows least, of those it errs on, the lowest recall first."""
    rows = [row for row in measured(error.figures) if row.recall < 1]
    return tuple(sorted(rows, key=lambda row: (row.recall, -row.support, row.label)))


def oracle_class_line(row: ClassFigures) -> str:
    """Say how much of a class the run's oracle finds."""
    assert row.estimates is not None, "measured by this version"
    return f"of {row.label} it finds {figure(row.estimates.recall)}, n = {row.support:,}"


def confused_line(one: Confused) -> str:
    """Say which two labels were given to the same documents."""
    return f"{one.label} or {one.other}: {one.count:,} document{'' if one.count == 1 else 's'} got both"
