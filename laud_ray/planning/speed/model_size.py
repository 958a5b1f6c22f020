"""The number of a model's parameters, from its configuration, or from its name if it cannot be downloaded."""

import re
from functools import cache
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import torch
from huggingface_hub import constants
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from laud_ray.models.encoder.encoding import model_path
from laud_ray.models.language import chat


def parameters(name: str, *, causal: bool) -> int:
    """Return the number of a model's parameters.

    Raises:
        ModelError: if the model does not exist.
    """
    size = guessed_size(name)
    if size is not None:
        return size
    try:
        settings = AutoConfig.from_pretrained(model_path(name))
        with torch.device("meta"):
            model = (AutoModelForCausalLM if causal else AutoModel).from_config(settings)
    except (OSError, ValueError) as error:
        raise chat.unknown(name, error) from None
    return sum(p.numel() for p in model.parameters())


def size_in_name(name: str) -> int | None:
    """Return the parameters in a hub name: 1,500,000,000 for `Qwen/Qwen2.5-1.5B-Instruct`; None for a folder."""
    found = re.search(r"(?<![\d.])(\d+(?:\.\d+)?)B(?![a-zA-Z])", name) if not Path(name).exists() else None
    return round(float(found[1]) * 1e9) if found else None


def guessed_size(name: str) -> int | None:
    """Return the parameters in the name of a model that cannot be downloaded; None for any other model."""
    size = size_in_name(name)
    return None if size is None or at_hand(name) else size


@cache
def at_hand(name: str) -> bool:
    """Whether a model is on this machine, or its hub can be reached (even if the hub does not have the model)."""
    try:
        AutoConfig.from_pretrained(model_path(name), local_files_only=True)
        return True
    except (OSError, ValueError):
        pass
    if constants.HF_HUB_OFFLINE:
        return False
    try:
        with urlopen(f"{constants.ENDPOINT}/api/models/{quote(name)}", timeout=10):
            return True
    except HTTPError:
        return True
    except OSError:
        return False
