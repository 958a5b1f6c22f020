"""A new version of a run's labels before it is in force: what it does to the answers so far, in words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from laud_ray.labels import SHOWN
from laud_ray.store import rechecks
from laud_ray.store.store import Answered, Store
from laud_ray.store.versions.record import add, history
from laud_ray.store.versions.renewals import renewals
from laud_ray.taxonomy.succession import Carried, Succession, succession
from laud_ray.taxonomy.task import digest
from laud_ray.taxonomy.tree import Taxonomy
from laud_ray.taxonomy.versions import differences


class Described(Protocol):
    """The differences between two versions, in words."""

    def lines(self, most: int = SHOWN) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Words:
    """The words for the labels of a task: the name of a label, one label, and several."""

    name: str
    one: str
    many: str


OF_A_TREE = Words("path", "leaf", "leaves")
OF_A_LIST = Words("name", "label", "labels")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A new version of a run's labels.

    Attributes:
        found: the differences to the version in force.
        digests: of the version in force and the new one.
        how: how labels continue in it.
        answers: all answers to first questions; for documents that were asked about again, the last ones.
        open: documents with a question that is not answered yet.
        renewed: those of them that are asked about again because of an earlier change.
        trusted: trusted answers to the evaluation sample that would be unclear.
        left: annotations of the budget that are not spent.
        words: for the labels.
        restored: documents whose answers were given at an earlier version that is the same as the new one.
    """

    found: Described
    digests: tuple[str, str]
    how: Succession
    answers: tuple[Answered, ...]
    open: frozenset[str]
    renewed: frozenset[str]
    trusted: int
    left: int
    words: Words = OF_A_TREE
    restored: frozenset[str] = frozenset()

    def unclear(self, *, evaluation: bool) -> list[str]:
        """Return the documents of the evaluation sample, or the others, whose answers do not say what is right now.

        Their leaf was split or their node removed, or no label fitted them and one of the new leaves may.
        """
        return [
            one.query.document.id
            for one in self.answers
            if (one.purpose == "evaluation") == evaluation and self._is_unclear(one)
        ]

    def lines(self, most: int = SHOWN) -> list[str]:
        """Return the differences and what follows from them, for a person: at most `most` nodes of each kind."""
        return [*self.found.lines(most), *self._effects()]

    def _is_unclear(self, one: Answered) -> bool:
        if one.query.document.id in self.restored:
            return False
        return self._carried(one).unclear or (one.label is None and self.how.wider)

    def _carried(self, one: Answered) -> Carried:
        return self.how.carry(Carried(one.label, one.unclear))

    @property
    def kept(self) -> int:
        """The number of answers that say what is right, also in the new version."""
        return sum(not self._is_unclear(one) for one in self.answers)

    def _effects(self) -> list[str]:
        kept = [one for one in self.answers if not self._is_unclear(one)]
        carried = [one for one in kept if one.query.document.id not in self.restored]
        other = sum(self._carried(one).label != one.label for one in carried)
        moved = f", {other:,} of them under another {self.words.name}" if other else ""
        lines = [f"{len(kept):,} of {len(self.answers):,} answers are kept{moved}"]
        if n := len(self.unclear(evaluation=True)):
            lines.append(f"asked again: {documents(n)} of the evaluation sample, beside the budget")
        if n := len(self.unclear(evaluation=False)):
            lines.append(f"asked again: {documents(n)} that were asked about for training, within the budget")
        parts = (("new", self.how.added), ("moved", self.how.moved))
        asked = " and ".join(f"{len(leaves):,} {kind}" for kind, leaves in parts if leaves)
        word = self.words.one if sum(len(leaves) for _, leaves in parts) == 1 else self.words.many
        lines.append(
            f"asked about: {asked} {word}, within the budget" if asked else f"asked about: no {self.words.one}"
        )
        lines.append(f"the budget has {self.left:,} annotations left")
        return lines


def propose(store: Store, old: Taxonomy, new: Taxonomy, left: int) -> Proposal:
    """Compare a new version of a run's taxonomy with the one in force. Nothing is changed.

    Args:
        left: annotations of the budget that are not spent.
    """
    found = differences(old, new)
    return proposal_of(store, found, (digest(old), digest(new)), succession(found), left=left)


def proposal_of(
    store: Store, found: Described, digests: tuple[str, str], how: Succession, *, left: int, words: Words = OF_A_TREE
) -> Proposal:
    """Return what a new version does to the answers of a run. Nothing is changed."""
    asked, versions = store.queries(), history(store.engine)
    again = {name for name, one in renewals(store.engine, versions).items() if not one.answered}
    trusted = [Carried(label) for label in rechecks.trusted_answers(store.engine).values()]
    answers = tuple(one for one in asked if one.answered)
    same = () if versions is None else [one.number for one in versions.versions if one.tree == digests[1]]
    return Proposal(
        found,
        digests,
        how,
        answers,
        frozenset(one.query.document.id for one in asked if not one.answered),
        frozenset(again),
        sum(how.carry(one).unclear for one in trusted),
        left,
        words,
        frozenset(one.query.document.id for one in answers if one.version in same),
    )


def put_in_force(
    store: Store,
    proposal: Proposal,
    settings: Mapping[str, str],
    within: Callable[[Connection], None] | None = None,
) -> None:
    """Put a version in force and record the questions about the evaluation sample, in one transaction.

    Args:
        settings: settings to store with it, by key.
        within: writes more in the same transaction.
    """
    before, round = history(store.engine), len(store.history())
    # If no model has been trained since the change before, it is as if both were one.
    ended = before is not None and before.current.round == round and before.current.ended
    add(
        store.engine,
        *proposal.digests,
        proposal.how,
        round=round,
        ended=ended or store.stop_reason() is not None,
        renewed=[*proposal.unclear(evaluation=True), *sorted(proposal.renewed)],
        settings=settings,
        within=within,
    )


def documents(n: int) -> str:
    """Return a number of documents in words."""
    return "1 document" if n == 1 else f"{n:,} documents"
