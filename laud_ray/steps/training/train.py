"""Train a round's model."""

from laud_ray.config import EncoderConfig
from laud_ray.models import kinds
from laud_ray.models.ray_train import Resources
from laud_ray.models.targets import exact_examples
from laud_ray.steps.annotation.answers import feedback_labels
from laud_ray.steps.annotation.doubt import training_answers
from laud_ray.steps.training import model as stage
from laud_ray.steps.training.held_out import held_out
from laud_ray.steps.training.wording import wording_of
from laud_ray.steps.work import Work
from laud_ray.storage.model_folder import failure_of
from laud_ray.taxonomy.wording import worded
from laud_ray.types import Example


def train(work: Work, round: int) -> None:
    """Train the model of a round on annotations and feedback, unless that was done before a crash.

    A note says so if the model has not learned; it does not become current then.
    """
    examples = stage.to_examples(training_answers(work, round), feedback_labels(work, round))
    if work.config.learner.kind not in kinds.LEARNS_FROM_NODES:
        examples = _of_leaves(work, round, examples)
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
        task = worded(work.task, wording_of(work))
        model = stage.train(learner, task, examples, work.run.models, work.run.model_name(round), config.seed)
        # The model is committed, so its checkpoints and optimizer states are no longer needed.
        place.remove()
    if (failure := failure_of(model)) is not None:
        work.note("train", round, f"{work.run.model_name(round)}: {failure}")


def _of_leaves(work: Work, round: int, examples: list[Example]) -> list[Example]:
    """Return the examples of a learner whose targets are single labels, and note how many others there are."""
    found = exact_examples(work.task, examples)
    if left := len(examples) - len(found):
        kind = work.config.learner.kind
        work.note("train", round, f"{left} answers are inner nodes, which a learner of kind {kind} cannot learn from")
    return found


def _unlabelled(work: Work) -> tuple[str, ...]:
    """Return the unlabelled texts that the learner uses beside its examples."""
    learner = work.config.learner
    if not isinstance(learner, EncoderConfig):
        return work.corpus.some_texts(stage.PROBE)
    never = held_out(work)
    size = stage.memory_size(learner.memory, work.task, work.corpus.pool_size)
    return stage.to_memory(work.corpus.some_texts(size + len(never)), never, size)
