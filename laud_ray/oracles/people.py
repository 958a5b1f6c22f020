"""People answer: what they are asked is recorded as questions, and what they settled is the answer."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import Engine

from laud_ray.config import PeopleConfig
from laud_ray.people import questions as asked
from laud_ray.people.cost import cost_of
from laud_ray.people.groups import Group, missing, open_line
from laud_ray.people.questions import FIRST, Suggest, again_at
from laud_ray.store.versions import renewals
from laud_ray.store.versions.record import history
from laud_ray.types import Annotation, Document

NAME = "people"


class PeopleOracle:
    """Records questions about documents, and returns the answers once there are enough of them.

    Answers are returned together: until then a person may still take a vote back.
    """

    # All that is open is one call: the answers of a step are returned together.
    at_once = 1_000_000

    def __init__(
        self,
        engine: Engine,
        rules: PeopleConfig,
        seed: int,
        *,
        attempt: int = FIRST,
        suggest: Suggest | None = None,
        share: float = 1.0,
    ) -> None:
        """Make an oracle.

        Args:
            attempt: for which time documents are asked about.
            suggest: what a model says of documents, to be shown to people.
            share: of the questions, with whose answers the run continues; the others stay pending.
        """
        self._engine, self._rules, self._seed = engine, rules, seed
        self._attempt, self._suggest, self._share = attempt, suggest, share
        self._groups: list[Group] = []

    def annotate(self, documents: Sequence[Document]) -> Sequence[Annotation]:
        """Return the settled answers, or none of them while there are too few.

        The questions that belong together with those about the documents count too: after a crash in the midst of
        recording the answers, the documents are only those without one.
        """
        by_attempt = self._by_attempt(documents)
        for attempt, some in by_attempt.items():
            asked.ask(self._engine, some, attempt, self._suggest, self._rules, self._seed)
        self._groups = self._groups_of(by_attempt)
        if not self.enough:
            return []
        found = {
            name: one
            for attempt, some in by_attempt.items()
            for name, one in asked.take_answers(self._engine, _ids(some), attempt).items()
        }
        self._groups = self._groups_of(by_attempt)
        costs = cost_of(self._engine, [one.number for one in found.values()], self._rules.hourly)
        return [Annotation(name, one.label, NAME, cost=costs.get(one.number, 0.0)) for name, one in found.items()]

    def _by_attempt(self, documents: Sequence[Document]) -> dict[int, list[Document]]:
        """Return the documents by the question about each: a change of the labels may have made another one."""
        again = renewals.pending(self._engine, history(self._engine)) if self._attempt == FIRST else {}
        found = defaultdict[int, list[Document]](list)
        for one in documents:
            found[again_at(again[one.id]) if one.id in again else self._attempt].append(one)
        return found

    def _groups_of(self, by_attempt: Mapping[int, Sequence[Document]]) -> list[Group]:
        return [
            one for attempt, some in by_attempt.items() for one in asked.groups_of(self._engine, _ids(some), attempt)
        ]

    @property
    def enough(self) -> bool:
        """Whether the run can continue with the answers that the last call found."""
        return not any(missing(one.asked, one.answered, self._share) for one in self._groups)

    @property
    def unanswered(self) -> int:
        """How many of the questions have no answer that the run has taken."""
        return sum(one.asked - one.states.get("used", 0) for one in self._groups)

    @property
    def waiting(self) -> str | None:
        """Say how many questions are open; None if none is."""
        said = [open_line(one) for one in self._groups if one.unanswered]
        return "; ".join(said) or None


def _ids(documents: Sequence[Document]) -> list[str]:
    return [one.id for one in documents]
