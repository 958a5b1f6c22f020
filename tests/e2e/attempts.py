"""Run or update in processes that are killed, until one comes to the end.

python attempts.py boundaries KILLED WORK ...   each is killed at the first boundary where none was killed before
python attempts.py ends KILLED WORK ...         the same, but only at the ends of steps
python attempts.py instants SEED WORK ...       four are killed at random instants

WORK is `run CONFIG` or `update RUN NEW_DATA`; KILLED is the file of `interrupted.Boundaries`. The processes are forked
from this one, which imports what they need and starts nothing, so that no attempt waits for imports. It prints what
the last one says, and the number of kills.
"""

import os
import pkgutil
import random
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from interrupted import Boundaries

import laud_ray
from laud_ray import config, loop
from laud_ray.events import Event, Observer
from laud_ray.update.update import update

MOST = 60
# Seconds after which an attempt is killed at a random instant, at least and at most.
INSTANTS, BETWEEN = 4, (0.2, 8.0)
# Of other learners and oracles, or not to be imported on their own.
WITHOUT = ("laud_ray.__main__", "laud_ray.cli", "laud_ray.store.migrations", "laud_ray.models.language")


class Ends(Boundaries):
    """Kills this process at the end of the first step where none was killed yet."""

    def __call__(self, event: Event) -> None:
        if event.kind == "end":
            super().__call__(event)


def nothing(event: Event) -> None:
    """Observe without a kill."""


def observers(how: str, given: str) -> Iterator[tuple[Observer, float | None]]:
    """Yield for each attempt its observer, and after how many seconds it is killed, if it is."""
    if how == "instants":
        rng = random.Random(given)
        yield from [(nothing, rng.uniform(*BETWEEN)) for _ in range(INSTANTS)]
        yield nothing, None
        return
    for _ in range(MOST):
        yield {"boundaries": Boundaries, "ends": Ends}[how](Path(given)), None


def attempt(kind: str, places: list[str], observer: Observer, seconds: float | None) -> int:
    """Work in a process of its own; return its status as `os.waitpid` does."""
    pid = os.fork()
    if pid:
        if seconds is not None:
            time.sleep(seconds)
            os.kill(pid, signal.SIGKILL)
        return os.waitpid(pid, 0)[1]
    try:
        if kind == "run":
            print(loop.run(config.load(places[0]), observer).reason, flush=True)
        else:
            print(update(*places, observer).state, flush=True)
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
    how, given, kind, *places = sys.argv[1:]
    kills = 0
    for observer, seconds in observers(how, given):
        status = attempt(kind, places, observer, seconds)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL, status
            kills += 1
        elif how != "instants" or seconds is None or status:
            print(f"{kills} kills")
            sys.exit(os.WEXITSTATUS(status))
    sys.exit("it did not end")
