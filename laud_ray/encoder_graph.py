"""An encoder as one graph for ONNX Runtime: on a CPU twice as fast as PyTorch, with the same vectors (docs/LOG.md).

Texts stand one after the other in rows without padding between them; positions begin anew with each, and no token
sees one of another text. So small batches cost hardly more per text than large ones, and their order does not matter.
n texts, d embedding dimensions, R rows of T tokens.
"""

import io
import warnings
from collections.abc import Sequence

import numpy as np
import onnxruntime
import torch

from laud_ray.packing import into_packs
from laud_ray.types import Floats, Indices

# Attention over a row is then still cheap beside the rest.
ROW_TOKENS = 96
# Tokens of all rows of one run.
RUN_TOKENS = 512
INPUTS = ("ids", "positions", "owners")
NOBODY = -1
OPSET = 17


class EncoderGraph:
    """Vectors of texts from their token ids; many threads may ask at once."""

    def __init__(self, model: torch.nn.Module) -> None:
        """Take a model that accepts position_ids and a (R, 1, T, T) mask, as BERT does; its weights are copied."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        # Threads that wait by spinning take the cores from whoever tokenizes, reads or serves beside.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Shapes differ from run to run: plans for each of them would only pile up.
        options.enable_mem_pattern = False
        self._session = onnxruntime.InferenceSession(_export(model), options, providers=["CPUExecutionProvider"])

    def embed(self, ids: Sequence[Sequence[int]]) -> Floats:
        """Map the token ids of n texts to (n, d) unit vectors, float32."""
        lengths = np.asarray([len(row) for row in ids], np.int64)
        packs = into_packs(lengths, 0, ROW_TOKENS)
        found = [self._run(ids, lengths, rows) for rows in _runs(packs, lengths)]
        order = np.concatenate(packs)
        vectors = np.empty((len(ids), found[0].shape[1]), np.float32)
        vectors[order] = np.concatenate(found)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def _run(self, ids: Sequence[Sequence[int]], lengths: Indices, rows: Sequence[Indices]) -> Floats:
        """Return the mean token vectors of the texts of some rows, in their order."""
        width = max(int(lengths[row].sum()) for row in rows)
        order = np.concatenate(rows)
        sizes = lengths[order]
        starts = np.cumsum(sizes) - sizes
        within = np.arange(sizes.sum()) - np.repeat(starts, sizes)
        # Where each text begins in the grid, and so each token's place in it.
        begins = np.concatenate([r * width + np.cumsum(lengths[row]) - lengths[row] for r, row in enumerate(rows)])
        places = np.repeat(begins, sizes) + within
        grid = {name: np.zeros((len(rows), width), np.int64) for name in INPUTS}
        grid["owners"].fill(NOBODY)
        grid["ids"].ravel()[places] = np.concatenate([ids[i] for i in order])
        grid["positions"].ravel()[places] = within
        grid["owners"].ravel()[places] = np.repeat(np.arange(len(order)), sizes)
        (hidden,) = self._session.run(None, grid)
        tokens = hidden.reshape(-1, hidden.shape[-1])[places]
        means: Floats = np.add.reduceat(tokens, starts, axis=0) / sizes[:, None].astype(np.float32)
        return means


def _runs(packs: Sequence[Indices], lengths: Indices) -> list[list[Indices]]:
    """Put rows together; the longest come first, so those of a run are alike."""
    runs: list[list[Indices]] = []
    room = 0
    for pack in packs:
        if not runs or room == 0:
            runs.append([])
            room = max(1, RUN_TOKENS // max(int(lengths[pack].sum()), ROW_TOKENS))
        runs[-1].append(pack)
        room -= 1
    return runs


class _Packed(torch.nn.Module):
    """The model with the inputs of packed rows."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, positions: torch.Tensor, owners: torch.Tensor) -> torch.Tensor:
        sees = (owners[:, :, None] == owners[:, None, :])[:, None]
        hidden: torch.Tensor = self.model(input_ids=ids, position_ids=positions, attention_mask=sees).last_hidden_state
        return hidden


def _export(model: torch.nn.Module) -> bytes:
    buffer = io.BytesIO()
    some = torch.arange(8, dtype=torch.int64).reshape(2, 4)
    with warnings.catch_warnings():
        # The exporter that follows one run of the model is called old; it takes a second, the new one half a minute.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            # In training mode it would leave the model in it, dropping activations.
            _Packed(model).eval(),
            (some, some % 4, some // 6),
            buffer,  # type: ignore[arg-type]
            input_names=list(INPUTS),
            output_names=["hidden"],
            dynamic_axes={name: {0: "rows", 1: "tokens"} for name in (*INPUTS, "hidden")},
            opset_version=OPSET,
            dynamo=False,
        )
    return buffer.getvalue()
