"""The nodes that a question to a language model lists, as an encoder and the annotated documents suggest them.

n texts, l leaves.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from laud_ray.models.encoder.neighbours import Neighbours
from laud_ray.oracles.trees.walk import Step
from laud_ray.taxonomy.candidates import candidate_leaves
from laud_ray.taxonomy.masses import node_mass
from laud_ray.taxonomy.tree import Taxonomy
from laud_ray.types import Example, Floats, Scorer, Task

# Texts whose probabilities of all leaves are in memory at once.
CHUNK = 64
# Where an inner node may be the right answer, the parents of this many of the likeliest leaves are listed too.
PARENTS = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list is wanted for.

    Attributes:
        text: of the document.
        step: the question.
        listed: the nodes that were listed in earlier questions; a list below a node leaves them out if it is full.
    """

    text: str
    step: Step
    listed: Collection[int] = ()


class Candidates:
    """Lists nodes for questions. The encoder is loaded on first use.

    The first list alternates between the likeliest leaves by the encoder and the labels of the nearest annotated
    documents. Every list is in the order of the tree: the order says nothing of what the encoder takes a document for,
    so that a model's answers are its own, and siblings stand together.
    """

    def __init__(
        self,
        task: Task,
        size: int,
        examples: Sequence[Example] = (),
        encoder: Callable[[], Scorer] | None = None,
    ) -> None:
        """Create it.

        Args:
            task: a task with a taxonomy.
            size: the most nodes in a list.
            examples: annotated documents.
            encoder: opens the scorer whose probabilities count. None: the bundled encoder, without training.
        """
        assert task.taxonomy is not None, "only a taxonomy has candidates"
        self._task, self._tree, self._size = task, task.taxonomy, size
        self._neighbours = Neighbours(examples, task.labels)
        self._open = encoder

    def lists(self, asked: Sequence[Asked]) -> list[list[int]]:
        """Return the nodes of each list, in the order of the tree; memory grows with CHUNK x l, not with n x l."""
        return [sorted(one) for one in self._chunks(asked)]

    def _chunks(self, asked: Sequence[Asked]) -> Iterator[list[int]]:
        for start in range(0, len(asked), CHUNK):
            some = asked[start : start + CHUNK]
            texts = [one.text for one in some]
            proba = self._score(texts)
            first = [i for i, one in enumerate(some) if one.step.leaves and one.step.below is None]
            nodes = dict(zip(first, self._leaves(proba[first], [texts[i] for i in first]), strict=True))
            for i, one in enumerate(some):
                yield nodes[i] if i in nodes else self._within(proba[i], one)

    def _leaves(self, proba: Floats, texts: Sequence[str]) -> Iterator[list[int]]:
        """Yield the nodes of first questions."""
        if not len(texts):
            return
        labels = [[one.label for one in reversed(near)] for near in self._neighbours.nearest(texts, self._size)]
        inner = [self._inner_of(row) for row in labels]
        near = [[self._leaf_of[label] for label in row if label in self._leaf_of] for row in labels]
        for own, leaves in zip(inner, candidate_leaves(proba, self._size, near), strict=True):
            nodes = [int(self._tree.leaves[leaf]) for leaf in leaves]
            if self._task.inner:
                parents = (int(self._tree.parents[node]) for node in nodes[:PARENTS])
                own = [*own, *(parent for parent in parents if parent >= 0)]
            above = list(dict.fromkeys(own))[: self._size // 2]
            yield [*above, *nodes[: self._size - len(above)]]

    def _inner_of(self, labels: Sequence[str]) -> list[int]:
        """Return the inner nodes among labels, if an inner node may be right; else a leaf below it is looked for."""
        if not self._task.inner:
            return []
        found = (self._tree.find(label) for label in labels if label not in self._leaf_of)
        return [node for node in found if node is not None]

    def _within(self, proba: Floats, asked: Asked) -> list[int]:
        """Return the nodes of a further question."""
        tree, below = self._tree, asked.step.below
        if asked.step.leaves:
            assert below is not None, "the first question is answered elsewhere"
            start, stop = int(tree.leaf_starts[below]), int(tree.leaf_stops[below])
            return self._likeliest(tree.leaves[start:stop].tolist(), proba[start:stop], asked.listed)
        level = divided(tree, below, self._size)
        mass = node_mass(tree, proba[None])[0][level]
        return self._likeliest(level, mass, asked.listed)

    def _likeliest(self, nodes: Sequence[int], mass: Floats, listed: Collection[int]) -> list[int]:
        """Return the likeliest nodes; if not all fit into a list, those that were not listed before come first."""
        if len(nodes) <= self._size:
            return list(nodes)
        before = np.asarray([node in listed for node in nodes])
        return [nodes[i] for i in np.lexsort((-mass, before))[: self._size]]

    def _score(self, texts: Sequence[str]) -> Floats:
        if self._open is None:
            return self._neighbours.label_probabilities(texts)
        return np.asarray(self._encoder.score(texts), np.float32)

    @cached_property
    def _encoder(self) -> Scorer:
        assert self._open is not None, "it has an encoder of its own"
        return self._open()

    @cached_property
    def _leaf_of(self) -> dict[str, int]:
        return {name: leaf for leaf, name in enumerate(self._task.names)}


def divided(taxonomy: Taxonomy, below: int | None, size: int) -> list[int]:
    """Return the nodes of the deepest level below a node, or anywhere, with at most `size` nodes, else of the highest.

    Leaves above that level are among them, so that every leaf is below one of them.
    """
    top = 0 if below is None else int(taxonomy.depths[below])
    first, end = (0, len(taxonomy.nodes)) if below is None else (below + 1, int(taxonomy.ends[below]))
    found: list[int] = []
    for depth in range(top + 1, taxonomy.levels + 1):
        level = [int(node) for node in taxonomy.cut(depth) if first <= node < end]
        if found and (len(level) > size or level == found):
            break
        found = level
    return found
