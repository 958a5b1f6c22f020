"""A decoder language model that answers a prompt with one token, and the adapter that is trained on it.

b bodies in a packed row (laud_ray.models.packing), c codes.
"""

from collections.abc import Sequence
from typing import Any

import torch
import transformers

from laud_ray.config import CausalConfig
from laud_ray.models.language.chat import unknown
from laud_ray.models.language.engine import multiplies_bfloat16
from laud_ray.models.language.tuning import attention

# The rate of LoRA for a hidden size of 2,000, and the power with which it falls as models become wider.
RATE, WIDTH, POWER = 5e-4, 2000, 0.781
# Bytes of activations from which on they are recomputed in the backward pass, unless it is configured.
MOST_ACTIVATIONS = 4e9


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


def training_dtype(dtype: str, device: torch.device) -> str:
    """Return the type in which the frozen base model computes while an adapter is trained.

    "auto" is bfloat16 where the device multiplies matrices of it at full speed: on a GPU, and on a CPU with AVX512-BF16
    or AMX, on which a training step takes 0.4 of float32's time (docs/LOG.md). On other CPUs it is float32, because
    bfloat16 is several times slower there. The adapter's weights and the optimizer are float32 in all cases, so that
    small steps are not rounded away. The rounding of activations is noise that the adapter is trained with.
    """
    if dtype != "auto":
        return dtype
    return "bfloat16" if device.type == "cuda" or multiplies_bfloat16() else "float32"


def learning_rate(model: Any) -> float:
    """Return a learning rate for LoRA on a model of this width: 1.3e-3 for a hidden size of 576, 2.9e-4 for 4,096.

    Schulman et al. (2025), "LoRA Without Regret", with the exponent that was fitted on Llama models.
    """
    return float(RATE * (WIDTH / model.config.get_text_config().hidden_size) ** POWER)


class AnswerModel(torch.nn.Module):
    """A language model that returns the logits of the codes after each body.

    Where the base model computes in bfloat16, the adapter does so too; its weights stay in float32. Only the codes are
    compared when a text is scored, so only they are compared in training: a loss over the whole vocabulary would spend
    the first steps on teaching the model to answer with a code at all.
    """

    def __init__(self, model: Any, codes: Sequence[int]) -> None:
        """Wrap a model; `codes` are the token ids of the c codes."""
        super().__init__()
        self.model, self.codes = model, list(codes)
        self.mixed = model.get_input_embeddings().weight.dtype == torch.bfloat16
        self.packs = model.config.get_text_config()._attn_implementation == attention.NAME

    def forward(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        mask: torch.Tensor,
        ends: torch.Tensor,
        bodies: torch.Tensor,
    ) -> torch.Tensor:
        """Map one packed row to (b, c) logits of the codes as the next token, float32; arguments as in `Pack`."""
        device, more = ids.device.type, {"bodies": bodies} if self.packs else {}
        with torch.autocast(device, torch.bfloat16, enabled=self.mixed or device == "cuda"):
            logits = self.model(
                input_ids=ids, position_ids=positions, attention_mask=mask, logits_to_keep=ends, use_cache=False, **more
            ).logits[0]
        codes: torch.Tensor = logits[:, self.codes].float()
        return codes


def adapted(settings: CausalConfig, device: torch.device, tokens: int = 0) -> Any:
    """Return the base model with a new adapter on all its linear layers.

    Args:
        settings: the settings of the learner.
        device: the device that it will be trained on.
        tokens: the number of tokens of the longest packed row.
    """
    from peft import LoraConfig, get_peft_model  # the import takes seconds, and only training needs it

    base = load_base(settings.model, training_dtype(settings.dtype, device), device)
    lora = LoraConfig(r=settings.rank, lora_alpha=2 * settings.rank, target_modules="all-linear", task_type="CAUSAL_LM")
    if device.type == "cpu" and base._supports_attention_backend:
        base.set_attn_implementation(attention.NAME)
    model = get_peft_model(base, lora)
    if _recomputes(settings, base, tokens):
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    return model


def _recomputes(settings: CausalConfig, model: Any, tokens: int) -> bool:
    """Whether to recompute activations: as configured, or if those of a row would take much memory."""
    if settings.checkpointing is not None:
        return settings.checkpointing
    config = model.config.get_text_config()
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    # What a layer keeps for the backward pass, in numbers per token of two or four bytes.
    kept = 12 * config.hidden_size + 4 * inner
    return bool(3 * tokens * config.num_hidden_layers * kept > MOST_ACTIVATIONS)
