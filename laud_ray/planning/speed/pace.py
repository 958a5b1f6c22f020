"""How fast the models of a run compute: measured with the models themselves where that takes a moment, else by formula.

By formula, seconds are the number of operations divided by the operations per second of the device. For each parameter
and token, scoring takes 2 operations; training takes 4, since frozen weights get no gradient, or 6 with activation
checkpointing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from laud_ray.config import CausalConfig, EncoderConfig, LinearConfig, LlmConfig, PromptedSection, ResourcesConfig
from laud_ray.planning.speed import probe
from laud_ray.planning.speed.devices import Device
from laud_ray.planning.speed.model_size import guessed_size
from laud_ray.planning.tokens import Asked, Computed, Section
from laud_ray.types import Task

# What vLLM spends on a prompt beside the model, and a pass on a document beside its scorer: seconds of a core.
PROMPT, DOCUMENT = 2e-4, 3e-5
# vLLM computes a token in this part of the time of PyTorch, with which a model is measured. One core, SmolLM2-135M:
# 0.50 in float32, 0.51 in bfloat16; the tiny model of examples/tiny_lm: 0.5, beside 0.2 ms for each prompt.
VLLM = 0.5


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a model computes.

    Attributes:
        seconds: for a document, or for a token where a language model is trained, on one of the slots.
        slots: how many compute at the same time.
        measured: whether the model itself was run.
    """

    seconds: float
    slots: float
    measured: bool = False


def scoring(
    section: Section, needs: Computed, texts: Sequence[str], device: Device, resources: ResourcesConfig
) -> Pace:
    """Return the pace at which a zero-shot scorer or a learner's model scores documents."""
    gpus = resources.scorers * max(1.0, resources.gpus_per_scorer)
    own = device.flops / device.cores
    if not isinstance(section, PromptedSection):
        slots = gpus if device.is_gpu else device.cores
        if _fits(section.model, needs.size, device):
            limit = getattr(section, "max_tokens", 64)
            seconds = probe.encoder_scoring(section.model, limit, probe.as_sample(texts), device.cores)
            return Pace(seconds + DOCUMENT, slots, True)
        return Pace(2 * needs.size * needs.each / (own * device.encoder), slots)
    if device.is_gpu:
        return Pace(2 * needs.size * needs.each / own, gpus)
    # An engine uses the cores that it reserves.
    slots = min(resources.scorers * resources.cpus_per_scorer, device.cores)
    beside = PROMPT * needs.prompts * slots / resources.scorers
    if _fits(section.model, needs.size, device):
        each = VLLM * probe.language_scoring(section.model, section.dtype, slots)
        return Pace(each * needs.each + beside, slots, True)
    return Pace(2 * needs.size * needs.each / own + beside, slots)


def answering(oracle: LlmConfig, call: Asked, size: int, device: Device) -> Pace:
    """Return the pace at which a language model in this cluster answers; the common prefix is computed once."""
    tokens = call.own + call.answer
    if device.is_gpu:
        return Pace(2 * size * tokens / device.flops, oracle.replicas * max(1, oracle.gpus_per_replica))
    slots = min(oracle.replicas, device.cores)
    if _fits(oracle.model, size, device):
        each = VLLM * probe.language_scoring(oracle.model, oracle.dtype, slots)
        return Pace(each * tokens + 2 * PROMPT, slots, True)
    return Pace(2 * size * tokens * device.cores / device.flops + 2 * PROMPT, slots)


def training(
    section: EncoderConfig | CausalConfig | LinearConfig,
    needs: Computed,
    task: Task,
    texts: Sequence[str],
    device: Device,
    resources: ResourcesConfig,
) -> Pace:
    """Return the pace of training: of an encoder or a linear learner by the example, of a language model by the token.

    A linear learner embeds each example once; its solver is in laud_ray.planning.speed.fixed.
    """
    if isinstance(section, LinearConfig):
        return scoring(section, needs, texts, device, resources)
    workers = resources.workers
    # A process that trains has all cores; a worker of Ray Train has one.
    threads = 1 if workers else device.cores
    slots = max(1, workers if device.is_gpu else min(workers, device.cores))
    if _fits(section.model, needs.size, device):
        sample = probe.as_sample(texts)
        if isinstance(section, EncoderConfig):
            return Pace(probe.encoder_training(section, task, sample, threads), slots, True)
        return Pace(probe.language_training(section, threads), slots, True)
    operations = 6 if isinstance(section, CausalConfig) and section.checkpointing is not False else 4
    each = 1.0 if isinstance(section, CausalConfig) else needs.each
    return Pace(operations * needs.size * each / (device.flops * threads / device.cores), slots)


def _fits(model: str, size: int, device: Device) -> bool:
    """Whether a model can be run for a moment: on this machine, at hand, and not too large."""
    return device.here and size <= probe.LARGEST and guessed_size(model) is None
