"""Fine-tune an encoder with LoRA under a cosine head, whose rows are initialised with the embeddings of the labels.

Without examples, the model is the zero-shot classifier; training starts from there.
n examples, k classes, r head rows (one for each class; several for `other` of a binary task), d dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from laud_ray.models import ray_train
from laud_ray.models.encoder.describing import description_with
from laud_ray.models.encoder.encoding import Encoder
from laud_ray.models.encoder.head import Head
from laud_ray.models.encoder.propagation import Memory
from laud_ray.models.encoder.scoring import VectorScorer
from laud_ray.models.encoder.tied import TiedClassifier
from laud_ray.models.encoder.training import CosineClassifier, Course
from laud_ray.models.multilabel import encoder as independent
from laud_ray.models.multilabel.scorer import SetScorer
from laud_ray.models.ray_train import Resources
from laud_ray.models.targets import targets_of
from laud_ray.stats.calibration import fit_temperature
from laud_ray.stats.multilabel.rules import Rules
from laud_ray.storage.model_folder import describe, seal
from laud_ray.types import Example, Floats, Task

LORA_TARGETS = "all-linear"
# Mean pooling does not use the pooler, and the exchange of gradients fails on a parameter without a gradient.
UNUSED_MODULES = r".*pooler.*"
MEMORY = "memory.safetensors"
# The standard deviation of the prior on log T. Held-out examples were mostly selected because they are hard, so that a
# temperature fitted on them alone is too high for the corpus. The head's own scale is nearly right (docs/LOG.md).
PRIOR = 0.1


@dataclass(frozen=True, slots=True)
class EncoderLearner:
    """Fine-tunes an encoder with LoRA (Hu et al. 2021, arXiv 2106.09685) under a cosine head.

    Attributes:
        model: `bundled`, a model folder, or a hub name.
        template: makes the text of a label from its name; its embedding initialises the label's row of the head.
        rank: the rank of LoRA.
        class_balance: the weight of an example is (class frequency) ** -class_balance; 0 weights all equally.
        holdout: share of the examples that the first epochs do not train on. The temperature and early stopping use
            them; the last epochs train on all examples.
        resources: the processes and GPUs to train with.
        texts: unlabelled documents that the model keeps as its memory for label propagation; none by default.
    """

    model: str = "bundled"
    template: str = "{label}"
    rank: int = 16
    epochs: int = 10
    learning_rate: float = 1e-3
    batch: int = 32
    max_tokens: int = 64
    class_balance: float = 0.0
    holdout: float = 0.0
    resources: Resources = field(default_factory=Resources)
    texts: tuple[str, ...] = ()

    def fit(self, task: Task, examples: Sequence[Example], *, out: str, seed: int) -> None:
        """Write a model to the local folder `out`; without examples, the zero-shot classifier."""
        if examples:
            config = {"learner": self, "task": task, "examples": tuple(examples), "seed": seed}
            ray_train.fit(train, config, self.resources, out)
        elif task.multilabel:
            independent.save_untrained(Path(out), self, task)
        else:
            classifier = CosineClassifier(Encoder(self.model, self.max_tokens).eval(), task, self.template)
            Path(out).mkdir(parents=True, exist_ok=True)
            save(Path(out), self, task, classifier, temperature=1.0, examples=0)

    @staticmethod
    def open(model: str) -> "EncoderScorer | SetScorer":
        """Open a model folder. Its model.json names the base model and the settings."""
        path, description = describe(model)
        encoder = Encoder(description["base"], description["max_tokens"])
        if (path / "adapter").is_dir():
            from peft import PeftModel  # the import takes seconds, and only models with an adapter need it

            adapted = PeftModel.from_pretrained(encoder.model, str(path / "adapter"))
            encoder.model = adapted.merge_and_unload()
        if (rules := Rules.of(description)) is not None:
            return independent.open_scorer(path, description, encoder.freeze(), rules)
        head = load_file(path / "head.safetensors")
        labels, scale = tuple(description["labels"]), float(description["scale"]) / float(description["temperature"])
        rows = Head(head["weight"].numpy(), head["owners"].numpy(), scale, len(labels))
        scorer = EncoderScorer(labels, encoder.freeze(), rows)
        if not (path / MEMORY).is_file():
            return scorer
        vectors = load_file(path / MEMORY)["vectors"].numpy()
        return replace(scorer, memory=Memory.of(vectors, scorer.proba))


@dataclass(frozen=True, slots=True)
class EncoderScorer(VectorScorer):
    """Class probabilities from an encoder and its cosine head.

    Attributes:
        head: maps the vectors to probabilities.
        memory: unlabelled texts whose predictions are mixed into the probabilities; None for no mixing.
    """

    head: Head
    memory: Memory | None = None

    def proba(self, vectors: Floats) -> Floats:
        """Map (n, d) unit vectors to (n, k) probabilities, float32."""
        rows = self.head.proba(vectors)
        return rows if self.memory is None else self.memory.mix(vectors, rows)


def tied(task: Task) -> bool:
    """Whether the rows of the head are embeddings that move with the encoder: for a taxonomy (see TiedClassifier)."""
    return task.kind == "taxonomy"


def train(config: dict[str, Any]) -> None:
    """Train on one rank; Ray Train calls it. Every rank holds all examples and computes its share of every batch."""
    from peft import LoraConfig, get_peft_model

    learner: EncoderLearner = config["learner"]
    task: Task = config["task"]
    examples: tuple[Example, ...] = config["examples"]
    torch.manual_seed(config["seed"])
    encoder = Encoder(learner.model, learner.max_tokens).eval()
    ids = encoder.tokenize([e.text for e in examples])
    lora = LoraConfig(
        r=learner.rank, lora_alpha=2 * learner.rank, target_modules=LORA_TARGETS, exclude_modules=UNUSED_MODULES
    )
    if task.multilabel:
        several = independent.SetLearning(learner, task, examples, encoder, ids)
        encoder.model = get_peft_model(encoder.model, lora)
        several.run(np.random.default_rng(config["seed"]))
        ray_train.deliver(several.save, {})
        return
    targets = targets_of(task, examples)
    classifier: CosineClassifier | TiedClassifier
    if tied(task):
        classifier = TiedClassifier(encoder, task, learner.template, ids, targets)
    else:
        classifier = CosineClassifier(encoder, task, learner.template, ids)
    encoder.model = get_peft_model(encoder.model, lora)
    held, logits = Course(learner, classifier, ids, targets).run(np.random.default_rng(config["seed"]))
    temperature = fit_temperature(logits, targets.starts[held], prior=PRIOR) if len(held) else 1.0
    ray_train.deliver(
        lambda path: save(path, learner, task, classifier, temperature=temperature, examples=len(examples)),
        {"temperature": temperature},
    )


def save(
    path: Path,
    learner: EncoderLearner,
    task: Task,
    classifier: CosineClassifier | TiedClassifier,
    *,
    temperature: float,
    examples: int,
) -> None:
    """Write adapter, head, memory and model.json into an existing folder; without examples there is no memory."""
    from peft import PeftModel

    if isinstance(classifier.encoder.model, PeftModel):
        classifier.encoder.model.save_pretrained(str(path / "adapter"))
    save_file(
        {"weight": classifier.rows.cpu().contiguous(), "owners": classifier.owners.cpu()}, path / "head.safetensors"
    )
    if examples and learner.texts:
        vectors = classifier.encoder.embed(learner.texts)
        save_file({"vectors": torch.from_numpy(vectors)}, path / MEMORY)
    description = {
        **description_with("encoder", learner, task),
        "scale": float(classifier.log_scale.detach().exp()),
        "temperature": temperature,
        "examples": examples,
    }
    seal(path, description)
