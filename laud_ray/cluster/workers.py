"""Describe the workers of a pass. This module imports no Ray, so that a finished command ends without starting it."""

from dataclasses import dataclass

# Default timeout of a range. Scoring a range takes seconds to minutes, so a worker that takes this long hangs.
RANGE_TIMEOUT_S = 6 * 3600.0

# Ray's default of 15 leaves a worker a thirtieth of a core beside another busy process. At 5, Ray's daemons still come
# first.
NICENESS = ("RAY_worker_niceness", "5")


@dataclass(frozen=True, slots=True)
class Workers:
    """Workers of a pass: tasks in reused processes, or actors for work that owns an engine.

    Attributes:
        cpus: CPU cores that each worker reserves.
        gpus: GPUs that each worker reserves.
        engines: size of the actor pool; 0 for tasks.
        timeout_s: seconds after which the work of one name counts as hanging, and its worker is ended.
    """

    cpus: float = 1
    gpus: float = 0
    engines: int = 0
    timeout_s: float = RANGE_TIMEOUT_S

    @property
    def settings(self) -> dict[str, float | None]:
        """Return the reservation as Ray's options num_cpus and num_gpus."""
        return {"num_cpus": self.cpus, "num_gpus": self.gpus or None}
