"""Update a run in processes that are killed at the ends of steps: python interrupted_update.py RUN NEW_DATA KILLED.

Each attempt is a process that kills itself by SIGKILL at the first step's end where none was killed before, until one
comes to the end. KILLED is the file of `interrupted.Boundaries`. The processes are forked from this one, which imports
what they need and starts nothing, so that no attempt waits for imports.
"""

import os
import pkgutil
import signal
import sys
import traceback
from importlib import import_module
from pathlib import Path

from interrupted import Boundaries

import laud_ray
from laud_ray.events import Event
from laud_ray.update.update import update

MOST = 60
# Of other learners and oracles, or not to be imported on their own.
WITHOUT = ("laud_ray.__main__", "laud_ray.cli", "laud_ray.store.migrations", "laud_ray.models.language")


class Ends(Boundaries):
    """Kills this process at the end of the first step where none was killed yet."""

    def __call__(self, event: Event) -> None:
        if event.kind == "end":
            super().__call__(event)


def attempt(run: str, source: str, killed: Path) -> int:
    """Update in a process of its own; return its status as `os.waitpid` does."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    try:
        print(update(run, source, Ends(killed)).state, flush=True)
        os._exit(0)
    except BaseException:  # noqa: BLE001 - the parent tells the test
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    for name in ("ray.data", "ray.train", "torch", "transformers", "alembic.command"):
        import_module(name)
    for module in pkgutil.walk_packages(laud_ray.__path__, "laud_ray."):
        if not module.name.startswith(WITHOUT):
            import_module(module.name)
    kills = 0
    while kills < MOST:
        status = attempt(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
        if not os.WIFSIGNALED(status):
            print(f"{kills} kills")
            sys.exit(os.WEXITSTATUS(status))
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        kills += 1
    sys.exit("it did not end")
