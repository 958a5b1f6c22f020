"""Begin to work on a run: find out whether it can be done at all, and normalise its corpus."""

from laud_ray import models, oracles
from laud_ray.corpus import normalise, open_corpus
from laud_ray.errors import ConfigError
from laud_ray.events import Observer
from laud_ray.run_folder import RunFolder
from laud_ray.steps.work import Work, timed


def start(run: RunFolder, observer: Observer) -> Work:
    """Check models and oracles, and normalise the corpus unless that was done before.

    Raises:
        UserError: if a model cannot be loaded, an oracle cannot be asked, or the corpus cannot be read or is too small
            for its evaluation sample.
    """
    config, task = run.config, run.config.task.to_task()
    models.check(config.learner, config.zero_shot, task)
    asked = config.asked_oracles()
    for where, one in asked.items():
        oracles.check(one, where)
    corpus = open_corpus(run.corpus)
    if corpus is None:
        with timed(run.store, observer, "corpus", 0):
            corpus = normalise(config.corpus, run.corpus, sealed=oracles.sealed_column(asked))
    for where, one in asked.items():
        oracles.check_column(one, task, corpus, where)
    if corpus.pool_size < 2 * config.evaluation.size:
        raise ConfigError(
            f"evaluation.size: {config.evaluation.size} of {corpus.pool_size} distinct documents; "
            "expected at most half of them, since these documents never train"
        )
    return Work(run, task, corpus, observer)
