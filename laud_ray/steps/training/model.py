"""Train a model on the annotations and feedback so far, or find that it was trained before the crash."""

from collections.abc import Collection, Mapping, Sequence

from laud_ray.storage.causes import naming_full_disk
from laud_ray.storage.folder import Folder
from laud_ray.storage.local import scratch
from laud_ray.storage.model_folder import DESCRIPTION
from laud_ray.store.store import Answered
from laud_ray.types import Example, Learner, Task

# Fewer of them a class, as in a long tail, cost macro-F1 (docs/LOG.md).
MEMORY, MEMORY_PER_CLASS = 3000, 25
# Texts on which a language model's label bias is measured; each costs a prompt when its engine starts.
PROBE = 64


def to_examples(asked: Sequence[Answered], said: Mapping[str, str]) -> list[Example]:
    """Join what an oracle answered with what people said, by text; of one text, people are right.

    The answers come first, in the order of asking, then what only people spoke of. Without feedback an abstention
    is no example.
    """
    labels = {a.query.document.text: a.label for a in asked} | dict(said)
    return [Example(text, label) for text, label in labels.items() if label is not None]


def memory_size(wanted: int | None, task: Task, documents: int) -> int:
    """How many unlabelled texts a model remembers; where nobody said, as many as pay for themselves.

    Args:
        documents: the distinct ones of the corpus.
    """
    if wanted is not None:
        return wanted
    most = min(MEMORY, documents)
    return most if task.kind == "multiclass" and most >= MEMORY_PER_CLASS * len(task.labels) else 0


def to_memory(sample: Sequence[str], held_out: Collection[str], n: int) -> tuple[str, ...]:
    """At most n texts of a sample, none of them held out: figures must not come from what a model remembers."""
    return tuple(text for text in sample if text not in held_out)[:n]


def is_made(models: Folder, name: str) -> bool:
    """Whether the model `name` is in the folder of models; what was begun is not."""
    return models.exists(f"{name}/{DESCRIPTION}")


def train(learner: Learner, task: Task, examples: Sequence[Example], models: Folder, name: str, seed: int) -> Folder:
    """Make the model `name` in the folder of models, unless it is there; it appears whole or not at all."""
    if not is_made(models, name):
        with scratch.temporary("fit") as place:
            with naming_full_disk(str(place)):
                learner.fit(task, examples, out=str(place / name), seed=seed)
            models.publish(place / name, name, last=DESCRIPTION)
    return models / name
