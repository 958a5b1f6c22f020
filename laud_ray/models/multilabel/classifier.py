"""An encoder under a head of independent labels, while it trains. k labels, d dimensions, (B, T) tokens."""

import math
from collections.abc import Sequence

import torch
from torch.nn.functional import normalize

from laud_ray.models.encoder.encoding import Encoder, label_vectors
from laud_ray.models.multilabel.head import SetHead
from laud_ray.models.multilabel.linear import offset
from laud_ray.models.multilabel.targets import Mask
from laud_ray.stats.calibration import COSINE_SCALE
from laud_ray.stats.multilabel.calibration import Scaling
from laud_ray.types import Indices, Task

# A bias is this many times its parameter: it moves by whole units while the rows of the head move by hundredths.
_PACE = 10.0


class SetClassifier(torch.nn.Module):
    """An encoder with a row and a bias for each label: logits are scaled cosines plus biases.

    The rows start as the embeddings of the labels, and the biases where the classifier predicts as many labels as the
    examples have.
    """

    def __init__(self, encoder: Encoder, task: Task, template: str, ids: Sequence[list[int]], mask: Mask) -> None:
        """Initialise the head.

        Args:
            encoder: maps texts to vectors.
            task: whose k labels are learned.
            template: makes the text of a label from its name.
            ids: the token ids of the n examples.
            mask: (n, k) their answers.
        """
        super().__init__()
        vectors, _ = label_vectors(encoder, task.labels, template)
        self.encoder = encoder
        self.head = torch.nn.Parameter(torch.from_numpy(vectors))
        self.log_scale = torch.nn.Parameter(torch.tensor(math.log(COSINE_SCALE)))
        start = offset(encoder.embed_tokens(ids), mask, COSINE_SCALE * vectors)
        self.slow_bias = torch.nn.Parameter(torch.from_numpy(start / _PACE).float())
        self._ids = list(ids)

    @property
    def parts(self) -> tuple[list[torch.nn.Parameter], list[torch.nn.Parameter]]:
        """The parameters of the encoder, and those of the head."""
        return [p for p in self.encoder.parameters() if p.requires_grad], [self.head, self.log_scale, self.slow_bias]

    def refresh(self) -> None:
        """Do nothing: the rows are weights."""

    def inputs(self, examples: Indices) -> tuple[torch.Tensor, ...]:
        """Return what `forward` takes for a batch of examples."""
        return self.encoder.pad([self._ids[i] for i in examples])

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map (B, T) token ids and mask to (B, k) logits."""
        cosines: torch.Tensor = self.encoder(ids, mask) @ normalize(self.head, dim=-1).T
        return self.log_scale.exp() * cosines + _PACE * self.slow_bias

    def scaled(self, scaling: Scaling) -> SetHead:
        """Return the head with a scaling of its logits."""
        rows = normalize(self.head.detach(), dim=-1).cpu().numpy() * float(self.log_scale.detach().exp())
        return SetHead(rows, _PACE * self.slow_bias.detach().cpu().numpy()).scaled(scaling)
