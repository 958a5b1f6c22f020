"""Wait until people have answered what a run needs to continue."""

import time
from collections.abc import Sequence

from sqlalchemy import Engine

from laud_ray.config import PeopleConfig
from laud_ray.people.cost import spent_line
from laud_ray.people.groups import Awaited, is_ready
from laud_ray.people.questions import unanswered

LOOK_EVERY_S = 1.0


def wait_for_answers(engine: Engine, awaited: Sequence[Awaited], rules: PeopleConfig) -> bool:
    """Wait until enough of the awaited questions are answered.

    Returns:
        False if no answer can come any more: nothing is open, or the answers have cost as much as they may.
    """
    while not is_ready(engine, awaited):
        if not unanswered(engine) or spent_line(engine, rules) is not None:
            return False
        time.sleep(LOOK_EVERY_S)
    return True
