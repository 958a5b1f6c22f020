"""The oracle that asks people. Documents are recorded as questions; settled questions are the answers."""

from collections.abc import Sequence

from sqlalchemy import Engine

from laud_ray.config import PeopleConfig
from laud_ray.people import questions as asked
from laud_ray.people.figures import cost_of
from laud_ray.people.questions import Suggest
from laud_ray.types import Annotation, Document

NAME = "people"


class PeopleOracle:
    """Records questions about documents, and returns the answers once enough of them are settled.

    Answers are returned all at once, because a person may withdraw a vote until then.
    """

    # One call has all open documents of a step, since their answers are returned all at once.
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
        """Create the oracle.

        Args:
            attempt: 1 for the first answer of each document, 2 for the second, and so on.
            suggest: returns the predictions of a model, which are shown to people.
            share: the share of documents that must be answered before the run continues; the others stay pending.
        """
        self._engine, self._rules, self._seed = engine, rules, seed
        self._attempt, self._suggest, self._share = attempt, suggest, share
        self._open: dict[str, int] = {}
        self._asked = 0

    def annotate(self, documents: Sequence[Document]) -> Sequence[Annotation]:
        """Return the settled answers, or an empty list while there are too few."""
        ids = [one.id for one in documents]
        asked.ask(self._engine, documents, self._attempt, self._suggest, self._rules, self._seed)
        self._open, self._asked = asked.states_of(self._engine, ids, self._attempt), len(ids)
        if not self.enough:
            return []
        found = asked.take_answers(self._engine, ids, self._attempt)
        costs = cost_of(self._engine, [one.number for one in found.values()], self._rules.hourly)
        return [Annotation(name, one.label, NAME, cost=costs.get(one.number, 0.0)) for name, one in found.items()]

    @property
    def enough(self) -> bool:
        """Whether the run can continue with the answers that the last call found."""
        return self._asked - self.unanswered >= self._share * self._asked

    @property
    def unanswered(self) -> int:
        """The number of documents of the last call without an answer."""
        return sum(self._open.get(state, 0) for state in asked.UNANSWERED)

    @property
    def waiting(self) -> str | None:
        """One line on the open questions, or None if there are none."""
        if not self.unanswered:
            return None
        disputed = self._open.get("adjudicate", 0)
        differ = f"; {disputed} of them need an adjudicator" if disputed else ""
        return f"people have {self.unanswered} of {self._asked} questions to answer{differ}"
