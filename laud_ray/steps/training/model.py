"""Train a model on the annotations and feedback so far, unless it was trained before a crash."""

from collections.abc import Collection, Mapping, Sequence

from laud_ray.storage.causes import naming_full_disk
from laud_ray.storage.folder import Folder
from laud_ray.storage.local import scratch
from laud_ray.storage.model_folder import DESCRIPTION, add_file
from laud_ray.store.store import Answered
from laud_ray.taxonomy.task import FILE, dump
from laud_ray.types import Example, Learner, Task

# Texts in a model's memory by default. With fewer per class, as in a long tail, macro-F1 drops (docs/LOG.md).
MEMORY, MEMORY_PER_CLASS = 3000, 25
# In a multilabel task: 8,000 texts gave 0.4 points of micro-F1 and 1 of macro-F1 more than 3,000, once (docs/LOG.md).
MEMORY_OF_SETS = 8000
# Texts on which the label bias of a language model is measured. Each is one prompt when its engine starts.
PROBE = 64


def to_examples(asked: Sequence[Answered], feedback: Mapping[str, str]) -> list[Example]:
    """Merge the oracle's answers and people's feedback into examples. For the same text, feedback overrides the oracle.

    The oracle's answers come first, in the order of the queries, then texts with feedback alone. An abstention is no
    example unless there is feedback on it.

    Args:
        feedback: labels by text.
    """
    labels = {a.query.document.text: a.label for a in asked} | dict(feedback)
    return [Example(text, label) for text, label in labels.items() if label is not None]


def memory_size(wanted: int | None, task: Task, documents: int) -> int:
    """Return how many unlabelled texts a model keeps in its memory.

    Args:
        wanted: the configured number. None: MEMORY for a task of several, few enough classes, MEMORY_OF_SETS for a
            multilabel one, else 0.
        task: the task.
        documents: distinct documents of the corpus.
    """
    if wanted is not None:
        return wanted
    most = min(MEMORY_OF_SETS if task.multilabel else MEMORY, documents)
    return most if task.kind != "binary" and most >= MEMORY_PER_CLASS * len(task.labels) else 0


def to_memory(sample: Sequence[str], held_out: Collection[str], n: int) -> tuple[str, ...]:
    """Return at most n texts of a sample without held-out texts, so that the memory holds no evaluation text."""
    return tuple(text for text in sample if text not in held_out)[:n]


def is_made(models: Folder, name: str) -> bool:
    """Whether the model `name` is committed to the folder of models."""
    return models.exists(f"{name}/{DESCRIPTION}")


def train(learner: Learner, task: Task, examples: Sequence[Example], models: Folder, name: str, seed: int) -> Folder:
    """Train the model `name` and commit it to the folder of models, unless it is there. The commit is atomic."""
    if not is_made(models, name):
        with scratch.temporary("fit") as place:
            with naming_full_disk(str(place)):
                learner.fit(task, examples, out=str(place / name), seed=seed)
                if task.taxonomy is not None:
                    add_file(place / name, FILE, dump(task.taxonomy))
            models.publish(place / name, name, last=DESCRIPTION)
    return models / name
