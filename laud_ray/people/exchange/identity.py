"""The names by which files and projects refer to a run, and to an answer."""

import json
import uuid
from collections.abc import Sequence
from hashlib import blake2b

from laud_ray.people.questions import Question
from laud_ray.store.tables import in_utc

VERSION = 1
_VOTES = uuid.UUID("9c3c5a0e-52c5-4f0e-8f53-9d4c0d9a7c11")


def name_of(task: str, questions: Sequence[Question]) -> str:
    """Return the name of a run in files and projects: its task, and a hash of its first question.

    Two runs of one task have different names; a run that was moved or copied keeps its name.

    Args:
        task: the name of the task.
        questions: at least the first of the run.
    """
    if not questions:
        return task
    first = min(questions, key=lambda one: one.number)
    asked = f"{first.document.id} {in_utc(first.created_at).isoformat()}"
    return f"{task}-{blake2b(asked.encode(errors='surrogatepass'), digest_size=4).hexdigest()}"


def vote_id(*parts: object) -> str:
    """Return a UUID that depends on some values alone, so that recording the same answer again changes nothing."""
    return str(uuid.uuid5(_VOTES, json.dumps(parts, sort_keys=True)))
