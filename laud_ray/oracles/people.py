"""People answer: what they are asked is recorded as questions, and what they settled is the answer."""

from collections.abc import Sequence

from sqlalchemy import Engine

from laud_ray.config import PeopleConfig
from laud_ray.people import questions as asked
from laud_ray.people.cost import cost_of
from laud_ray.people.groups import Group, missing, open_line
from laud_ray.people.questions import Suggest
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
        attempt: int = 1,
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
        ids = [one.id for one in documents]
        asked.ask(self._engine, documents, self._attempt, self._suggest, self._rules, self._seed)
        self._groups = asked.groups_of(self._engine, ids, self._attempt)
        if not self.enough:
            return []
        found = asked.take_answers(self._engine, ids, self._attempt)
        self._groups = asked.groups_of(self._engine, ids, self._attempt)
        costs = cost_of(self._engine, [one.number for one in found.values()], self._rules.hourly)
        return [Annotation(name, one.label, NAME, cost=costs.get(one.number, 0.0)) for name, one in found.items()]

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
