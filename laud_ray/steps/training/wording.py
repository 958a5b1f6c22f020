"""How a taxonomy's leaves are put into words for the learner: as configured, or as fits the evaluation sample best."""

import json

from laud_ray.config import EncoderConfig, LinearConfig
from laud_ray.models.encoder.encoding import Encoder, label_vectors
from laud_ray.steps.work import Work
from laud_ray.store.store import Store
from laud_ray.taxonomy.wording import FEWEST, LEAF, best_wording
from laud_ray.types import Indices, Task

_KEY = "wording"


def wording_of(work: Work) -> str:
    """Return the wording of the leaves for the next model.

    With `auto`, the wordings are compared once, as zero-shot classifiers with the learner's encoder, as soon as the
    evaluation sample has FEWEST answers. The choice is recorded, so that a restart and later rounds repeat it. Before
    that it is the leaf's own name. One choice among three hardly biases the figures of the sample.
    """
    task, learner, wanted = work.config.task, work.config.learner, work.config.task.wording
    if task.tree is None or not isinstance(learner, EncoderConfig | LinearConfig):
        return LEAF
    if wanted is not None and wanted != "auto":
        return wanted
    if (made := recorded(work.store)) is not None:
        return made
    known = [(a.query.document.text, a.label) for a in work.store.queries("evaluation") if a.label is not None]
    if len(known) < FEWEST:
        return LEAF
    encoder = Encoder(learner.model, learner.max_tokens).freeze()
    vectors = encoder.embed([text for text, _ in known])

    def likeliest(worded: Task) -> Indices:
        rows, _ = label_vectors(encoder, worded.labels, "{label}")
        found: Indices = (vectors @ rows.T).argmax(axis=1)
        return found

    choice, shares = best_wording(work.task, [label for _, label in known], likeliest)
    work.store.set(_KEY, json.dumps({"wording": choice, "answers": len(known), "shares": shares}))
    return choice


def recorded(store: Store) -> str | None:
    """Return the wording that was chosen; None if none was yet."""
    made = store.setting(_KEY)
    return None if made is None else str(json.loads(made)["wording"])
