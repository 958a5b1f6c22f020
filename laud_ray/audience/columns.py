"""The columns of exposures, and which of two arms is the control."""

from collections.abc import Sequence
from dataclasses import dataclass

from laud_ray.errors import CorpusError
from laud_ray.printable import listed, quoted

# Names that arms without treatment usually have; compared without case.
CONTROLS = frozenset(
    (
        *("control", "ctrl", "holdout", "hold-out", "hold_out", "baseline", "base", "default", "old", "a"),
        *("0", "false", "off", "none", "psa", "placebo"),
    )
)


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the columns of exposures.

    Attributes:
        user: who was assigned to an arm.
        arm: the arm.
        impressions, clicks: counts of a row.
        segment: a property that a user had before the test. None: the column `segment`, where there is one.
        pre_impressions, pre_clicks: counts of a user before the test; read where both exist.
    """

    user: str = "user"
    arm: str = "arm"
    impressions: str = "impressions"
    clicks: str = "clicks"
    segment: str | None = None
    pre_impressions: str = "pre_impressions"
    pre_clicks: str = "pre_clicks"


def control_of(path: str, arms: Sequence[str], stated: str | None) -> tuple[str, str]:
    """Return the names of the control and of the treatment.

    Args:
        path: the file, for errors.
        arms: the names in the data.
        stated: the control's name, if the user stated it. Otherwise it is the arm with a usual name, such as control.

    Raises:
        CorpusError: unless there are two arms, one of which is the control.
    """
    some = listed(sorted(arms))
    if len(arms) == 1:
        raise CorpusError(f"{path}: has users in the arm {some} only; expected two arms to compare")
    if len(arms) != 2:
        raise CorpusError(f"{path}: has {len(arms)} arms, {some}; expected two: compare one with the control at once")
    if stated is not None and stated not in arms:
        raise CorpusError(f"--control: {quoted(stated)} is not valid; expected an arm of {path}: {some}")
    usual = [one for one in arms if one.strip().lower() in CONTROLS]
    if stated is None and len(usual) != 1:
        raise CorpusError(f"{path}: which of the arms {some} is the control is not clear; expected --control ARM")
    control = stated if stated is not None else usual[0]
    return control, next(one for one in arms if one != control)
