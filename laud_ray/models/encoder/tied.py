"""A head for thousands of classes, most without annotations: its rows are embeddings, and move with the encoder.

n examples, k classes, r = k + m rows, d dimensions, (B, T) tokens.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch

from laud_ray.models.encoder.encoding import Encoder, label_vectors
from laud_ray.models.targets import Targets
from laud_ray.types import Indices, Task

# Where the learned factor from cosines to logits starts. A class adds up all its texts, so that it is lower than that
# of a head with one row for each class.
SCALE = 15.0
_TINY = 1e-30


class TiedClassifier(torch.nn.Module):
    """An encoder whose head has no weights: a row for the name of each class, then one for each annotated text.

    The logit of a class is the log-sum-exp of the cosines to its rows, times a learned scale: the kernel estimate of
    "Neighbourhood Components Analysis" (Goldberger et al. 2004), in which a name counts as one more example. An example
    is never compared with itself while it trains. A class without examples learns through the encoder, which is trained
    to bring texts near names; free rows, which `CosineClassifier` has, would leave its name behind.

    Rows are embedded at the start of each epoch, and have no gradient: the gradient of an epoch's texts is enough
    (docs/LOG.md). An example that is labelled with an inner node trains by the summed probability of the node's leaves,
    and has no row, because it belongs to none of them.
    """

    rows: torch.Tensor
    owners: torch.Tensor

    def __init__(self, encoder: Encoder, task: Task, template: str, ids: Sequence[list[int]], targets: Targets) -> None:
        """Embed the rows.

        Args:
            ids: the token ids of the n examples.
            targets: what they train towards.
        """
        super().__init__()
        self.encoder, self.classes = encoder, len(task.labels)
        self.log_scale = torch.nn.Parameter(torch.tensor(math.log(SCALE)))
        self._labels, self._template, self._ids = task.labels, template, list(ids)
        self._exact = np.flatnonzero(targets.exact)
        self._own = np.full(len(targets), -1, np.int64)
        self._own[self._exact] = self.classes + np.arange(len(self._exact))
        owners = np.concatenate([np.arange(self.classes), targets.starts[self._exact]])
        self.register_buffer("owners", torch.from_numpy(owners))
        self.register_buffer("rows", torch.empty(0))
        self.refresh()

    @property
    def parts(self) -> tuple[list[torch.nn.Parameter], list[torch.nn.Parameter]]:
        """The parameters of the encoder, and those of the head."""
        return [p for p in self.encoder.parameters() if p.requires_grad], [self.log_scale]

    def refresh(self) -> None:
        """Embed all rows with the encoder as it is."""
        training = self.training
        self.eval()
        names = label_vectors(self.encoder, self._labels, self._template)[0]
        texts = self.encoder.embed_tokens([self._ids[i] for i in self._exact])
        self.rows = torch.from_numpy(np.concatenate([names, texts])).to(self.log_scale.device)
        self.train(training)

    def inputs(self, examples: Indices) -> tuple[torch.Tensor, ...]:
        """Return what `forward` takes for a batch of examples."""
        ids, mask = self.encoder.pad([self._ids[i] for i in examples])
        return ids, mask, torch.from_numpy(self._own[examples]).to(ids.device)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        """Map B examples to (B, k) logits.

        Args:
            ids: (B, T) token ids.
            mask: (B, T) of real tokens.
            own: (B,) the example's own row, which does not count; -1 where there is none.
        """
        logits = self.log_scale.exp() * self.encoder(ids, mask) @ self.rows.T
        known = torch.nonzero(own >= 0)[:, 0]
        logits = logits.index_put((known, own[known]), torch.tensor(-torch.inf, device=logits.device))
        highest = logits.detach().amax(1, keepdim=True)
        powers = torch.exp(logits - highest)
        k = self.classes
        masses = powers[:, :k].index_add(1, self.owners[k:], powers[:, k:])
        return torch.log(masses.clamp_min(_TINY))
