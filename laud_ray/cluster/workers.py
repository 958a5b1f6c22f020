"""Describe the workers of a pass. This module imports no Ray, so that a finished command ends without starting it."""

from dataclasses import dataclass

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
    """

    cpus: float = 1
    gpus: float = 0
    engines: int = 0

    @property
    def settings(self) -> dict[str, float | None]:
        """Return the reservation as Ray's options num_cpus and num_gpus."""
        return {"num_cpus": self.cpus, "num_gpus": self.gpus or None}
