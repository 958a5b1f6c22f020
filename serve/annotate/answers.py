"""What the page gets, as JSON. Nothing of it tells which questions measure, who else answered, or what is gold."""

from collections.abc import Mapping, Sequence
from typing import Any

from laud_ray.label_sets import LabelSet
from laud_ray.people.leases import Lease
from laud_ray.people.questions import Question
from laud_ray.people.tokens import Person
from laud_ray.people.votes import Receipt, StoredVote, current
from laud_ray.printable import quoted
from serve.annotate.desk import Opened
from serve.schemas import FaultError

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
        "labels": opened.labels,
    }


def labels(opened: Opened) -> dict[str, Any]:
    """The labels in the task's order; the description of the rest of a binary task names what it stands for.

    Of a taxonomy, which may have tens of thousands, only the top of the tree. A multilabel task has the limits of an
    answer.
    """
    if opened.nodes is not None:
        return {"labels": [], "tree": opened.nodes.tree()}
    listed = [
        {"name": one.name, "description": one.description or ", ".join(each.name for each in one.rest)[:500] or None}
        for one in opened.task.labels
    ]
    if not opened.task.multilabel:
        return {"labels": listed}
    return {"labels": listed, "sets": {"at_most": opened.task.at_most, "exclusive": opened.task.exclusive}}


def nodes(opened: Opened, asked: Mapping[str, str]) -> dict[str, Any]:
    """Some nodes of a taxonomy, see `Work.nodes`."""
    if opened.nodes is None:
        raise FaultError(404, "no_taxonomy", "the labels of this run are no taxonomy; GET v1/labels has them all")
    if "find" in asked:
        return opened.nodes.found(asked["find"])
    if "at" in asked:
        return opened.nodes.at(asked["at"])
    start = asked.get("from", "0")
    if not (start.isascii() and start.isdigit() and len(start) <= 9):
        raise FaultError(422, "invalid", f"from: {quoted(start)} is not valid; expected a whole number from 0 on")
    return opened.nodes.below(asked.get("under"), int(start))


def questions(
    opened: Opened, leases: Sequence[Lease], votes: Mapping[int, Sequence[StoredVote]]
) -> list[dict[str, Any]]:
    """Questions to answer; `votes` are those on the questions that an adjudicator decides."""
    return [question(opened, lease.question, votes.get(lease.question.number)) for lease in leases]


def question(opened: Opened, one: Question, votes: Sequence[StoredVote] | None = None) -> dict[str, Any]:
    """A question with its suggestions, if they may be shown, and for an adjudicator with the answers but no names.

    In a taxonomy it has the nodes that it names, too.
    """
    shown = [[each.label, each.probability] for each in one.candidates] if one.suggests else None
    given = None if votes is None else _given(votes, multilabel=opened.task.multilabel)
    made = {"id": one.id, "text": one.document.text, "candidates": shown, "answers": given}
    nodes = opened.nodes
    if nodes is None:
        return made
    named = [each.label for each in one.candidates if shown] + [row["label"] for row in given or () if row["label"]]
    return made | {"nodes": nodes.known(named)}


def _given(votes: Sequence[StoredVote], *, multilabel: bool) -> list[dict[str, Any]]:
    """The answers in an order that does not tell who gave them."""
    found: dict[tuple[str, str | None], list[str]] = {}
    for one in current(votes):
        found.setdefault((one.vote.answer, one.vote.label), []).append(one.vote.comment or "")
    rows: list[dict[str, Any]] = [
        {"label": label, "said": _SAID.get(answer), "count": len(comments), "comments": sorted(filter(None, comments))}
        for (answer, label), comments in found.items()
    ]
    ordered = sorted(rows, key=lambda row: (-row["count"], row["label"] or "", row["said"] or ""))
    return [row | _labels_of(row["label"]) for row in ordered] if multilabel else ordered


def _labels_of(label: str | None) -> dict[str, Any]:
    """The labels of an answer that is a set; null for an answer without labels."""
    return {"labels": None if label is None else list(LabelSet.parse(label).yes)}


def receipt(one: Receipt) -> dict[str, Any]:
    """What became of a vote. One on a gold question looks like any other."""
    outcome, state = ("counted", "settled") if one.outcome == "gold" else (one.outcome, one.state)
    return {"id": one.id, "question": f"q-{one.question:06d}", "outcome": outcome, "state": state, "reason": one.reason}


def past(opened: Opened, vote: StoredVote, asked: Question) -> dict[str, Any]:
    """One of a person's own answers, and whether it stands for good."""
    said = {"id": vote.vote.id, "answer": vote.vote.answer, "label": vote.vote.label, "comment": vote.vote.comment}
    if opened.task.multilabel:
        said |= _labels_of(vote.vote.label)
    return {"question": question(opened, asked), "vote": said, "final": asked.state == "used" and not vote.gold}
