"""Results for a taxonomy: figures at each level and of its nodes. A node is named by its path as text."""

from dataclasses import dataclass

from laud_ray.types.results import ClassEstimates, Estimate


@dataclass(frozen=True, slots=True)
class LevelFigures:
    """The quality of a model at one level of a taxonomy; level 1 is the top.

    A document counts at the levels that its true node reaches: at level 3 if the true node, or an ancestor of it, is
    there. It is answered at the levels that the predicted node reaches.

    Attributes:
        level: from 1.
        accuracy: of the answered documents, the share whose predicted node has the true node's ancestor at this level.
        coverage: the share of documents that are answered.
        macro_f1: the mean F1 of the nodes of this level with enough documents; None if there are none.
        nodes: how many nodes these are.
        left_out: how many other nodes of this level are a true or a predicted one in the sample.
        size: how many nodes the level has in the taxonomy; 0 if it is not known.
    """

    level: int
    accuracy: Estimate
    coverage: Estimate
    macro_f1: Estimate | None
    nodes: int
    left_out: int
    size: int = 0


@dataclass(frozen=True, slots=True)
class ConfusedSiblings:
    """Documents whose true path and predicted path part at two nodes with the same parent, or at two top nodes.

    Attributes:
        label: the node of the true path.
        other: its sibling, which the predicted path has in its place.
        documents: how many documents of the sample.
        name, other_name: their last names.
    """

    label: str
    other: str
    documents: int
    name: str = ""
    other_name: str = ""


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """Figures of one node: of itself and all that is below it.

    Attributes:
        name: its last name.
        level: from 1.
        children: the number of its children in the taxonomy.
        leaves: the number of leaves under it, itself included if it is one.
        support: the documents of the sample whose true node is this one or below it.
        elsewhere: how many of these are predicted under another parent; the error lies above this node.
        estimates: prevalence is the share of the corpus; recall is the share of its documents that are predicted here
            or below; precision is the share of those predicted here or below that belong here.
        confused: the siblings that its documents are most often predicted as, at most three.
    """

    label: str
    name: str
    level: int
    children: int
    leaves: int
    support: int
    elsewhere: int
    estimates: ClassEstimates
    confused: tuple[ConfusedSiblings, ...] = ()


@dataclass(frozen=True, slots=True)
class HierarchyFigures:
    """The quality of a model in a taxonomy, estimated from a weighted sample of n annotated documents.

    Attributes:
        accuracy: the share of documents whose predicted node is the true one.
        precision: hierarchical: of the predicted nodes and their ancestors, the share that is right.
        recall: hierarchical: of the true nodes and their ancestors, the share that is predicted.
        f1: hierarchical: the harmonic mean of the two.
        common_depth: the mean depth of the lowest common ancestor of the true and the predicted node, in levels; 0 if
            they share nothing.
        backed_off: the share of documents whose predicted node is an inner one.
        answered: the share of documents whose predicted node has the depth 0 (no answer), 1, and so on.
        levels: from the top.
        macro_f1: the mean F1 of all nodes, at whatever level, with at least `least` documents; None if there are none.
        macro_nodes: how many nodes these are.
        least: the number of documents that a node must be true for to be in a macro-F1.
        confused: the siblings that are confused most often, the most frequent first.
        nodes: figures of nodes; only the top ones and those with the most documents. With a node they have its parent.
    """

    n: int
    accuracy: Estimate
    precision: Estimate
    recall: Estimate
    f1: Estimate
    common_depth: Estimate
    backed_off: Estimate
    answered: tuple[Estimate, ...]
    levels: tuple[LevelFigures, ...]
    macro_f1: Estimate | None = None
    macro_nodes: int = 0
    least: int = 10
    confused: tuple[ConfusedSiblings, ...] = ()
    nodes: tuple[NodeFigures, ...] = ()


@dataclass(frozen=True, slots=True)
class CandidateRecall:
    """How often the list from which a language model chooses holds the right leaf.

    Attributes:
        round: the round; its model, if it is an encoder, and the annotations before it suggest the candidates.
        size: the most nodes in a list.
        recall: the share of documents whose right leaf is listed; for an answer above the leaves, one below it.
    """

    round: int
    size: int
    recall: Estimate
