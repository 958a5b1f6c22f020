"""Wait until people have answered what a run needs to continue."""

import time

from sqlalchemy import Engine

from laud_ray.config import RunConfig
from laud_ray.people.questions import is_ready, rules_of, unanswered

LOOK_EVERY_S = 1.0


def wait_for_answers(engine: Engine, config: RunConfig) -> bool:
    """Wait until the answers to a group of questions are there; return False if the run waits for nobody."""
    rules = rules_of(config)
    while rules is not None:
        time.sleep(LOOK_EVERY_S)
        if is_ready(engine, rules.close_at):
            return True
        if not unanswered(engine):
            return False
    return False
