"""Fine-tune a decoder language model with LoRA to answer the scoring prompt with the code of the label."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from laud_ray.config import CausalConfig
from laud_ray.errors import ModelError
from laud_ray.models import ray_train
from laud_ray.models.encoder.encoding import device as encoder_device
from laud_ray.models.encoder.neighbours import Neighbours
from laud_ray.models.language import chat, label_prompt
from laud_ray.models.language.label_prompt import LabelPrompt
from laud_ray.models.language.scorer import PromptedScorer, Reads, engine, engine_settings
from laud_ray.models.language.stream import StreamFor
from laud_ray.models.language.tuning.answer_model import load_base
from laud_ray.models.language.tuning.training import ADAPTER, read_examples, train
from laud_ray.models.ray_train import Resources
from laud_ray.models.targets import exact_examples
from laud_ray.storage.local import scratch
from laud_ray.storage.model_folder import describe
from laud_ray.types import Example, Task


@dataclass(frozen=True, slots=True)
class CausalLearner:
    """Fine-tunes a language model with LoRA (Hu et al. 2021, arXiv 2106.09685); the loss is on the answer's token."""

    settings: CausalConfig
    resources: Resources = field(default_factory=Resources)

    def fit(self, task: Task, examples: Sequence[Example], *, out: str, seed: int) -> None:
        """Train from the base model, and write a model to the local folder `out`.

        Raises:
            ModelError: if there are no examples, or not all labels fit into one prompt.
        """
        prompt = fixed_prompt(task, self.settings)
        # In a taxonomy, an annotation may be an inner node, for which there is no code.
        examples = exact_examples(task, examples)
        if not examples:
            raise ModelError("learner: causal has 0 examples to train on; expected at least one annotation")
        ray_train.fit(
            train,
            {
                "settings": self.settings,
                "prompt": prompt,
                "examples": tuple(examples),
                "seed": seed,
                "description": {
                    "kind": "causal",
                    "base": self.settings.model,
                    "labels": list(task.names),
                    "examples": len(examples),
                    "prompt": prompt.to_json(),
                },
                "restartable": self.resources.workers > 0,
            },
            self.resources,
            out,
        )

    @staticmethod
    def open(model: str) -> PromptedScorer:
        """Open a model folder, and start an engine on the base model with the adapter merged into its weights.

        An unmerged adapter reduces vLLM's throughput by up to a third, so that a merge pays off for bulk passes.
        """
        path, description = describe(model)
        tokenizer = chat.open_tokenizer(description["base"])
        prompt = label_prompt.from_json(description["prompt"], tokenizer)
        with scratch.temporary("merged") as place:
            merged = str(place)
            merge(description["base"], path / ADAPTER, prompt.settings.dtype, merged)
            return _scorer(path, prompt, tokenizer, engine(prompt, tokenizer, merged), description["temperature"])

    @staticmethod
    def open_beside(model: str, stream_for: StreamFor) -> PromptedScorer:
        """Open a model folder in a shared engine, which serves the unmerged adapter beside the base model.

        Args:
            model: the model folder.
            stream_for: returns the engine for the given settings and rank of the adapter.
        """
        path, description = describe(model)
        tokenizer = chat.open_tokenizer(description["base"])
        prompt = label_prompt.from_json(description["prompt"], tokenizer)
        stream = stream_for(engine_settings(prompt, description["base"]), adapter_rank(path / ADAPTER))
        reads = stream.reader(prompt.token_ids, str(path / ADAPTER))
        return _scorer(path, prompt, tokenizer, reads, description["temperature"])


def _scorer(path: Path, prompt: LabelPrompt, tokenizer: Any, reads: Reads, temperature: float) -> PromptedScorer:
    """Return the scorer of a model folder."""
    neighbours = None
    if prompt.narrow:
        neighbours = Neighbours(read_examples(path), prompt.labels, encoder_device())
    return PromptedScorer(prompt, tokenizer, reads, neighbours, temperature=temperature)


def fixed_prompt(task: Task, settings: CausalConfig) -> LabelPrompt:
    """Return the prompt that a model is trained and scored with: all labels, in a fixed order.

    If the leaves of a taxonomy do not fit, each document has options of its own, with codes.

    Raises:
        ModelError: if other labels do not fit into one prompt.
    """
    tokenizer = chat.open_tokenizer(settings.model, template=settings.chat_template)
    prompt = label_prompt.build(tokenizer, task, settings, orders=1)
    if prompt.narrow and prompt.tree:
        return prompt
    if prompt.narrow:
        raise ModelError(
            f"max_labels: the task has {len(task.labels)} labels, but a prompt of this model with max_context "
            f"{prompt.settings.max_context} holds {len(prompt.codes)}, and learner.kind causal needs all in one; "
            "expected a larger max_labels or max_context, or learner.kind encoder or in_context"
        )
    if settings.answers == "codes":
        return prompt
    return label_prompt.build(tokenizer, task, settings, orders=1, answers=settings.answers)


def merge(base: str, adapter: Path, dtype: str, out: str) -> None:
    """Write the base model with an adapter merged into its weights."""
    from peft import PeftModel  # the import takes seconds, and only models with an adapter need it

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = PeftModel.from_pretrained(load_base(base, dtype, device), str(adapter))
    model.merge_and_unload().save_pretrained(out)


def adapter_rank(adapter: Path) -> int:
    """Read the rank of an adapter in PEFT's format."""
    return int(json.loads((adapter / "adapter_config.json").read_text())["r"])
