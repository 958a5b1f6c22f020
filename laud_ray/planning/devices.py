"""What a model runs on: GPUs by name, this machine's own or its CPU, and whether a model fits."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import psutil
import torch

from laud_ray.config import PromptedSection
from laud_ray.errors import ConfigError, ModelError
from laud_ray.planning.model_size import parameters

# The share of a data sheet's peak, and of this machine's matrix product, that models are reckoned to reach.
GPU_SHARE, CPU_SHARE = 0.35, 0.6
# The same for encoders that score on a CPU, in ONNX Runtime. It is over 1: half of a small encoder's parameters are a
# table that is only looked up, and PyTorch's product does not use all that newer cores have. The bundled one at 1,439
# names of 9 tokens a second, on two cores of 94e9 each, comes to 3.1 (docs/LOG.md); a plan rather says too much.
CPU_ENCODER_SHARE = 2.5


@dataclass(frozen=True, slots=True)
class Device:
    """What a model runs on.

    Attributes:
        flops: operations a second that a model reaches; in GPUS the data sheet's peak for dense bfloat16.
        memory: bytes.
        encoder: how many times as many it reaches when an encoder scores.
    """

    name: str
    flops: float
    memory: float
    encoder: float = 1.0


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
    """The GPU of that name, the one that this machine has, or this machine's CPU, measured.

    Raises:
        ConfigError: if nothing is known of the name.
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
    flops, memory = CPU_SHARE * _matrix_product(), float(psutil.virtual_memory().total)
    return Device("this machine's CPU", flops, memory, CPU_ENCODER_SHARE / CPU_SHARE)


def check_memory(key: str, section: PromptedSection, device: Device, devices: int) -> None:
    """Refuse a model whose weights exceed the memory that it may take on so many of the device.

    Raises:
        ModelError: if they do, or if there is no such model.
    """
    width = 4 if section.dtype == "float32" or (section.dtype == "auto" and "CPU" in device.name) else 2
    needed = parameters(section.model, causal=True) * width
    allowed = device.memory * section.memory * devices
    if needed > allowed:
        raise ModelError(
            f"{key}.model: {section.model!r} needs {needed / 1e9:.1f} GB for its weights; {devices} x {device.name} "
            f"with memory: {section.memory} hold {allowed / 1e9:.1f} GB: expected a smaller model, or more "
            "resources.gpus_per_scorer"
        )


def _matrix_product() -> float:
    """Operations a second of this machine's matrix product in float32."""
    a = torch.randn(1024, 1024)
    a @ a
    began = time.perf_counter()
    for _ in range(5):
        a @ a
    return 5 * 2 * 1024**3 / (time.perf_counter() - began)
