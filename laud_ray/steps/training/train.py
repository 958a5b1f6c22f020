"""Train a round's model."""

from laud_ray.config import EncoderConfig
from laud_ray.models import kinds
from laud_ray.models.ray_train import Resources
from laud_ray.steps.annotation.answers import said
from laud_ray.steps.annotation.doubt import believed
from laud_ray.steps.training import model as stage
from laud_ray.steps.training.held_out import held_out
from laud_ray.steps.work import Work


def train(work: Work, round: int) -> None:
    """Train the model of a round on what oracles and people said, unless that was done before a crash."""
    examples = stage.to_examples(believed(work, round), said(work, round))
    with work.step("train", round, total=len(examples)):
        config, resources = work.config, work.config.resources
        place = (work.run.folder / "training").absolute()
        where = place.uri if resources.workers else None
        learner = kinds.build(
            config.learner,
            config.zero_shot,
            Resources(resources.workers, resources.gpus_per_worker, where),
            work.task,
            _unlabelled(work),
        )
        stage.train(learner, work.task, examples, work.run.models, work.run.model_name(round), config.seed)
        # The model is there: its checkpoints and optimizer states are no more needed, nor are those of earlier rounds.
        place.remove()


def _unlabelled(work: Work) -> tuple[str, ...]:
    """The texts that the learner may look at beside its examples."""
    learner = work.config.learner
    if not isinstance(learner, EncoderConfig):
        return work.corpus.some_texts(stage.PROBE)
    never = held_out(work)
    size = stage.memory_size(learner.memory, work.task, work.corpus.pool_size)
    return stage.to_memory(work.corpus.some_texts(size + len(never)), never, size)
