"""Train a LoRA adapter on label codes; every rank of Ray Train runs the same code.

Prompts share their prefix, so several bodies are packed behind one prefix (laud_ray.models.packing). b bodies in a row.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from ray.train.torch import get_device, prepare_model
from safetensors.torch import load_file, save_file
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from laud_ray.config import CausalConfig
from laud_ray.models import ray_train
from laud_ray.models.language import chat
from laud_ray.models.language.chat import unknown
from laud_ray.models.language.label_prompt import LabelPrompt
from laud_ray.models.packing import Pack, into_packs, pack
from laud_ray.storage.model_folder import seal
from laud_ray.types import Example, Indices

logger = logging.getLogger(__name__)

ADAPTER = "adapter"
STATE = "state.safetensors"


def load_base(name: str, dtype: str, device: torch.device) -> Any:
    """Load a language model; with dtype "auto" in bfloat16 on a GPU and in float32 on a CPU.

    Raises:
        ModelError: if it cannot be loaded.
    """
    transformers.logging.disable_progress_bar()
    chosen = dtype if dtype != "auto" else ("bfloat16" if device.type == "cuda" else "float32")
    try:
        return transformers.AutoModelForCausalLM.from_pretrained(
            name, dtype=getattr(torch, chosen), attn_implementation="sdpa"
        )
    except (OSError, ValueError) as error:
        raise unknown(name, error) from None


class AnswerModel(torch.nn.Module):
    """A language model that returns logits for the last token of each body only."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor, ends: torch.Tensor) -> Any:
        """Map one packed row to (b, vocabulary) logits of the next token; arguments as in `Pack`."""
        return self.model(
            input_ids=ids, position_ids=positions, attention_mask=mask, logits_to_keep=ends, use_cache=False
        ).logits[0]


def adapted(settings: CausalConfig, device: torch.device) -> Any:
    """Return the base model with a new adapter on all its linear layers."""
    from peft import LoraConfig, get_peft_model  # the import takes seconds, and only training needs it

    base = load_base(settings.model, settings.dtype, device)
    lora = LoraConfig(r=settings.rank, lora_alpha=2 * settings.rank, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(base, lora)
    if settings.checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    return model


def train(config: dict[str, Any]) -> None:
    """Train on one rank; Ray Train calls it. Every rank holds all examples and computes its share of every batch."""
    settings: CausalConfig = config["settings"]
    prompt: LabelPrompt = config["prompt"]
    torch.manual_seed(config["seed"])
    model = adapted(settings, get_device())
    bodies, targets = encode_bodies(prompt, config["examples"])
    course = Course(settings, model, prompt.frames[0].prefix_ids, bodies, targets, config["seed"])
    for epoch in range(course.resume(), settings.epochs):
        loss = course.epoch(epoch)
        logger.info("epoch %d: mean loss %.4f", epoch, loss)
        if config["restartable"] and epoch + 1 < settings.epochs:
            ray_train.deliver(partial(_save_state, course.state(epoch + 1)), {"loss": loss})
    weights = course.adapter()
    ray_train.deliver(lambda path: _save(path, model, weights, config["description"]), {"loss": loss})


def encode_bodies(prompt: LabelPrompt, examples: Sequence[Example]) -> tuple[list[list[int]], Indices]:
    """Return the token ids of each example's prompt after the shared prefix, and the (n,) token ids of the answers."""
    tokenizer = chat.open_tokenizer(prompt.settings.model)
    openings = [prompt.opening(tokenizer)] * len(examples)
    shared = len(prompt.frames[0].prefix_ids)
    bodies = [ids[shared:] for ids in prompt.ids(tokenizer, [e.text for e in examples], openings)]
    tokens = {prompt.labels[c].name: token for c, token in zip(prompt.orders[0], prompt.token_ids, strict=True)}
    return bodies, np.asarray([tokens[e.label] for e in examples], np.int64)


class Course:
    """One training run.

    `prefix` are the token ids that all n prompts share, `bodies` those that follow it in each prompt, and `targets` the
    (n,) token ids of the answers.
    """

    def __init__(
        self,
        settings: CausalConfig,
        model: Any,
        prefix: Sequence[int],
        bodies: Sequence[Sequence[int]],
        targets: Indices,
        seed: int,
    ) -> None:
        self._settings, self._prefix, self._bodies, self._targets = settings, prefix, bodies, targets
        self._seed, self._peft = seed, model
        self._device = get_device()
        self._model = self._distribute(AnswerModel(model))
        self._named = {name: p for name, p in self._model.named_parameters() if p.requires_grad}
        self._optimizer = torch.optim.AdamW(self._named.values(), lr=settings.learning_rate, weight_decay=0.0)

    def epoch(self, epoch: int) -> float:
        """Train on all examples once; return the mean loss on this rank. `epoch` counts from 0."""
        self._model.train()
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._bodies))
        size = self._settings.batch
        batches = [order[i : i + size] for i in range(0, len(order), size)]
        losses = []
        for step, rows in enumerate(batches):
            progress = (epoch + step / len(batches)) / self._settings.epochs
            for group in self._optimizer.param_groups:
                group["lr"] = ray_train.learning_rate(progress, self._settings.learning_rate)
            losses.append(self._step(rows))
        return float(np.mean(losses))

    def resume(self) -> int:
        """Load the state that a previous attempt saved, if any; return the epoch to continue with."""
        with ray_train.last_checkpoint() as path:
            if path is None or not (path / STATE).exists():
                return 0
            state = load_file(path / STATE)
        with torch.no_grad():
            for name, parameter in self._named.items():
                parameter.copy_(_placed_like(parameter, state[f"weight.{name}"]))
                moments = {key: _placed_like(parameter, state[f"{key}.{name}"]) for key in ("exp_avg", "exp_avg_sq")}
                self._optimizer.state[parameter] = {**moments, "step": state["step"].clone()}
        return int(state["epoch"])

    def state(self, epoch: int) -> dict[str, torch.Tensor]:
        """Return the state that `resume` needs, with unsharded tensors on every rank; `epoch` is the next one."""
        state = {"epoch": torch.tensor(epoch)}
        for name, parameter in self._named.items():
            held = self._optimizer.state[parameter]
            state["step"] = held["step"].cpu().clone()
            state[f"weight.{name}"] = _whole(parameter)
            state |= {f"{key}.{name}": _whole(held[key]) for key in ("exp_avg", "exp_avg_sq")}
        return state

    def adapter(self) -> dict[str, torch.Tensor]:
        """Return the adapter's weights by PEFT's names, unsharded on every rank."""
        from peft import get_peft_model_state_dict

        # Wrappers for several workers prepend their own names to those of the parameters.
        whole = {name.split("model.", 1)[1]: _whole(parameter) for name, parameter in self._named.items()}
        weights: dict[str, torch.Tensor] = get_peft_model_state_dict(self._peft, state_dict=whole)
        return weights

    def _distribute(self, model: AnswerModel) -> Any:
        if not (self._settings.shard and ray_train.world_size() > 1):
            return prepare_model(model)
        from torch.distributed.fsdp import fully_shard

        model.to(self._device)
        for layer in _layers(model):
            fully_shard(layer)
        fully_shard(model)
        return model

    def _step(self, rows: Indices) -> float:
        self._optimizer.zero_grad()
        packs = list(self._packs(rows))
        total = 0.0
        for i, (packed, targets, weight) in enumerate(packs):
            with (
                self._without_exchange(i + 1 < len(packs)),
                torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"),
            ):
                logits = self._model(packed.ids, packed.positions, packed.mask, packed.ends)
            losses = cross_entropy(logits.float(), targets.to(self._device), reduction="sum") * weight
            # Gradients are averaged over ranks; multiplied by their number, the loss is the mean over the whole batch.
            (losses * ray_train.world_size() / len(rows)).backward()  # type: ignore[no-untyped-call]
            total += float(losses.detach())
        self._optimizer.step()
        return total / max(1, len(ray_train.rows_by_rank(rows)[ray_train.rank()]))

    def _packs(self, rows: Indices) -> Iterator[tuple[Pack, torch.Tensor, float]]:
        """Yield this rank's share of a batch: packed rows, the token ids of their answers, and a weight.

        All ranks yield the same number of rows, because the exchange of gradients waits for every rank. A rank with
        fewer rows fills up with rows of weight 0.
        """
        shares, budget = ray_train.rows_by_rank(rows), self._settings.batch_tokens
        groups = [into_packs([len(self._bodies[i]) for i in s], len(self._prefix), budget) for s in shares]
        mine = [shares[ray_train.rank()][group] for group in groups[ray_train.rank()]]
        for i in range(max(map(len, groups))):
            chosen, weight = ray_train.own_rows(mine[i] if i < len(mine) else None, rows)
            packed = pack(self._prefix, [self._bodies[j] for j in chosen])
            yield packed.to(self._device), torch.from_numpy(self._targets[chosen]), weight

    def _without_exchange(self, more: bool) -> AbstractContextManager[None]:
        """Do not exchange gradients between ranks while more rows of the same step follow."""
        if isinstance(self._model, DistributedDataParallel) and more:
            quiet: AbstractContextManager[None] = self._model.no_sync()
            return quiet
        return nullcontext()


def _layers(model: torch.nn.Module) -> list[torch.nn.Module]:
    """Return the decoder layers: the longest ModuleList of the model."""
    lists = [list(module) for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    return max(lists, key=len)


def _placed_like(parameter: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    """Return an unsharded tensor placed like the parameter: on its device, and sharded if the parameter is."""
    moved = whole.to(parameter.device)
    if isinstance(parameter, DTensor):
        sharded: torch.Tensor = distribute_tensor(moved, parameter.device_mesh, parameter.placements)
        return sharded
    return moved


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    """Return an unsharded copy of a tensor on the CPU."""
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().cpu().contiguous().clone()


def _save_state(state: Mapping[str, torch.Tensor], path: Path) -> None:
    save_file(dict(state), path / STATE)


def _save(path: Path, model: Any, weights: Mapping[str, torch.Tensor], description: Mapping[str, Any]) -> None:
    """Write the adapter in PEFT's format, and model.json beside it."""
    (path / ADAPTER).mkdir()
    model.peft_config["default"].inference_mode = True
    model.peft_config["default"].save_pretrained(str(path / ADAPTER))
    save_file(dict(weights), path / ADAPTER / "adapter_model.safetensors")
    seal(path, description)
