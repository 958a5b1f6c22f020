"""Update a run and kill this process at boundaries: python interrupted_update.py RUN NEW_DATA [KILLED].

KILLED is the file of `interrupted.Boundaries`. Without it nothing is killed.
"""

import sys
from pathlib import Path

from interrupted import Boundaries

from laud_ray.update.update import update

if __name__ == "__main__":
    observers = [Boundaries(Path(sys.argv[3]))] if sys.argv[3:] else []
    print(update(sys.argv[1], sys.argv[2], *observers).state)
