"""The result of an experiment as JSON, and in the terminal."""

from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.text import Text

from laud_ray.audience.measure import Arm, Measured, Segment
from laud_ray.audience.verdict import verdict
from laud_ray.printable import printable
from laud_ray.report.audience.lift_sections import lift_sections
from laud_ray.report.json_values import estimate_json, finite
from laud_ray.report.oracle.terminal import section_view
from laud_ray.stats.uplift import Lift
from laud_ray.types import Estimate


def lift_json(found: Measured) -> dict[str, object]:
    """Return the object that `laud audience measure --json` prints. Rates and lifts are fractions."""
    return {
        "exposures": found.path,
        "rows": found.rows,
        "verdict": verdict(found),
        "shown": found.shown,
        "control": _arm(found.control),
        "treatment": _arm(found.treatment),
        "ratio": list(found.ratio),
        "sample_ratio_p": finite(found.mismatch_p),
        "lift": _lift(found.plain),
        "lift_cuped": None if found.adjusted is None else _lift(found.adjusted),
        "variance_removed": finite(found.removed),
        "before": None if found.before is None else _lift(found.before),
        "design_effect": finite(found.design_effect),
        "smallest_lift": finite(found.smallest),
        "precision": _maybe(found.precision),
        "lift_without_errors": _maybe(found.undiluted),
        "segments": [_segment(one) for one in found.segments],
        "more_segments": found.more_segments,
        "notes": list(found.notes),
    }


def lift_view(found: Measured) -> RenderableType:
    """Return the view of `laud audience measure`."""
    head = Text(printable(verdict(found)), style="bold")
    return Group(head, *(part for one in lift_sections(found) for part in section_view(one)))


def _maybe(one: Estimate | None) -> dict[str, object] | None:
    return None if one is None else estimate_json(one)


def _arm(one: Arm) -> dict[str, object]:
    return {**asdict(one), "rate": _maybe(one.rate)}


def _lift(one: Lift) -> dict[str, object]:
    return {"absolute": estimate_json(one.absolute), "relative": _maybe(one.relative), "p": finite(one.p)}


def _segment(one: Segment) -> dict[str, object]:
    return {
        "name": one.name,
        "control": _arm(one.control),
        "treatment": _arm(one.treatment),
        "lift": None if one.lift is None else _lift(one.lift),
        "p_adjusted": finite(one.p_adjusted),
        "why": one.why,
    }
