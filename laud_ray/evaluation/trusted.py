"""Ask a trusted oracle about a part of the evaluation sample, and measure the run's own oracle by its answers."""

from collections.abc import Callable, Mapping

import numpy as np

from laud_ray.config import RunConfig
from laud_ray.data.corpus import Corpus
from laud_ray.evaluation.measure import evaluation_answers
from laud_ray.evaluation.strata import merge_unanswered
from laud_ray.label_sets import APPLIES, masks
from laud_ray.quality.aggregation import Opinion
from laud_ray.quality.raters import OracleError, compare
from laud_ray.stats import Sample, allocate, figures
from laud_ray.stats.hierarchy import leaf_figures
from laud_ray.stats.multilabel.figures import multilabel_figures
from laud_ray.stats.multilabel.sample import MultilabelSample
from laud_ray.store import rechecks
from laud_ray.store.ledger import Ledger
from laud_ray.store.rechecks import FIRST_ATTEMPT, SecondQuery
from laud_ray.store.store import Store
from laud_ray.taxonomy.task import numbers_of
from laud_ray.types import Indices, Task

# The names of the two oracles in the comparison: their keys in the configuration.
CHEAP, TRUSTED = "oracle", "evaluation.oracle"


def choose_first(store: Store, config: RunConfig) -> None:
    """Choose and record the trusted oracle's documents of a new evaluation sample, unless that was done before."""
    n = config.evaluation.trusted
    if n is not None and not rechecks.trusted_answers(store.engine):
        choose(store, n, seed=config.seed, round=0)


def choose(store: Store, n: int, *, seed: int, round: int) -> int:
    """Choose and record n further documents of the evaluation sample for the trusted oracle, or all that are left.

    Distinct texts are drawn at random within each stratum, in proportion to the stratum's texts in the sample, which
    has more of them where scores are uncertain.

    Returns:
        The number of chosen documents.
    """
    asked = rechecks.trusted_answers(store.engine).keys()
    texts = {a.query.document.id: a.query.document for a in store.queries("evaluation")}
    stratum = {one.document_id: one.stratum for one in store.sample("evaluation") if one.document_id in texts}
    strata = sorted(set(stratum.values()))
    members = [[name for name in sorted(stratum) if stratum[name] == h] for h in strata]
    fresh = [[name for name in names if name not in asked] for names in members]
    sizes = np.array([len(names) for names in members], np.int64)
    taken = sizes - np.array([len(names) for names in fresh], np.int64)
    shares = allocate(sizes, np.ones(len(strata)), n, taken=taken)
    rng = np.random.default_rng([seed, 4, len(asked)])
    chosen = [names[i] for names, m in zip(fresh, shares, strict=True) for i in rng.permutation(len(names))[:m]]
    why = "drawn at random from the evaluation sample, to measure the oracle"
    rechecks.record(store.engine, round, [SecondQuery(texts[name], FIRST_ATTEMPT, why) for name in chosen])
    return len(chosen)


def ask(
    store: Store, config: RunConfig, corpus: Corpus, progress: Callable[[int, int], None]
) -> tuple[int, str | None]:
    """Ask the trusted oracle its open questions; return the number of pending answers, and its reason to wait."""
    from laud_ray import oracles  # with the engines of oracles, which reading a run does not need
    from laud_ray.oracles.asking import ask_again

    chosen = config.trusted_oracle()
    assert chosen is not None, "only a run with a trusted oracle has chosen documents for it"
    where, settings = chosen
    task, ledger = config.task.to_task(), Ledger(store)
    oracle = oracles.build(settings, task, corpus, config.seed, ledger, where=where, attempt=FIRST_ATTEMPT)
    return ask_again(store.engine, rechecks.pending_trusted(store.engine), lambda attempt: oracle, progress)


def oracle_error(store: Store, task: Task, *, seed: int) -> OracleError | None:
    """Measure the run's oracle by the trusted one's answers; None if no document has a label from both.

    In a taxonomy, either may answer with an inner node; see `laud_ray.stats.hierarchy.leaf_figures`.
    """
    cheap, trusted = evaluation_answers(store), rechecks.trusted_answers(store.engine)
    both = {name for name, label in trusted.items() if label is not None and cheap[name] is not None}
    if not both:
        return None
    drawn = store.sample("evaluation")
    rows = [one for one in drawn if one.document_id in both]
    strata, sizes = merge_unanswered(drawn, rows)
    opinions = [
        Opinion(name, attempt, 0, said[name], who)
        for attempt, (who, said) in enumerate(((CHEAP, cheap), (TRUSTED, trusted)), 1)
        for name in both
    ]
    found = compare(opinions, multilabel=task.multilabel)
    assert found is not None, "both gave a label to each"
    if task.multilabel:
        told = [[said[one.document_id] or "" for one in rows] for said in (trusted, cheap)]
        whole, given = (masks(texts, task.names) for texts in told)
        unknown = np.full(len(rows), np.nan)  # an oracle's answer is no ranking
        sets = MultilabelSample(whole, given == APPLIES, unknown, np.ones(len(rows)), strata, sizes)
        return OracleError(multilabel_figures(sets, task.names, seed=seed), found.pairs[0].kappa, found.confused)
    index = numbers_of(task)

    def labels(said: Mapping[str, str | None], missing: int) -> Indices:
        return np.array([index.get(str(said[one.document_id]), missing) for one in rows], np.int64)

    # A label that the taxonomy no longer has is none of its nodes.
    right = labels(trusted, len(index))
    sample = Sample(right, labels(cheap, -1), np.ones(len(rows)), strata, sizes)
    measured = (
        figures(sample, task.names, seed=seed) if task.taxonomy is None else leaf_figures(sample, task, seed=seed)
    )
    return OracleError(measured, found.pairs[0].kappa, found.confused)
