"""Several oracles in order, the cheapest first: the next is asked only where the one before abstained."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from laud_ray.types import Annotation, Document, Oracle

_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class CascadeOracle:
    """Asks its members in order, each about the documents from which the member before abstained.

    An annotation names the member that answered, and its cost is the sum over all members that were asked. An
    abstention of the last member is final. A document that one member leaves pending stays pending.
    """

    members: Sequence[Oracle]

    @property
    def at_once(self) -> int:
        return max(getattr(member, "at_once", _AT_ONCE) for member in self.members)

    @property
    def waiting(self) -> str | None:
        """The reason to wait of the first member that has one."""
        return next((reason for one in self.members if (reason := getattr(one, "waiting", None))), None)

    @property
    def enough(self) -> bool:
        """Whether the run can continue although some documents are pending."""
        return any(getattr(member, "enough", False) for member in self.members)

    @property
    def unanswered(self) -> int | None:
        """How many documents the last member has no answer to, if it counts them."""
        return getattr(self.members[-1], "unanswered", None)

    def annotate(self, documents: Sequence[Document]) -> Sequence[Annotation]:
        answers: dict[str, Annotation] = {}
        cost = dict.fromkeys((document.id for document in documents), 0.0)
        left = documents
        for member in self.members:
            found = {answer.document_id: answer for answer in member.annotate(left)} if left else {}
            for document in left:
                answers.pop(document.id, None)
            for name, answer in found.items():
                cost[name] += answer.cost
                answers[name] = replace(answer, cost=cost[name])
            left = [d for d in left if d.id in found and found[d.id].label is None]
        return [answers[document.id] for document in documents if document.id in answers]
