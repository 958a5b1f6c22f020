"""Train a LoRA adapter on label codes, on every rank of Ray Train alike.

Prompts share their prefix, so they are packed behind it: laud_ray.models.packing. L tokens of a row, b bodies of it.
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
    """Load a language model: bfloat16 on a GPU, float32 on a CPU, unless dtype says otherwise."""
    transformers.logging.disable_progress_bar()
    chosen = dtype if dtype != "auto" else ("bfloat16" if device.type == "cuda" else "float32")
    try:
        return transformers.AutoModelForCausalLM.from_pretrained(
            name, dtype=getattr(torch, chosen), attn_implementation="sdpa"
        )
    except (OSError, ValueError) as error:
        raise unknown(name, error) from None


class AnswerModel(torch.nn.Module):
    """A language model that only says what follows each body of a pack."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor, ends: torch.Tensor) -> Any:
        """Map one row to (b, vocabulary) logits."""
        return self.model(
            input_ids=ids, position_ids=positions, attention_mask=mask, logits_to_keep=ends, use_cache=False
        ).logits[0]


def adapted(settings: CausalConfig, device: torch.device) -> Any:
    """The base model with a fresh adapter on all its linear layers."""
    from peft import LoraConfig, get_peft_model  # takes seconds, which a process that trains nothing need not pay

    base = load_base(settings.model, settings.dtype, device)
    lora = LoraConfig(r=settings.rank, lora_alpha=2 * settings.rank, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(base, lora)
    if settings.checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    return model


def train(config: dict[str, Any]) -> None:
    """Train on one rank, as Ray Train calls it. Every rank holds all examples and takes its part of every batch."""
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
    """What follows the shared prefix of each example's prompt, and the (n,) token that must come next."""
    tokenizer = chat.open_tokenizer(prompt.settings.model)
    openings = [prompt.opening(tokenizer)] * len(examples)
    shared = len(prompt.frames[0].prefix_ids)
    bodies = [ids[shared:] for ids in prompt.ids(tokenizer, [e.text for e in examples], openings)]
    tokens = {prompt.labels[c].name: token for c, token in zip(prompt.orders[0], prompt.token_ids, strict=True)}
    return bodies, np.asarray([tokens[e.label] for e in examples], np.int64)


class Course:
    """One training. bodies are the token ids of the n prompts after their prefix, targets (n,) tokens."""

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
        self._model = self._spread(AnswerModel(model))
        self._named = {name: p for name, p in self._model.named_parameters() if p.requires_grad}
        self._optimizer = torch.optim.AdamW(self._named.values(), lr=settings.learning_rate, weight_decay=0.0)

    def epoch(self, epoch: int) -> float:
        """Go over all examples once; return their mean loss on this rank."""
        self._model.train()
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._bodies))
        size = self._settings.batch
        batches = [order[i : i + size] for i in range(0, len(order), size)]
        losses = []
        for step, rows in enumerate(batches):
            progress = (epoch + step / len(batches)) / self._settings.epochs
            for group in self._optimizer.param_groups:
                group["lr"] = ray_train.rate(progress, self._settings.learning_rate)
            losses.append(self._step(rows))
        return float(np.mean(losses))

    def resume(self) -> int:
        """Take up a state that an attempt before this one left; return the epoch to go on with."""
        with ray_train.left_behind() as path:
            if path is None or not (path / STATE).exists():
                return 0
            state = load_file(path / STATE)
        with torch.no_grad():
            for name, parameter in self._named.items():
                parameter.copy_(_spread_like(parameter, state[f"weight.{name}"]))
                moments = {key: _spread_like(parameter, state[f"{key}.{name}"]) for key in ("exp_avg", "exp_avg_sq")}
                self._optimizer.state[parameter] = {**moments, "step": state["step"].clone()}
        return int(state["epoch"])

    def state(self, epoch: int) -> dict[str, torch.Tensor]:
        """All that `resume` needs, whole on every rank."""
        state = {"epoch": torch.tensor(epoch)}
        for name, parameter in self._named.items():
            held = self._optimizer.state[parameter]
            state["step"] = held["step"].cpu().clone()
            state[f"weight.{name}"] = _whole(parameter)
            state |= {f"{key}.{name}": _whole(held[key]) for key in ("exp_avg", "exp_avg_sq")}
        return state

    def adapter(self) -> dict[str, torch.Tensor]:
        """The adapter's weights in PEFT's names, whole on every rank."""
        from peft import get_peft_model_state_dict

        # The wrappers of several workers put their own names before the model's.
        whole = {name.split("model.", 1)[1]: _whole(parameter) for name, parameter in self._named.items()}
        weights: dict[str, torch.Tensor] = get_peft_model_state_dict(self._peft, state_dict=whole)
        return weights

    def _spread(self, model: AnswerModel) -> Any:
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
                self._silent(i + 1 < len(packs)),
                torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"),
            ):
                logits = self._model(packed.ids, packed.positions, packed.mask, packed.ends)
            losses = cross_entropy(logits.float(), targets.to(self._device), reduction="sum") * weight
            # The exchange averages over ranks; times their number, it is the mean over the whole batch.
            (losses * ray_train.world_size() / len(rows)).backward()  # type: ignore[no-untyped-call]
            total += float(losses.detach())
        self._optimizer.step()
        return total / max(1, len(ray_train.shares(rows)[ray_train.rank()]))

    def _packs(self, rows: Indices) -> Iterator[tuple[Pack, torch.Tensor, float]]:
        """This rank's share in rows of tokens. All ranks compute equally many, some perhaps with weight 0."""
        shares, budget = ray_train.shares(rows), self._settings.batch_tokens
        groups = [into_packs([len(self._bodies[i]) for i in s], len(self._prefix), budget) for s in shares]
        mine = [shares[ray_train.rank()][group] for group in groups[ray_train.rank()]]
        for i in range(max(map(len, groups))):
            chosen, weight = ray_train.or_stand_in(mine[i] if i < len(mine) else None, rows)
            packed = pack(self._prefix, [self._bodies[j] for j in chosen])
            yield packed.to(self._device), torch.from_numpy(self._targets[chosen]), weight

    def _silent(self, more: bool) -> AbstractContextManager[None]:
        """Keep gradients to this rank while more of its step is to come."""
        if isinstance(self._model, DistributedDataParallel) and more:
            quiet: AbstractContextManager[None] = self._model.no_sync()
            return quiet
        return nullcontext()


def _layers(model: torch.nn.Module) -> list[torch.nn.Module]:
    """The decoder layers: the longest list of like modules."""
    lists = [list(module) for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    return max(lists, key=len)


def _spread_like(parameter: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    """A whole tensor as the parameter is held: on its device, and in shards where that is."""
    moved = whole.to(parameter.device)
    if isinstance(parameter, DTensor):
        sharded: torch.Tensor = distribute_tensor(moved, parameter.device_mesh, parameter.placements)
        return sharded
    return moved


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor in one piece on the CPU, wherever its shards are."""
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().cpu().contiguous().clone()


def _save_state(state: Mapping[str, torch.Tensor], path: Path) -> None:
    save_file(dict(state), path / STATE)


def _save(path: Path, model: Any, weights: Mapping[str, torch.Tensor], description: Mapping[str, Any]) -> None:
    """Write the adapter in PEFT's format, and model.json over it."""
    (path / ADAPTER).mkdir()
    model.peft_config["default"].inference_mode = True
    model.peft_config["default"].save_pretrained(str(path / ADAPTER))
    save_file(dict(weights), path / ADAPTER / "adapter_model.safetensors")
    seal(path, description)
