"""What the page gets, as JSON. Nothing of it tells which questions measure, who else answered, or what is gold."""

from collections.abc import Mapping, Sequence
from typing import Any

from laud_ray.people.leases import Lease
from laud_ray.people.questions import Question
from laud_ray.people.tokens import Person
from laud_ray.people.votes import Receipt, StoredVote, current
from laud_ray.types import Task
from serve.annotate.desk import Opened

_SAID = {"unsure": "unsure", "none": "none fits"}


def me(opened: Opened, person: Person, *, anonymous: bool) -> dict[str, Any]:
    """Who answers, and what."""
    return {
        "run": opened.id,
        "person": person.name,
        "role": person.role,
        "anonymous": anonymous,
        "task": opened.task.name,
        "guideline": opened.rules.guideline,
        "lease": opened.rules.lease,
    }


def labels(task: Task) -> dict[str, Any]:
    """The labels in the task's order; the description of the rest of a binary task names what it stands for."""
    return {
        "labels": [
            {
                "name": one.name,
                "description": one.description or ", ".join(each.name for each in one.rest)[:500] or None,
            }
            for one in task.labels
        ]
    }


def questions(leases: Sequence[Lease], votes: Mapping[int, Sequence[StoredVote]]) -> list[dict[str, Any]]:
    """Questions to answer; `votes` are those on the questions that an adjudicator decides."""
    return [question(lease.question, votes.get(lease.question.number)) for lease in leases]


def question(one: Question, votes: Sequence[StoredVote] | None = None) -> dict[str, Any]:
    """A question with its suggestions, if they may be shown, and for an adjudicator with the answers but no names."""
    shown = [[each.label, each.probability] for each in one.candidates] if one.suggests else None
    given = None if votes is None else _given(votes)
    return {"id": one.id, "text": one.document.text, "candidates": shown, "answers": given}


def _given(votes: Sequence[StoredVote]) -> list[dict[str, Any]]:
    """The answers in an order that does not tell who gave them."""
    found: dict[tuple[str, str | None], list[str]] = {}
    for one in current(votes):
        found.setdefault((one.vote.answer, one.vote.label), []).append(one.vote.comment or "")
    rows = [
        {"label": label, "said": _SAID.get(answer), "count": len(comments), "comments": sorted(filter(None, comments))}
        for (answer, label), comments in found.items()
    ]
    return sorted(rows, key=lambda row: (-row["count"], row["label"] or "", row["said"] or ""))


def receipt(one: Receipt) -> dict[str, Any]:
    """What became of a vote. One on a gold question looks like any other."""
    outcome, state = ("counted", "settled") if one.outcome == "gold" else (one.outcome, one.state)
    return {"id": one.id, "question": f"q-{one.question:06d}", "outcome": outcome, "state": state, "reason": one.reason}


def past(vote: StoredVote, asked: Question) -> dict[str, Any]:
    """One of a person's own answers, and whether it stands for good."""
    said = {"id": vote.vote.id, "answer": vote.vote.answer, "label": vote.vote.label, "comment": vote.vote.comment}
    return {"question": question(asked), "vote": said, "final": asked.state == "used" and not vote.gold}
