"""Start work on a run: check models, oracles and labels, and normalise the corpus."""

from laud_ray import oracles
from laud_ray.config import RunConfig
from laud_ray.data.corpus import Corpus, open_corpus
from laud_ray.data.sharding.normalise import normalise
from laud_ray.errors import ConfigError, CorpusError
from laud_ray.events import Event, Observer
from laud_ray.labels import known_labels, remarks
from laud_ray.models import kinds
from laud_ray.steps.work import Work, timed
from laud_ray.store.run import RunFolder


def start(run: RunFolder, observer: Observer) -> Work:
    """Check models and oracles, and normalise the corpus unless that was done before.

    Raises:
        UserError: if a model cannot be loaded, an oracle cannot be asked, or the corpus cannot be read or is too small
            for its evaluation sample.
    """
    config, task = run.config, run.config.task.to_task()
    kinds.check(config.learner, config.zero_shot, task)
    asked = config.asked_oracles()
    for where, one in asked.items():
        oracles.check(one, task, where)
    corpus = open_corpus(run.corpus)
    if corpus is None:
        with timed(run.store, observer, "corpus", 0):
            column = oracles.sealed_column(asked)
            # A taxonomy may change: later versions read the labels of the data as they are.
            labels = known_labels(task) if task.taxonomy is None else None
            corpus = normalise(config.corpus, run.corpus, sealed=column, labels=labels)
        for note in corpus.notes:
            observer(Event("note", "corpus", 0, note=note))
    require_documents(config, corpus)
    for where, one in asked.items():
        oracles.check_column(one, task, corpus, where)
    said = [
        *remarks(task),
        *(line for where, one in asked.items() for line in oracles.remarks(one, task, corpus, where)),
    ]
    for line in said:
        observer(Event("note", "corpus", 0, note=line))
    return Work(run, task, corpus, observer)


def require_documents(config: RunConfig, corpus: Corpus) -> None:
    """Refuse a corpus without enough different texts to measure and to learn from."""
    size, pool, rows = config.evaluation.size, corpus.pool_size, corpus.counts["documents"]
    if pool >= 2 * size:
        return
    if pool < 2:
        held = "the same text" if pool else "no readable text"
        raise CorpusError(
            f"{config.corpus.path}: {rows:,} rows hold {held} in {config.corpus.text!r}; expected many different texts"
        )
    raise ConfigError(
        f"evaluation.size: {size} is not valid for {pool} distinct documents ({rows:,} rows); "
        "expected at most half of them, since these documents never train"
    )
