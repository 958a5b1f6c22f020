"""Why no audience is shown to have a precision, and how it could be shown, in sentences."""

from laud_ray.audience.shortfall import Shortfall
from laud_ray.audience.size import Sized
from laud_ray.stats.selection import needed


def not_shown(found: Sized) -> list[str]:
    """Return why no audience has the precision, and how it could be shown, in sentences."""
    target, at = f"{100 * found.target:g} %", found.steps[found.first]
    why = (
        f"No audience of {found.label} is shown to have a precision of {target}: {found.model} gives the label to "
        f"{found.sampled:,} of {found.answered:,} documents in the evaluation sample, and {target} takes at least "
        f"{needed(found.target)} in the audience, without an error."
    )
    seen = f"{100 * at.precision.value:.1f} % of {at.precision.n} are right" if at.precision.n else "there are none"
    shown = (
        f"They show a precision of {100 * found.low:.1f} % with 95 % confidence, at a confidence of at least "
        f"{at.threshold:.4g} ({seen})."
    )
    return [why, shown, _way(found, target)]


def _way(found: Sized, target: str) -> str:
    missing = found.missing
    if missing is not None and missing.answers <= found.left:
        return f"{_answers(found, missing)} would show it: run `{buying(found, missing)}`, and then this command again."
    if missing is None:
        why = f"Probably no threshold has a precision of {target}."
    else:
        why = f"{_answers(found, missing)} would show it, and the corpus has {found.left:,} more documents."
    if found.instead is None:
        better = "have one" if missing is None else "take fewer"
        return f"{why} A better model may {better}: raise budget.annotations, and run `laud run` again."
    lower, other = found.instead
    if other.documents <= 1:
        return f"{why} These answers probably show `--precision {lower:g}`."
    return f"{why} For `--precision {lower:g}`, about {other.answers:,} may be enough: run `{buying(found, other)}`."


def _answers(found: Sized, missing: Shortfall) -> str:
    threshold = found.steps[missing.place].threshold
    return (
        f"About {missing.answers:,} more answers, if {100 * missing.likely:.1f} % are right at a confidence of at "
        f"least {threshold:.4g} as is likely,"
    )


def buying(found: Sized, missing: Shortfall) -> str:
    """Return the command that buys missing answers."""
    return f"laud evaluate {found.run} --budget {missing.answers}"
