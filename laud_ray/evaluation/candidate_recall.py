"""How often the list from which a language model chooses holds the right leaf of a taxonomy.

No model behind a list can be right more often, unless it says that none of the list is right.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from laud_ray.config import CausalConfig, InContextConfig, LlmConfig, RunConfig, VllmZeroShotConfig
from laud_ray.evaluation.strata import merge_unanswered
from laud_ray.oracles import llms
from laud_ray.oracles.trees.candidates import Asked, Candidates
from laud_ray.oracles.trees.walk import FIRST
from laud_ray.stats import Sample
from laud_ray.stats.estimates.shares import estimate_ratio
from laud_ray.store.store import Sampled
from laud_ray.taxonomy.tree import Taxonomy
from laud_ray.types import Estimate


def list_size(config: RunConfig, round: int, leaves: int) -> tuple[int, bool] | None:
    """Return the size of the lists of a taxonomy in a round, and whether the round's model may suggest them.

    None if no language model chooses from a list: there is none, or all leaves fit.
    """
    oracle = next(iter(llms(config.asked_oracles()).values()), None)
    if isinstance(oracle, LlmConfig):
        size, own = oracle.shortlist, True
    else:
        scorer = config.learner if round else config.zero_shot
        if not isinstance(scorer, CausalConfig | InContextConfig | VllmZeroShotConfig):
            return None
        size, own = scorer.max_labels, False
    return (size, own) if leaves > size else None


def candidate_recall(
    taxonomy: Taxonomy,
    drawn: Sequence[Sampled],
    texts: Mapping[str, str],
    answers: Mapping[str, str | None],
    candidates: Candidates,
) -> Estimate | None:
    """Estimate the recall on the evaluation sample; None if no document has an answer with a label.

    Args:
        drawn: the evaluation sample.
        texts: of its documents, by id.
        answers: paths by document id; None for an abstention.
        candidates: those of the round.
    """
    paths = [answers.get(one.document_id) for one in drawn]
    nodes = [None if path is None else taxonomy.find(path) for path in paths]
    use = [i for i, node in enumerate(nodes) if node is not None and drawn[i].document_id in texts]
    if not use:
        return None
    answered = [drawn[i] for i in use]
    lists = candidates.lists([Asked(texts[one.document_id], FIRST) for one in answered])
    hits = [
        any(node <= listed < taxonomy.ends[node] for listed in some)
        for some, node in zip(lists, (nodes[i] for i in use), strict=True)
        if node is not None
    ]
    strata, sizes = merge_unanswered(drawn, answered)
    n = len(use)
    sample = Sample(np.zeros(n, np.int64), np.zeros(n, np.int64), np.ones(n), strata, sizes)
    return estimate_ratio(sample, np.asarray(hits, np.float64), np.ones(n))
