"""Oracles: documents -> annotations."""

from laud_ray.config import ReplayConfig
from laud_ray.corpus import Corpus, first_sealed_values
from laud_ray.errors import CorpusError
from laud_ray.oracles.replay import ReplayOracle
from laud_ray.types import Oracle, Task

__all__ = ["ORACLES", "ReplayOracle", "build", "check"]

ORACLES: dict[str, type[ReplayOracle]] = {"replay": ReplayOracle}


def build(config: ReplayConfig, task: Task, corpus: Corpus, seed: int) -> Oracle:
    """Make the oracle that a configuration asks for."""
    return ReplayOracle(corpus, task, config.noise, config.abstain, seed)


def check(config: ReplayConfig, task: Task, corpus: Corpus) -> None:
    """Find out before the first query whether the oracle can answer at all.

    Raises:
        CorpusError: if the replay column holds none of the task's labels.
    """
    values = first_sealed_values(corpus)
    known = {label.name for one in task.labels for label in (one, *one.rest)}
    if not known & values:
        some = ", ".join(repr(value) for value in sorted(map(str, values))[:3])
        raise CorpusError(
            f"oracle.label: the column {config.label!r} holds {some}, ...; expected the labels of the task, "
            f"such as {task.names[0]!r}"
        )
