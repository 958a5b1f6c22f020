"""The documents that a query strategy chooses from, and where they lie. n documents, k classes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from laud_ray.types.arrays import Floats, Indices


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Where m candidates and a annotated documents lie, in the eyes of the round's model. d dimensions, k classes.

    Attributes:
        vectors: (m, d) unit vectors of the candidates.
        proba: (m, k) their class probabilities; rows sum to 1.
        known_vectors: (a, d) unit vectors of what was asked about so far, the evaluation sample not.
        known_proba: (a, k) what the model says of them.
        known_labels: (a,) the class that was answered; -1 for an abstention.
        committee: (c, m, k) what c models of the last rounds say of the candidates, the newest last; None if the
            strategy wants no committee.
    """

    vectors: Floats
    proba: Floats
    known_vectors: Floats
    known_proba: Floats
    known_labels: Indices
    committee: Floats | None = None

    def take(self, rows: Indices) -> "Space":
        """Return the space with the candidates of these rows alone."""
        votes = None if self.committee is None else self.committee[:, rows]
        return replace(self, vectors=self.vectors[rows], proba=self.proba[rows], committee=votes)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The shortlist that a query strategy picks from: m documents, c criteria.

    utility is (m, c), larger is better; -inf where a document is not on that criterion's shortlist.
    Simple strategies have one criterion, mixes one for each part. space is there for the strategies that want it.
    """

    ids: Sequence[str]
    texts: Sequence[str]
    utility: Floats
    space: Space | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Indices, criterion: int | None = None) -> "Candidates":
        """Return the candidates of these rows alone, by all criteria or by one."""
        at = rows.tolist()
        return Candidates(
            ids=[self.ids[row] for row in at],
            texts=[self.texts[row] for row in at],
            utility=self.utility[rows] if criterion is None else self.utility[rows, criterion : criterion + 1],
            space=None if self.space is None else self.space.take(rows),
        )
