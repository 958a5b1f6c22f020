"""What the evaluation sample of a run tells about an audience: precision and recall at each threshold. n documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from laud_ray.errors import RunError
from laud_ray.evaluation import promise
from laud_ray.evaluation.measure import decisive_answers, predicted_sets, predictions
from laud_ray.evaluation.strata import merge_unanswered
from laud_ray.label_sets import APPLIES, NOT_ASKED, masks
from laud_ray.printable import did_you_mean, listed, quoted
from laud_ray.stats import Sample
from laud_ray.stats.estimates.shares import estimate_ratio
from laud_ray.storage.folder import Folder
from laud_ray.store import model_records
from laud_ray.store.run import RunFolder
from laud_ray.store.store import Sampled
from laud_ray.store.versions.tasks import require_current
from laud_ray.types import Bools, Estimate, Floats, Task


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """The documents of the evaluation sample that have an answer.

    Attributes:
        scores: (n,) the confidence of those that the model gives the label; NaN for the others.
        right: (n,) whether the answer is the label, or has it among others. In a taxonomy, an answer above the label
            counts as another one.
        sample: gives their weights.
    """

    scores: Floats
    right: Bools
    sample: Sample

    @property
    def possible(self) -> Bools:
        """(n,) whether a document may be in the audience."""
        return ~np.isnan(self.scores)

    def inside(self, threshold: float) -> Bools:
        """(n,) whether a document is in the audience at a threshold."""
        return np.asarray(np.nan_to_num(self.scores, nan=-1.0) >= np.float32(threshold))

    def precision(self, threshold: float) -> Estimate:
        """Return the share of the audience that belongs to it; n counts the documents in the audience."""
        inside = self.inside(threshold)
        return estimate_ratio(self.sample, (inside & self.right).astype(np.float64), inside.astype(np.float64))

    def recall(self, threshold: float) -> Estimate:
        """Return the share of what belongs to the audience that is in it; n counts the documents that belong to it."""
        inside, right = self.inside(threshold), self.right
        return estimate_ratio(self.sample, (inside & right).astype(np.float64), right.astype(np.float64))


def require_label(task: Task, label: str, place: str) -> str:
    """Return the label's name in the task; in a taxonomy it may be a path, or a node's code.

    Raises:
        RunError: if the task has no such label.
    """
    if task.taxonomy is not None:
        node = task.taxonomy.find(label)
        if node is not None:
            return task.taxonomy.label(node)
        known = [task.taxonomy.label(one) for one in range(len(task.taxonomy.nodes))]
    elif label in task.names:
        return label
    else:
        known = list(task.names)
    raise RunError(
        f"--label: {quoted(label)} is not valid; expected a label of {place}, such as {listed(known)}"
        f"{did_you_mean(label, known)}"
    )


def evidence(run: RunFolder, model: str, label: str) -> Evidence:
    """Read what a model of a run predicts for the evaluation sample, and compare it with the answers.

    If there are answers of a trusted oracle, only these count.

    Raises:
        RunError: if the run has no scores of the model, or no answers.
    """
    store, task = run.store, run.config.task.to_task()
    number = next((one.round for one in model_records.models(store.engine) if one.name == model), None)
    if number is None:
        raise RunError(f"{model}: is not valid; expected a model of this run")
    require_current(run.config, store, number)
    drawn, answers = store.sample("evaluation"), decisive_answers(run)
    try:
        return compare(run.scores(number), drawn, answers, task, label)
    except FileNotFoundError:
        raise RunError(f"{model}: the run has no scores of it; expected a model whose round is complete") from None


def compare(
    scores: Folder, drawn: Sequence[Sampled], answers: Mapping[str, str | None], task: Task, label: str
) -> Evidence:
    """Compare a pass with the answers for the evaluation sample.

    Args:
        scores: the folder of the pass.
        drawn: the evaluation sample.
        answers: labels by document id; None for an abstention. In a multilabel task they are the texts of sets, and a
            document of which the label was not asked about does not count.
        task: has the label.
        label: of the audience; in a taxonomy the path of any node.

    Raises:
        RunError: if no document has an answer and a score.
    """
    asked = np.ones(len(drawn), np.bool_)
    if task.multilabel:
        found, column = predicted_sets(scores, drawn, task.names), task.names.index(label)
        scored, inside, confidence = found.scored, found.applies[:, column], found.proba[:, column]
        said = masks([answers.get(one.document_id) or "[]" for one in drawn], task.names)[:, column]
        belongs, asked = (said == APPLIES).tolist(), said != NOT_ASKED
    elif task.taxonomy is None:
        place, confidence = predictions(scores, drawn, task.names)
        scored, inside = place >= 0, place == task.names.index(label)
        belongs = [answers.get(one.document_id) == label for one in drawn]
    else:
        tree, node = task.taxonomy, task.taxonomy.find(label)
        assert node is not None, "required before"
        leaf, masses = promise.predicted(scores, drawn, tree)
        scored, inside = leaf >= 0, (leaf >= tree.leaf_starts[node]) & (leaf < tree.leaf_stops[node])
        confidence = masses[:, tree.depths[node] - 1]
        nodes = [tree.find(answers.get(one.document_id) or "") for one in drawn]
        belongs = [one is not None and node <= one < int(tree.ends[node]) for one in nodes]
    answered = np.array([answers.get(one.document_id) is not None for one in drawn], np.bool_)
    use = np.flatnonzero(scored & asked & answered).tolist()
    if not use:
        raise RunError("evaluation: no document of the sample has an answer and a score; expected at least one")
    strata, sizes = merge_unanswered(drawn, [drawn[i] for i in use])
    nothing = np.zeros(len(use), np.int64)
    return Evidence(
        np.where(inside, confidence, np.nan).astype(np.float32)[use],
        np.asarray(belongs, np.bool_)[use],
        Sample(nothing, nothing, np.ones(len(use)), strata, sizes),
    )
