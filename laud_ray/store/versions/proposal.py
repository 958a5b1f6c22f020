"""A new version of a run's taxonomy before it is in force: what it does to the answers so far, in words."""

from collections.abc import Mapping
from dataclasses import dataclass

from laud_ray.labels import SHOWN
from laud_ray.store import rechecks
from laud_ray.store.store import Answered, Store
from laud_ray.store.versions.record import add
from laud_ray.store.versions.renewals import renewals
from laud_ray.taxonomy.succession import Carried, Succession, succession
from laud_ray.taxonomy.tree import Taxonomy
from laud_ray.taxonomy.versions import Differences, differences


@dataclass(frozen=True, slots=True)
class Proposal:
    """A new version of a run's taxonomy.

    Attributes:
        found: the differences to the version in force.
        how: how labels continue in it.
        answers: all answers to first questions; for documents that were asked about again, the last ones.
        open: documents with a question that is not answered yet.
        renewed: those of them that are asked about again because of an earlier change.
        trusted: trusted answers to the evaluation sample that would be unclear.
        left: annotations of the budget that are not spent.
    """

    found: Differences
    how: Succession
    answers: tuple[Answered, ...]
    open: frozenset[str]
    renewed: frozenset[str]
    trusted: int
    left: int

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
        return self._carried(one).unclear or (one.label is None and self.how.wider)

    def _carried(self, one: Answered) -> Carried:
        return self.how.carry(Carried(one.label, one.unclear))

    def _effects(self) -> list[str]:
        kept = [one for one in self.answers if not self._is_unclear(one)]
        other = sum(self._carried(one).label != one.label for one in kept)
        moved = f", {other:,} of them under another path" if other else ""
        lines = [f"{len(kept):,} of {len(self.answers):,} answers are kept{moved}"]
        if n := len(self.unclear(evaluation=True)):
            lines.append(f"asked again: {_documents(n)} of the evaluation sample, beside the budget")
        if n := len(self.unclear(evaluation=False)):
            lines.append(f"asked again: {_documents(n)} that were asked about for training, within the budget")
        parts = (("new", self.how.added), ("moved", self.how.moved))
        asked = " and ".join(f"{len(leaves):,} {kind}" for kind, leaves in parts if leaves)
        lines.append(f"asked about: {asked} leaves, within the budget" if asked else "asked about: no leaf")
        lines.append(f"the budget has {self.left:,} annotations left")
        return lines


def propose(store: Store, old: Taxonomy, new: Taxonomy, left: int) -> Proposal:
    """Compare a new version of a run's taxonomy with the one in force. Nothing is changed.

    Args:
        left: annotations of the budget that are not spent.
    """
    found = differences(old, new)
    how, asked = succession(found), store.queries()
    again = {name for name, one in renewals(store.engine).items() if not one.answered}
    trusted = [Carried(label) for label in rechecks.trusted_answers(store.engine).values()]
    return Proposal(
        found,
        how,
        tuple(one for one in asked if one.answered),
        frozenset(one.query.document.id for one in asked if not one.answered),
        frozenset(again),
        sum(how.carry(one).unclear for one in trusted),
        left,
    )


def put_in_force(store: Store, proposal: Proposal, settings: Mapping[str, str]) -> None:
    """Put a version in force and record the questions about the evaluation sample, in one transaction.

    Args:
        settings: settings to store with it, by key.
    """
    found = proposal.found
    add(
        store.engine,
        found.old,
        found.new,
        proposal.how,
        round=len(store.history()),
        ended=store.stop_reason() is not None,
        renewed=[*proposal.unclear(evaluation=True), *sorted(proposal.renewed)],
        settings=settings,
    )


def _documents(n: int) -> str:
    return "1 document" if n == 1 else f"{n:,} documents"
