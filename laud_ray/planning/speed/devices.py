"""The devices for which a run is planned: GPUs by name, this machine's GPU or CPU; whether a model fits into memory."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import psutil
import torch

from laud_ray.config import PromptedSection
from laud_ray.errors import ConfigError, ModelError
from laud_ray.planning.speed.model_size import parameters

# The share that models are assumed to reach: of a GPU's peak by its data sheet, and of this CPU's matrix product.
GPU_SHARE, CPU_SHARE = 0.35, 0.6
# The share for encoders that score on a CPU with ONNX Runtime and are too large to be measured. It exceeds 1, because
# half of a small encoder's parameters are an embedding table, which needs no multiplication, and because PyTorch's
# matrix product does not use all instructions of newer CPUs. The bundled encoder reached 3.1 (1,439 names of 9 tokens
# per second, on two cores of 94e9 operations per second each; docs/LOG.md).
CPU_ENCODER_SHARE = 2.5
# The matrix product that is measured, and how often: a few milliseconds each time.
SIDE, REPETITIONS = 512, 15


@dataclass(frozen=True, slots=True)
class Device:
    """A device that runs models.

    Attributes:
        flops: operations per second that a model reaches; in GPUS the data sheet's peak for dense bfloat16.
        memory: bytes.
        encoder: the factor of `flops` when an encoder scores.
        cores: processor cores that share `flops`; 1 for a GPU, which is used as a whole.
        here: whether it is this machine's CPU, on which the models themselves can be measured.
    """

    name: str
    flops: float
    memory: float
    encoder: float = 1.0
    cores: int = 1
    here: bool = False

    @property
    def is_gpu(self) -> bool:
        return not self.here


GPUS: Mapping[str, Device] = {
    "T4": Device("T4", 65e12, 15e9),
    "L4": Device("L4", 121e12, 23e9),
    "A10G": Device("A10G", 70e12, 23e9),
    "L40S": Device("L40S", 362e12, 46e9),
    "A100": Device("A100", 312e12, 80e9),
    "H100": Device("H100", 989e12, 80e9),
    "H200": Device("H200", 989e12, 141e9),
}


def find_device(gpu: str | None) -> Device:
    """Return the GPU of that name; without a name this machine's GPU, or its CPU, whose speed is measured.

    Raises:
        ConfigError: if the name is unknown.
    """
    if gpu is not None:
        known = GPUS.get(gpu.upper())
        if known is None:
            raise ConfigError(f"--gpu: {gpu!r} is unknown; expected one of {', '.join(GPUS)}")
        return replace(known, flops=GPU_SHARE * known.flops)
    if torch.cuda.is_available():
        seen = torch.cuda.get_device_properties(0)
        peak = next((d.flops for name, d in GPUS.items() if name in seen.name), 100e12)
        return Device(seen.name, GPU_SHARE * peak, float(seen.total_memory))
    cores, memory = cores_here(), float(psutil.virtual_memory().total)
    flops = CPU_SHARE * cores * core_flops()
    return Device("this machine's CPU", flops, memory, CPU_ENCODER_SHARE / CPU_SHARE, cores, here=True)


def cores_here() -> int:
    """Return the cores of this machine that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def core_flops(dtype: torch.dtype = torch.float32) -> float:
    """Measure the operations per second of a matrix product on one core of this machine.

    The processor time of one thread counts, and the best of many repetitions, so that other work on the machine hardly
    changes the figure.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        a = torch.randn(SIDE, SIDE, dtype=dtype)
        a @ a
        return 2 * SIDE**3 / min(_thread_seconds(a) for _ in range(REPETITIONS))
    finally:
        torch.set_num_threads(threads)


def _thread_seconds(a: torch.Tensor) -> float:
    began = time.thread_time()
    a @ a
    return max(time.thread_time() - began, 1e-6)


def check_memory(key: str, section: PromptedSection, device: Device, devices: int) -> None:
    """Check that the weights of a model fit into its share of the memory of `devices` devices.

    Raises:
        ModelError: if they do not fit, or the model does not exist.
    """
    width = 4 if section.dtype == "float32" or (section.dtype == "auto" and "CPU" in device.name) else 2
    needed = parameters(section.model, causal=True) * width
    allowed = device.memory * section.memory * devices
    if needed > allowed:
        raise ModelError(
            f"{key}.model: {section.model!r} needs {needed / 1e9:.1f} GB for its weights, and {devices} x "
            f"{device.name} with memory: {section.memory} have {allowed / 1e9:.1f} GB; expected a smaller model, or "
            "more resources.gpus_per_scorer"
        )
