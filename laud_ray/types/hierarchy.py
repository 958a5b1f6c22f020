"""Results for a taxonomy: figures at each level, and answers that back off."""

from dataclasses import dataclass

from laud_ray.types.results import Estimate


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
    """

    level: int
    accuracy: Estimate
    coverage: Estimate
    macro_f1: Estimate | None
    nodes: int
    left_out: int


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
