"""Format numbers for people, in the same way in the terminal and on the page."""

import math
from collections.abc import Mapping, Sequence

from laud_ray.printable import printable
from laud_ray.types import Estimate, Figures

ABSENT = "–"
CORPUS_COUNTS = ("documents", "unique", "duplicates", "errors", "truncated")
ERROR_KINDS = {"null text": "null", "empty text": "empty", "text is not UTF-8": "not UTF-8"}


def percent(fraction: float | None) -> str:
    """Write 0.767 as `76.7 %`, and None or a value that is not finite as a dash."""
    if fraction is None or not math.isfinite(fraction):
        return ABSENT
    return f"{100 * fraction:.1f} %"


def interval(estimate: Estimate) -> str:
    """Write the 95 % interval as `[72.1, 80.9]`, in percent."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return f"[{ABSENT}, {ABSENT}]"
    return f"[{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"


def whole_interval(estimate: Estimate) -> str:
    """Write the 95 % interval of a class as `[72, 81]`, without decimals, since a class has few documents."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return f"[{ABSENT}, {ABSENT}]"
    return f"[{100 * estimate.low:.0f}, {100 * estimate.high:.0f}]"


def figure(estimate: Estimate) -> str:
    """Write an estimate with its interval: `76.7 % [71.7, 80.7]`."""
    return f"{percent(estimate.value)} {interval(estimate)}"


def first_figure(figures: Figures) -> tuple[str, Estimate]:
    """Return the figure that is shown first, and its name: accuracy, or micro-F1 in a multilabel task."""
    return ("accuracy", figures.accuracy) if figures.multilabel is None else ("micro-F1", figures.multilabel.micro_f1)


def beside_accuracy(figures: Figures) -> tuple[str, Estimate]:
    """Return the figure that stands beside the first one, and its name: macro-F1, or hierarchical F1 in a taxonomy."""
    if figures.hierarchy is not None:
        return "hierarchical F1", figures.hierarchy.f1
    return "macro-F1", figures.macro_f1


def compared_by(figures: Figures) -> str:
    """Return the name of the figure by which models are compared, `Figures.compared`."""
    return first_figure(figures)[0] if figures.hierarchy is None else beside_accuracy(figures)[0]


def measured_on(figures: Figures) -> str:
    """Return on how many documents figures are measured, and why others are missing.

    Example:
        `n = 300`, or `n = 280 of 300 sampled documents; 20 have no answer: 14 abstained, 6 pending`.
    """
    if not figures.unanswered:
        return f"n = {figures.n}"
    if figures.trusted is not None:
        return f"n = {figures.n}; {unanswered(figures)}"
    sampled = figures.n + sum(figures.unanswered.values())
    return f"n = {figures.n:,} of {sampled:,} sampled documents; {unanswered(figures)}"


def unanswered(figures: Figures) -> str:
    """Return how many documents of the sample are missing, and why: `20 have no answer: 14 abstained, 6 pending`."""
    count = sum(figures.unanswered.values())
    if {"not scored", "answered above the leaves"} & figures.unanswered.keys():
        lack = "is left out" if count == 1 else "are left out"
    else:
        lack = f"{'has' if count == 1 else 'have'} no {'' if figures.trusted is None else 'trusted '}answer"
    return f"{count:,} {lack}: {kinds(figures.unanswered)}"


def kinds(counts: Mapping[str, int]) -> str:
    """Write counts by kind: `14 abstained, 6 pending`."""
    return ", ".join(f"{n:,} {kind}" for kind, n in counts.items())


def points(difference: float | None) -> str:
    """Write the difference of two fractions as signed percentage points: `+4.1`."""
    if difference is None or not math.isfinite(difference):
        return ABSENT
    return f"{100 * difference:+.1f}"


def decimal(value: float | None) -> str:
    """Write a coefficient such as kappa with three decimals."""
    return ABSENT if value is None or not math.isfinite(value) else f"{value:.3f}"


def duration(seconds: float) -> str:
    """Write a duration with its two largest units: `8.1 s`, `2 min 05 s`, `3 h 20 min`."""
    if not math.isfinite(seconds):
        return ABSENT
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def spaced(name: str) -> str:
    """Write `early_plateau` as `early plateau`."""
    return name.replace("_", " ")


def dollars(cost: float) -> str:
    """Write a cost in dollars, with four decimals below ten cents."""
    return f"${cost:,.4f}" if 0 < cost < 0.1 else f"${cost:,.2f}"


def total_dollars(cost: float, unpriced: Sequence[str]) -> str:
    """Write dollars in all, where some models have no prices.

    Example:
        total_dollars(0.0, ["m"]) is "dollars unknown (no prices for m)".
    """
    if not unpriced:
        return f"{dollars(cost)} in all"
    unknown = f"unknown (no prices for {', '.join(map(printable, unpriced))})"
    return f"{dollars(cost)} known, the rest {unknown}" if cost else f"dollars {unknown}"


def corpus_line(counts: Mapping[str, int]) -> str:
    """Write the counts of a corpus, with errors by kind: `75 errors (74 null, 1 empty)`."""
    kinds = {name: count for name, count in counts.items() if name not in CORPUS_COUNTS and count}
    parts = {name: f"{counts[name]:,} {name}" for name in CORPUS_COUNTS if name in counts}
    if kinds and "errors" in parts:
        listed = ", ".join(f"{count:,} {ERROR_KINDS.get(name, name)}" for name, count in kinds.items())
        parts["errors"] += f" ({listed})"
    return ", ".join(parts.values())
