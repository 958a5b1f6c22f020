"""What happens to documents in a worker: load the scorer once, score texts, make rows. n documents, k classes."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.models.faults import Scoring, engine_errors
from laud_ray.storage.folder import Folder
from laud_ray.storage.model_folder import STUDENT, describe, version_of
from laud_ray.types import Bools, Floats, Indices, Scorer

TOP = 5
BLOCK = 65_536  # probabilities
LEAST = np.float32(1e-12)
SCORES_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("label", pa.dictionary(pa.int32(), pa.string())),
        ("confidence", pa.float32()),
        ("margin", pa.float32()),
        ("entropy", pa.float32()),
        ("top_labels", pa.list_(pa.dictionary(pa.int32(), pa.string()))),
        ("top_probabilities", pa.list_(pa.float32())),
        ("model", pa.dictionary(pa.int32(), pa.string())),
        ("error", pa.string()),
    ]
)

_loading = Lock()
# Of each scorer, by its identity, a text that it has scored: with it one sees whether it still can.
_scored: dict[int, str] = {}


def open_model(path: str) -> Scorer:
    """Open a model of any kind. Their imports take seconds in each process, so no other scorer pays for them."""
    if describe(path)[1].get("kind") == STUDENT:
        from laud_ray.models.student.model import Student

        return Student.open(path)
    from laud_ray.models import kinds

    return kinds.load(path)


def load_scorer(model: Folder, load: Callable[[str], Scorer]) -> Scorer:
    """Load a model once per worker process; what is in its folder identifies it, not where the folder is.

    The last two that were used stay.

    Raises:
        EngineError: if the model's engine does not start: the worker's process must end.
    """
    with _loading:
        return _loaded(model, version_of(model), load)


@lru_cache(maxsize=2)
def _loaded(model: Folder, _version: str | None, load: Callable[[str], Scorer]) -> Scorer:
    _scored.clear()
    path = str(model.fetch("models"))
    with engine_errors():
        return load(path)


def score_texts(scorer: Scorer, texts: Sequence[str]) -> tuple[Floats, dict[int, str]]:
    """Score texts in chunks; return (n, k) probabilities, and the reason for each text that cannot be scored.

    Whether a failure is a text's fault is judged in laud_ray.models.faults; the rows of such texts stay zero.

    Raises:
        EngineError: if the engine is at fault: the worker's process must end.
    """
    labels = scorer.labels
    before = _scored.get(id(scorer))
    known = labels[:3] if before is None else (before, before)
    scoring = Scoring(scorer.score, texts, len(labels), known=known, probe=getattr(scorer, "probe", None))
    scoring.run()
    if scoring.scored is not None:
        _scored[id(scorer)] = scoring.scored
    return scoring.proba, scoring.failures


def distinct(texts: pa.Array | pa.ChunkedArray) -> tuple[list[str], Indices]:
    """Return the distinct texts in the order of their first row, and each row's place among them.

    The place is -1 where there is no text.
    """
    encoded = _one_chunk(texts).dictionary_encode()
    places = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return encoded.dictionary.to_pylist(), places


def with_failures(
    errors: pa.Array | pa.ChunkedArray, failures: Mapping[int, str], inverse: Indices
) -> tuple[pa.Array, Bools]:
    """Add what the scorer could not score to the rows' errors; return them, and which rows are usable.

    Args:
        failures: reasons by the places of distinct texts; row i has that at inverse[i].
    """
    errors = _one_chunk(errors)
    if failures:
        places = np.fromiter(failures, np.int64, len(failures))
        at = pc.index_in(pa.array(inverse), value_set=pa.array(places))
        errors = pc.coalesce(errors, pa.array(list(failures.values()), pa.string()).take(at))
    return errors, ~np.asarray(errors.is_valid())


def score_table(
    ids: pa.Array | pa.ChunkedArray | Sequence[str],
    proba: Floats,
    inverse: Indices,
    usable: Bools,
    errors: pa.Array | pa.ChunkedArray | Sequence[str | None],
    labels: Sequence[str],
    model: str,
) -> pa.Table:
    """Make the output rows from (u, k) probabilities; row i has those at inverse[i] where it is usable."""
    if not len(proba):
        proba = np.zeros((1, len(labels)), np.float32)
    top = min(TOP, len(labels))
    order, best, entropy = likeliest(proba, top)
    rows, null = np.where(usable, inverse, 0), ~usable
    listed = rows[usable]
    names = pa.array(labels, pa.string())

    def floats(values: Floats) -> pa.Array:
        return pa.array(values[rows], pa.float32(), mask=null)

    label = pa.DictionaryArray.from_arrays(pa.array(order[rows, 0], mask=null), names)
    offsets = pa.array(np.concatenate([[0], np.cumsum(usable * top)]).astype(np.int32))
    top_labels = pa.DictionaryArray.from_arrays(pa.array(order[listed].ravel()), names)
    one_model = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(rows), np.int32)), pa.array([model]))
    return pa.Table.from_arrays(
        [
            _one_chunk(ids),
            label,
            floats(best[:, 0]),
            floats(best[:, 0] - best[:, 1]),
            floats(entropy),
            pa.ListArray.from_arrays(offsets, top_labels),
            pa.ListArray.from_arrays(offsets, pa.array(best[listed].ravel(), pa.float32())),
            one_model,
            _one_chunk(errors),
        ],
        schema=SCORES_SCHEMA,
    )


def likeliest(proba: Floats, top: int) -> tuple[npt.NDArray[np.int32], Floats, Floats]:
    """Return the places and values of each row's largest probabilities, (u, top), largest first, and the entropies.

    Equal ones stand in the order of their places. One argmax after the other over blocks that fit a processor's
    cache takes half the time of sorting 100 classes, and a tenth with 1,000.
    """
    n, k = proba.shape
    order, best = np.empty((n, top), np.int32), np.empty((n, top), np.float32)
    entropy = np.empty(n, np.float32)
    step = max(1, BLOCK // k)
    for start in range(0, n, step):
        part = np.array(proba[start : start + step], np.float32)
        rows = np.arange(len(part))
        entropy[start : start + step] = -np.einsum("ij,ij->i", part, np.log(np.maximum(part, LEAST)))
        for place in range(top):
            at = part.argmax(1)
            order[start : start + step, place], best[start : start + step, place] = at, part[rows, at]
            part[rows, at] = -np.inf
    return order, best, entropy


def _one_chunk(column: pa.Array | pa.ChunkedArray | Sequence[str | None]) -> pa.Array:
    """Return a column of strings as one array."""
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks()
    return column if isinstance(column, pa.Array) else pa.array(column, pa.string())
