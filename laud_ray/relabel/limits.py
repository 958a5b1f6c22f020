"""Limits on the changes by a new model, beyond which a relabel stops."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from laud_ray.errors import PassError

if TYPE_CHECKING:
    from laud_ray.compare.canary import Verdict


@dataclass(frozen=True, slots=True)
class Canary:
    """Settings of a canary: label a sample first, and stop if it exceeds a limit. See `compare.canary.decide`.

    Attributes:
        share: share of the rows in the sample, in (0, 1].
        max_change: the largest share of changed labels; None is no limit.
        max_drift: the largest population stability index; None is no limit.
    """

    share: float
    max_change: float | None = None
    max_drift: float | None = None


class CanaryError(PassError):
    """The sample exceeds a limit; nothing but the sample was written."""

    def __init__(self, verdict: "Verdict") -> None:
        super().__init__(f"stopped after a sample of {verdict.documents:,} rows: {verdict.reason}")
        self.verdict = verdict
