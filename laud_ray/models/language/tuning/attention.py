"""Attention of packed prompts on a CPU, where masked attention over a whole row wastes most of its time.

In a row [prefix, body 1, body 2, ...], a body attends to the prefix and to itself. Masked attention computes all L x L
pairs of L tokens. Here the prefix and the bodies are computed apart, as by Juravsky et al. (2024), "Hydragen"
(arXiv 2402.05099): with a prefix of 284 tokens and 16 bodies of 33 tokens, these are 0.4 of the pairs, and a training
step takes 0.7 of the time (docs/LOG.md).

h heads, P tokens of the prefix, b bodies of at most m tokens, d dimensions.
"""

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

NAME = "laud_packed"
# What a model may ask of attention that is not computed here; such a layer gets masked attention over the row.
_MORE = ("sliding_window", "softcap", "s_aux")


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    bodies: torch.Tensor | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """Return the (1, L, h, d) output of attention for a packed row; transformers calls it in every layer.

    Args:
        module: the layer.
        query: (1, h, L, d).
        key: (1, g, L, d), where every one of the g heads serves h / g heads of the query.
        value: (1, g, L, d).
        attention_mask: the mask of the row, which is used only where this function leaves the layer to transformers.
        scaling: the factor of the products; None for 1 / sqrt(d).
        dropout: the share of weights to drop; it must be 0 here.
        bodies: (b, m) indices of the tokens of each body, as in `Pack`.
        more: further arguments of transformers.
    """
    if bodies is None or dropout or any(more.get(name) is not None for name in _MORE):
        given = {"scaling": scaling, "dropout": dropout, **more}
        output: tuple[torch.Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **given)
        return output
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    shared = query.shape[1] // key.shape[1]
    q, k, v = query[0], key[0].repeat_interleave(shared, 0), value[0].repeat_interleave(shared, 0)
    start = int(bodies[0, 0])
    ahead = scaled_dot_product_attention(q[:, :start], k[:, :start], v[:, :start], is_causal=True, scale=scale)
    behind = _bodies(q * scale, k, v, start, bodies)
    return torch.cat([ahead, behind], 1).transpose(0, 1)[None].contiguous(), None


def _bodies(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, start: int, bodies: torch.Tensor) -> torch.Tensor:
    """Return the (h, L - P, d) output for the bodies, from the scaled queries, the keys and the values of a row."""
    heads, size, d = len(q), bodies.numel(), q.shape[-1]
    real = bodies >= 0
    own = [one[:, bodies.clamp(min=0)] for one in (q, k, v)]  # (h, b, m, d)
    later = torch.ones(bodies.shape[1], bodies.shape[1], dtype=torch.bool).triu(1)
    within = (own[0] @ own[1].transpose(-1, -2)).masked_fill(later, float("-inf"))
    before = own[0].reshape(heads, size, d) @ k[:, :start].transpose(-1, -2)  # (h, b m, P)
    products = torch.cat([before.reshape(heads, *bodies.shape, start), within], -1)
    weights = products.softmax(-1, dtype=torch.float32).to(q.dtype)
    output = weights[..., start:] @ own[2]
    output = output + (weights[..., :start].reshape(heads, size, start) @ v[:, :start]).reshape(output.shape)
    return output[:, real]


AttentionInterface.register(NAME, attend)
