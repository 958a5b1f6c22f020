"""Who works for a pass, in a module that needs no Ray: what is all done needs none."""

from dataclasses import dataclass

# Ray's own is 15, with which a worker beside anything busy gets a thirtieth of a core. Ray's daemons stay before it.
NICENESS = ("RAY_worker_niceness", "5")


@dataclass(frozen=True, slots=True)
class Workers:
    """Who works: tasks in warm processes, or, for work that owns an engine, a pool of `engines` actors.

    Attributes:
        cpus, gpus: what each of them takes.
    """

    cpus: float = 1
    gpus: float = 0
    engines: int = 0

    @property
    def settings(self) -> dict[str, float | None]:
        """The same in Ray's words."""
        return {"num_cpus": self.cpus, "num_gpus": self.gpus or None}
