"""The values and Protocols that all other modules share."""

from laud_ray.types.arrays import Bools, Floats, Indices
from laud_ray.types.candidates import Candidates, Space
from laud_ray.types.hierarchy import CandidateRecall, ConfusedSiblings, HierarchyFigures, LevelFigures, NodeFigures
from laud_ray.types.multilabel import MultilabelFigures
from laud_ray.types.protocols import (
    Learner,
    MultilabelScorer,
    Oracle,
    QueryStrategy,
    Scorer,
    SpatialScorer,
    SpatialStrategy,
    StoppingRule,
    TokenScorer,
)
from laud_ray.types.results import ClassEstimates, ClassFigures, Estimate, Figures, Promotion, RoundResult
from laud_ray.types.values import Annotation, Document, Example, Label, Purpose, Task, Walk

__all__ = [
    "Annotation",
    "Bools",
    "CandidateRecall",
    "Candidates",
    "ClassEstimates",
    "ClassFigures",
    "ConfusedSiblings",
    "Document",
    "Estimate",
    "Example",
    "Figures",
    "Floats",
    "HierarchyFigures",
    "Indices",
    "Label",
    "Learner",
    "LevelFigures",
    "MultilabelFigures",
    "MultilabelScorer",
    "NodeFigures",
    "Oracle",
    "Promotion",
    "Purpose",
    "QueryStrategy",
    "RoundResult",
    "Scorer",
    "Space",
    "SpatialScorer",
    "SpatialStrategy",
    "StoppingRule",
    "Task",
    "TokenScorer",
    "Walk",
]
