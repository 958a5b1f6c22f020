"""Train a round's model."""

from laud_ray.config import EncoderConfig
from laud_ray.models import kinds
from laud_ray.models.ray_train import Resources
from laud_ray.steps.annotation.answers import feedback_labels
from laud_ray.steps.annotation.doubt import training_answers
from laud_ray.steps.training import model as stage
from laud_ray.steps.training.held_out import held_out
from laud_ray.steps.work import Work
from laud_ray.storage.model_folder import failure_of


def train(work: Work, round: int) -> None:
    """Train the model of a round on annotations and feedback, unless that was done before a crash.

    A note says so if the model has not learned; it does not become current then.
    """
    examples = stage.to_examples(training_answers(work, round), feedback_labels(work, round))
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
            work.workers(round),
        )
        model = stage.train(learner, work.task, examples, work.run.models, work.run.model_name(round), config.seed)
        # The model is committed, so its checkpoints and optimizer states are no longer needed.
        place.remove()
    if (failure := failure_of(model)) is not None:
        work.note("train", round, f"{work.run.model_name(round)}: {failure}")


def _unlabelled(work: Work) -> tuple[str, ...]:
    """Return the unlabelled texts that the learner uses beside its examples."""
    learner = work.config.learner
    if not isinstance(learner, EncoderConfig):
        return work.corpus.some_texts(stage.PROBE)
    never = held_out(work)
    size = stage.memory_size(learner.memory, work.task, work.corpus.pool_size)
    return stage.to_memory(work.corpus.some_texts(size + len(never)), never, size)
