"""An encoder as one graph for ONNX Runtime: on a CPU twice as fast as PyTorch, with the same vectors (docs/LOG.md).

Texts stand one after the other in rows without padding between them; positions begin anew with each, and no token
sees one of another text. So small batches cost hardly more per text than large ones, and their order does not matter.
n texts, d embedding dimensions, R rows of T tokens.
"""

import io
import warnings
from collections.abc import Sequence
from functools import lru_cache
from threading import Lock

import numpy as np
import numpy.typing as npt
import onnx
import onnx.external_data_helper
import onnxruntime
import torch

from laud_ray.models.packing import into_packs
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
        self._weights = _weights(model)
        with _exporting:
            graph = _graph(type(model).__qualname__, model.config.to_json_string(), _Once(model))  # type: ignore[union-attr, operator]
        names = list(self._weights)
        # They are used where they lie, so they must live as long as the session.
        self._values = [onnxruntime.OrtValue.ortvalue_from_numpy(self._weights[name]) for name in names]
        options.add_external_initializers(names, self._values)
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

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


class _Once:
    """A model that is looked at when its graph is not known yet: any other of its kind and shape is equal to it."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Once)

    def __hash__(self) -> int:
        return 0


def _weights(model: torch.nn.Module) -> dict[str, npt.NDArray[np.float32]]:
    """The weights under the names that they have in the graph."""
    return {f"model.{name}": value.detach().numpy() for name, value in model.named_parameters() if _is_used(name)}


def _is_used(name: str) -> bool:
    return not name.startswith("pooler.")


_exporting = Lock()


@lru_cache(maxsize=4)
def _graph(kind: str, config: str, once: _Once) -> bytes:  # noqa: ARG001
    """Export a model's graph without its weights, once for all models of its kind and shape.

    It takes a second in which nothing else in this process can run: too long for a service that changes its model.
    """
    graph = onnx.load_from_string(_export(once.model))
    for tensor in graph.graph.initializer:
        if tensor.name.startswith("model."):
            onnx.external_data_helper.set_external_data(tensor, "weights")
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
    data: bytes = graph.SerializeToString()
    return data


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
            # Folded weights would not be found by their names; the session folds them itself.
            do_constant_folding=False,
            dynamo=False,
        )
    return buffer.getvalue()
