"""What the page sends, field by field. What it gets is written where it is made: `answers.py`."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from laud_ray.labels import LONGEST
from laud_ray.people.votes import MOST_COMMENT
from serve.schemas import Wire

MOST_VOTES = 200
MOST_QUESTIONS = 50
_HALF = re.compile(r"[\ud800-\udfff]")


def _whole(value: str) -> str:
    """JSON can escape half of a character, which no database can keep."""
    found = _HALF.search(value)
    if found is not None:
        raise ValueError(f"has U+{ord(found[0]):04X} at character {found.start()}, half of a character; expected none")
    return value


Uuid = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
QuestionId = Annotated[str, Field(pattern=r"^q-[0-9]{1,12}$")]
# A path has several names.
MOST_LABEL = 10 * LONGEST
LabelName = Annotated[str, Field(min_length=1, max_length=MOST_LABEL), AfterValidator(_whole)]
# The most labels of a task.
MOST_OF_SET = 1000
Comment = Annotated[str, Field(max_length=MOST_COMMENT), AfterValidator(_whole)]
Short = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_whole)]

_HOLDER = "the name of the page, of 1 to 100 characters"
_RUN = "the run's id, as GET v1/me gives it"
_IDS = f"a list of at most {MOST_QUESTIONS} ids of questions, such as q-000017"


class VoteIn(Wire):
    """One answer. `undoes` is the id of the vote that an undo takes back.

    `labels` are all labels that apply, in a multilabel task; an empty list says that none does.
    """

    id: Uuid
    question: QuestionId
    answer: Literal["label", "unsure", "none", "undo"]
    label: LabelName | None = None
    labels: Annotated[list[LabelName], Field(max_length=MOST_OF_SET)] | None = None
    comment: Comment | None = None
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    shown: Annotated[list[LabelName], Field(max_length=20)] | None = None
    via: Literal["key", "mouse", "search"] = "key"
    answered_at: Annotated[datetime, Field(strict=False)] | None = None
    undoes: Uuid | None = None


class VotesIn(Wire):
    EXAMPLE: ClassVar[str] = '{"votes": [{"id": a UUID, "question": "q-000017", "answer": "label", "label": "Milk"}]}'
    EXPECTED: ClassVar[Mapping[str, str]] = {
        "run": _RUN,
        "holder": _HOLDER,
        "votes": f"a list of 1 to {MOST_VOTES} answers",
        "next": f"a whole number from 0 to {MOST_QUESTIONS}",
        "votes.id": "a UUID, a new one for each answer",
        "votes.question": "a question's id, such as q-000017",
        "votes.answer": "label, unsure, none or undo",
        "votes.label": f"a label of at most {MOST_LABEL:,} characters, or null",
        "votes.labels": f"in a multilabel task, a list of at most {MOST_OF_SET:,} labels, or null",
        "votes.comment": f"a text of at most {MOST_COMMENT:,} characters, or null",
        "votes.seconds": "a number of at least 0, or null",
        "votes.shown": "a list of at most 20 labels, or null",
        "votes.via": "key, mouse or search",
        "votes.answered_at": "a time such as 2026-11-29T06:39:05Z, or null",
        "votes.undoes": "the id of the answer to take back, or null",
    }
    run: Short | None = None
    holder: Short = "api"
    votes: Annotated[list[VoteIn], Field(min_length=1, max_length=MOST_VOTES, fail_fast=True)]
    next: Annotated[int, Field(ge=0, le=MOST_QUESTIONS)] = 0


class NextIn(Wire):
    EXAMPLE: ClassVar[str] = '{"n": 4}'
    EXPECTED: ClassVar[Mapping[str, str]] = {
        "run": _RUN,
        "holder": _HOLDER,
        "n": f"a whole number from 1 to {MOST_QUESTIONS}",
    }
    run: Short | None = None
    holder: Short = "api"
    n: Annotated[int, Field(ge=1, le=MOST_QUESTIONS)] = 1


class HeldIn(Wire):
    """Questions to keep for longer, or to give back."""

    EXAMPLE: ClassVar[str] = '{"questions": ["q-000017"]}'
    EXPECTED: ClassVar[Mapping[str, str]] = {"run": _RUN, "holder": _HOLDER, "questions": _IDS}
    run: Short | None = None
    holder: Short = "api"
    questions: Annotated[list[QuestionId], Field(max_length=MOST_QUESTIONS)]


class DecisionIn(Wire):
    """What a person decides about a proposed label: accept it, merge it into one, or refuse it."""

    EXAMPLE: ClassVar[str] = '{"proposal": 3, "decision": "accept", "name": "Plant milk"}'
    EXPECTED: ClassVar[Mapping[str, str]] = {
        "run": _RUN,
        "proposal": "the number of a proposal, as GET v1/proposals gives it",
        "decision": "accept, merge or refuse",
        "name": f"a name of at most {MOST_LABEL:,} characters, or null for the proposed one",
        "label": f"a label of at most {MOST_LABEL:,} characters, or null",
    }
    run: Short | None = None
    proposal: Annotated[int, Field(ge=1, le=10**9)]
    decision: Literal["accept", "merge", "refuse"]
    name: LabelName | None = None
    label: LabelName | None = None
