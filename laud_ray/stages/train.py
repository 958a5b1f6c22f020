"""Train a model on the annotations so far, or find that it was trained before the crash."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from laud_ray.model_folder import DESCRIPTION
from laud_ray.storage import Folder
from laud_ray.types import Example, Learner, Task


def train(learner: Learner, task: Task, examples: Sequence[Example], models: Folder, name: str, seed: int) -> Folder:
    """Make the model `name` in the folder of models, unless it is there; it appears whole or not at all."""
    if not models.exists(f"{name}/{DESCRIPTION}"):
        with tempfile.TemporaryDirectory(prefix="laud-fit-") as scratch:
            out = Path(scratch) / name
            learner.fit(task, examples, out=str(out), seed=seed)
            models.publish(out, name, last=DESCRIPTION)
    return models / name
