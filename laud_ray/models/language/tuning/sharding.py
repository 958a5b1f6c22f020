"""A model in shards over the workers (FSDP2), and its tensors as wholes, which do not depend on the workers."""

import torch
from torch.distributed.tensor import DTensor, distribute_tensor


def sharded(model: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    """Move a model to a device, and shard it over the workers, decoder layer by decoder layer."""
    from torch.distributed.fsdp import fully_shard

    model.to(device)
    for layer in _layers(model):
        fully_shard(layer)
    fully_shard(model)
    return model


def placed_like(parameter: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    """Return an unsharded tensor placed like the parameter: on its device, and sharded if the parameter is."""
    moved = whole.to(parameter.device)
    if isinstance(parameter, DTensor):
        sharded: torch.Tensor = distribute_tensor(moved, parameter.device_mesh, parameter.placements)
        return sharded
    return moved


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """Return an unsharded copy of a tensor on the CPU."""
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().cpu().contiguous().clone()


def _layers(model: torch.nn.Module) -> list[torch.nn.Module]:
    """Return the decoder layers: the longest ModuleList of the model."""
    lists = [list(module) for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    return max(lists, key=len)
