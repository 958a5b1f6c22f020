"""An encoder as an ONNX Runtime graph: twice as fast as PyTorch on a CPU, with the same vectors (docs/LOG.md).

Several texts are packed into one row without padding between them. Positions restart with each text, and a mask keeps
a token from attending to another text. So the cost per text hardly depends on the size and the order of a batch.
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

# Tokens of a row. At this length, attention is still a small part of the cost.
ROW_TOKENS = 96
# Tokens of all rows in one run of the graph.
RUN_TOKENS = 512
INPUTS = ("ids", "positions", "owners")
NOBODY = -1
OPSET = 17


class EncoderGraph:
    """Maps token ids of texts to vectors. Several threads may use it at once."""

    def __init__(self, model: torch.nn.Module) -> None:
        """Convert a model that accepts position_ids and a (R, 1, T, T) mask, such as BERT; its weights are copied."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        # Threads that wait by spinning would take CPU time from tokenizing, reading or serving in the same process.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Shapes differ from run to run, so that memory plans for each shape would only accumulate.
        options.enable_mem_pattern = False
        self._weights = _weights(model)
        with _exporting:
            graph = _graph(type(model).__qualname__, model.config.to_json_string(), _OutsideCacheKey(model))  # type: ignore[union-attr, operator]
        names = list(self._weights)
        # The session uses the arrays without a copy, so they must live as long as it does.
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
        """Return the mean token vectors of the texts in some rows, in the order of the rows."""
        width = max(int(lengths[row].sum()) for row in rows)
        order = np.concatenate(rows)
        sizes = lengths[order]
        starts = np.cumsum(sizes) - sizes
        within = np.arange(sizes.sum()) - np.repeat(starts, sizes)
        # The index in the flattened (rows, width) grid at which each text begins, and from it that of each token.
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
    """Group rows into runs; rows come longest first, so those of a run have similar lengths."""
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
    """The model with packed rows as inputs."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, positions: torch.Tensor, owners: torch.Tensor) -> torch.Tensor:
        sees = (owners[:, :, None] == owners[:, None, :])[:, None]
        hidden: torch.Tensor = self.model(input_ids=ids, position_ids=positions, attention_mask=sees).last_hidden_state
        return hidden


class _OutsideCacheKey:
    """A model as an argument of the cached `_graph`: all are equal, so that only the other arguments form the key."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _OutsideCacheKey)

    def __hash__(self) -> int:
        return 0


def _weights(model: torch.nn.Module) -> dict[str, npt.NDArray[np.float32]]:
    """Return the weights by their names in the graph."""
    return {f"model.{name}": value.detach().numpy() for name, value in model.named_parameters() if _is_used(name)}


def _is_used(name: str) -> bool:
    return not name.startswith("pooler.")


_exporting = Lock()


@lru_cache(maxsize=4)
def _graph(kind: str, config: str, once: _OutsideCacheKey) -> bytes:  # noqa: ARG001
    """Export a model's graph without its weights; the result is cached for models of the same class and configuration.

    The export takes a second during which no other thread of the process runs: too long each time that a service
    switches to a new model.
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
        # The tracing exporter is deprecated, but takes a second; its replacement takes half a minute.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            # Of a module in training mode, the exporter would leave the model in training mode, with dropout.
            _Packed(model).eval(),
            (some, some % 4, some // 6),
            buffer,  # type: ignore[arg-type]
            input_names=list(INPUTS),
            output_names=["hidden"],
            dynamic_axes={name: {0: "rows", 1: "tokens"} for name in (*INPUTS, "hidden")},
            opset_version=OPSET,
            # Constant folding would rename weights, which are then replaced by name; the session folds them itself.
            do_constant_folding=False,
            dynamo=False,
        )
    return buffer.getvalue()
