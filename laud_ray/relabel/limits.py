"""How far a new model may go before a person is asked."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from laud_ray.errors import PassError

if TYPE_CHECKING:
    from laud_ray.compare.canary import Verdict


@dataclass(frozen=True, slots=True)
class Canary:
    """Label this share of the rows first, and stop where a limit is exceeded; see `canary.decide`."""

    share: float
    max_change: float | None = None
    max_drift: float | None = None


class CanaryError(PassError):
    """A sample is beyond a limit; nothing but the sample was written."""

    def __init__(self, verdict: "Verdict") -> None:
        super().__init__(f"stopped after a sample of {verdict.documents:,} rows: {verdict.reason}")
        self.verdict = verdict
