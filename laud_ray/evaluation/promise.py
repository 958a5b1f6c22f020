"""A promise about a model's answers in a taxonomy, from the evaluation sample of its run. n documents, D levels."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import inf, isinf
from typing import Any

import numpy as np

from laud_ray.errors import RunError
from laud_ray.evaluation.measure import decisive_answers, sampled_rows
from laud_ray.evaluation.strata import merge_unanswered
from laud_ray.stats import hierarchy
from laud_ray.stats.hierarchy import Promise
from laud_ray.storage.folder import Folder
from laud_ray.store import model_records
from laud_ray.store.run import RunFolder
from laud_ray.store.store import Sampled
from laud_ray.store.versions.tasks import require_current
from laud_ray.taxonomy import Taxonomy
from laud_ray.types import Bools, Floats, Indices

# The thresholds are fitted on a quarter of them, and a bound of a few answers promises nothing.
LEAST = 20


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """The predictions of a model for the documents of the evaluation sample that have an answer.

    Attributes:
        masses: (n, D) the probabilities of the nodes from the predicted leaf upward; NaN above a root.
        right: (n, D) whether these nodes are the true node or an ancestor of it. Where the true node is an inner one, a
            node below it is counted as wrong: whether it is right is not known.
        weights: (n,) the documents of the corpus that each one represents.
    """

    masses: Floats
    right: Bools
    weights: Floats

    def promise(self, accuracy: float, *, seed: int) -> Promise:
        """Fit and verify thresholds for a promised share of right answers, in (0, 1). The same seed gives the same.

        Raises:
            RunError: if there are too few documents.
        """
        if len(self.masses) < LEAST:
            raise RunError(
                f"accuracy: {accuracy:g} cannot be promised from {len(self.masses)} answers for evaluation; expected "
                f"at least {LEAST}"
            )
        return hierarchy.promise(self.masses, self.right, accuracy, weights=self.weights, seed=seed)


def evaluated(run: RunFolder, model: str) -> Evaluated:
    """Read what a model predicts for the evaluation sample of its run, and compare it with the answers.

    If there are answers of a trusted oracle, only these count.

    Raises:
        RunError: if the task is not a taxonomy, or the run has no scores of this model.
    """
    task, store = run.config.task.to_task(), run.store
    number = next((one.round for one in model_records.models(store.engine) if one.name == model), None)
    if task.taxonomy is None or number is None:
        raise RunError(f"{model}: is not valid; expected a model of this run, with a taxonomy")
    require_current(run.config, store, number)
    try:
        return compare(task.taxonomy, run.scores(number), store.sample("evaluation"), decisive_answers(run))
    except FileNotFoundError:
        raise RunError(f"{model}: the run has no scores of it; expected a model whose round is complete") from None


def compare(
    taxonomy: Taxonomy, scores: Folder, drawn: Sequence[Sampled], answers: Mapping[str, str | None]
) -> Evaluated:
    """Compare a pass with the answers for the evaluation sample.

    Args:
        taxonomy: the tree.
        scores: the folder of the pass.
        drawn: the evaluation sample.
        answers: paths of nodes by document id; None for an abstention.
    """
    leaf, confidences = predicted(scores, drawn, taxonomy)
    use = [i for i, one in enumerate(drawn) if leaf[i] >= 0 and answers.get(one.document_id) is not None]
    rows = [drawn[i] for i in use]
    true = np.array([_node(taxonomy, str(answers[one.document_id])) for one in rows], np.int64)
    right = on_path(taxonomy, taxonomy.leaves[leaf[use]], true)
    return Evaluated(hierarchy.upward(confidences[use]), right, _weights(drawn, rows))


def predicted(scores: Folder, rows: Sequence[Sampled], taxonomy: Taxonomy) -> tuple[Indices, Floats]:
    """Return (m,) predicted leaves, -1 for an error row, and their (m, D) confidences from the top down."""
    index = {taxonomy.label(leaf): i for i, leaf in enumerate(taxonomy.leaves.tolist())}
    leaf, confidences = np.full(len(rows), -1, np.int64), np.full((len(rows), taxonomy.levels), np.nan, np.float32)
    for i, row in sampled_rows(scores, rows, ["label", "confidences"]):
        if row["label"] is not None:
            leaf[i] = index[row["label"]]
            confidences[i, : len(row["confidences"])] = row["confidences"]
    return leaf, confidences


def on_path(taxonomy: Taxonomy, predicted: Indices, true: Indices) -> Bools:
    """Return (n, D) whether the node j steps above each of (n,) predicted nodes is the true node or above it.

    A true node of -1 is none of the tree's: nothing is right.
    """
    right = np.zeros((len(predicted), taxonomy.levels), np.bool_)
    node = np.asarray(predicted, np.int64)
    for step in range(taxonomy.levels):
        there = node >= 0
        right[:, step] = there & (true >= node) & (true < taxonomy.ends[node])
        node = np.where(there, taxonomy.parents[node], node)
    return right


def dump(promise: Promise) -> dict[str, Any]:
    """Return a promise as JSON; a threshold that nothing reaches is null. `thresholds_in` reads the thresholds."""
    return {
        **asdict(promise),
        "thresholds": [None if isinf(one) else one for one in promise.thresholds],
        "verified": promise.verified,
        "text": str(promise),
    }


def thresholds_in(stored: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the thresholds of a promise that `dump` wrote."""
    return tuple(inf if one is None else float(one) for one in stored["thresholds"])


def _node(taxonomy: Taxonomy, label: str) -> int:
    found = taxonomy.find(label)
    return -1 if found is None else found


def _weights(drawn: Sequence[Sampled], rows: Sequence[Sampled]) -> Floats:
    if not rows:
        return np.zeros(0)
    strata, sizes = merge_unanswered(drawn, rows)
    counts = np.bincount(strata)
    return np.array([sizes[one] / counts[one] for one in strata.tolist()])
