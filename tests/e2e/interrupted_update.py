"""Update a run and kill this process at the ends of steps: python interrupted_update.py RUN NEW_DATA [KILLED].

KILLED is the file of `interrupted.Boundaries`. Without it nothing is killed.
"""

import sys
from pathlib import Path

from interrupted import Boundaries

from laud_ray.events import Event
from laud_ray.update.update import update


class Ends(Boundaries):
    """Kills this process at the end of the first step where none was killed yet."""

    def __call__(self, event: Event) -> None:
        if event.kind == "end":
            super().__call__(event)


if __name__ == "__main__":
    observers = [Ends(Path(sys.argv[3]))] if sys.argv[3:] else []
    print(update(sys.argv[1], sys.argv[2], *observers).state)
