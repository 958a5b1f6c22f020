"""The candidates of a query strategy, and their vectors and predictions. n documents, k classes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from laud_ray.types.arrays import Floats, Indices


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Vectors and predictions of m candidates and a known documents, by the model of the round.

    Known documents are those that the oracle answered before, without the evaluation sample. d dimensions, k classes.

    Attributes:
        vectors: (m, d) unit vectors of the candidates.
        proba: (m, k) class probabilities of the candidates; rows sum to 1, but for those of a multilabel task.
        known_vectors: (a, d) unit vectors of the known documents.
        known_proba: (a, k) class probabilities of the known documents.
        known_labels: (a,) the classes that the oracle answered, 0 for any answer of a multilabel task; -1 for an
            abstention.
        committee: (c, m, k) class probabilities of the candidates by c models of the last rounds, the newest last; None
            if the strategy needs no committee.
    """

    vectors: Floats
    proba: Floats
    known_vectors: Floats
    known_proba: Floats
    known_labels: Indices
    committee: Floats | None = None

    def take(self, rows: Indices) -> "Space":
        """Return the space with only the candidates in these rows."""
        votes = None if self.committee is None else self.committee[:, rows]
        return replace(self, vectors=self.vectors[rows], proba=self.proba[rows], committee=votes)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The shortlist that a query strategy picks from: m documents, c criteria.

    A simple strategy has one criterion, and a mix has one for each of its strategies.

    Attributes:
        ids: the m document ids.
        texts: the m texts.
        utility: (m, c), larger is better; -inf if a document is not on the shortlist of a criterion.
        space: for strategies that use vectors; else None.
    """

    ids: Sequence[str]
    texts: Sequence[str]
    utility: Floats
    space: Space | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Indices, criterion: int | None = None) -> "Candidates":
        """Return only the candidates in these rows, with all criteria or with one."""
        at = rows.tolist()
        return Candidates(
            ids=[self.ids[row] for row in at],
            texts=[self.texts[row] for row in at],
            utility=self.utility[rows] if criterion is None else self.utility[rows, criterion : criterion + 1],
            space=None if self.space is None else self.space.take(rows),
        )
