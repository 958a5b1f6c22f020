"""Score documents in a worker: load the scorer once, score distinct texts, build the output rows.

n documents, u distinct texts, k classes.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from threading import Lock

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.models.faults import Scoring, engine_errors, sums_to_one
from laud_ray.passes.coded import coded
from laud_ray.passes.summary import TOP, Decided, Summary
from laud_ray.stats.multilabel.rules import Rules
from laud_ray.storage.checksums import parse_json
from laud_ray.storage.folder import Folder
from laud_ray.storage.model_folder import DESCRIPTION, STUDENT, describe, version_of
from laud_ray.taxonomy import Taxonomy
from laud_ray.taxonomy.task import FILE, load
from laud_ray.types import Bools, Floats, Indices, Scorer

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
# Of a taxonomy only: the probabilities of the likeliest leaf's ancestors from level 1 down, the leaf's own last.
CONFIDENCES = pa.field("confidences", pa.list_(pa.float32()))
# Of a multilabel task only: the labels that apply, likeliest first. There, `confidence` is the probability that all of
# them are right, and `margin` the smallest distance of a probability to its threshold.
LABELS = pa.field("labels", pa.list_(pa.dictionary(pa.int32(), pa.string())))

_loading = Lock()
# id(scorer) -> a text that it has scored. If the scorer fails later, scoring this text again shows which is at fault.
_scored: dict[int, str] = {}


def open_model(path: str) -> Scorer:
    """Open a model of any kind. Only the imports of that kind are done, since some take seconds in each process."""
    if describe(path)[1].get("kind") == STUDENT:
        from laud_ray.models.student.model import Student

        return Student.open(path)
    from laud_ray.models import kinds

    return kinds.load(path)


def load_scorer(model: Folder, load: Callable[[str], Scorer]) -> Scorer:
    """Load a model once per worker process, and keep the last two that were used.

    A model's version is part of the cache key, so a changed folder is loaded again.

    Raises:
        EngineError: if the model's engine does not start. The worker's process must then end.
    """
    with _loading:
        return _loaded(model, version_of(model), load)


@lru_cache(maxsize=2)
def _loaded(model: Folder, _version: str | None, load: Callable[[str], Scorer]) -> Scorer:
    _scored.clear()
    path = str(model.fetch("models"))
    with engine_errors():
        return load(path)


def load_taxonomy(model: Folder) -> Taxonomy | None:
    """Return the taxonomy whose leaves a model's labels are, once per process; None if it has none."""
    return _taxonomy(model, version_of(model))


@lru_cache(maxsize=2)
def _taxonomy(model: Folder, _version: str | None) -> Taxonomy | None:
    return load(model.read(FILE), f"{model.uri}/{FILE}") if model.exists(FILE) else None


def rules_of(model: Folder) -> Rules | None:
    """Return the rules by which a multilabel model decides; None for a model of another kind of task."""
    return _rules(model, version_of(model))


def load_rules(model: Folder, scorer: Scorer) -> Rules | None:
    """Return the same for a model that may lack a description, whose scorer has thresholds then."""
    rules = rules_of(model)
    if rules is not None or sums_to_one(scorer):
        return rules
    return Rules(np.asarray(scorer.thresholds, np.float64))  # type: ignore[attr-defined]


@lru_cache(maxsize=2)
def _rules(model: Folder, _version: str | None) -> Rules | None:
    if not model.exists(DESCRIPTION):
        return None
    return Rules.of(parse_json(model.read(DESCRIPTION), f"{model.uri}/{DESCRIPTION}", dict))


def score_texts(
    scorer: Scorer,
    texts: Sequence[str],
    keep: Callable[[int, Floats], None] | None = None,
    score: Callable[[Sequence[str]], Floats] | None = None,
) -> tuple[Floats, dict[int, str]]:
    """Score texts in chunks; skip texts that the scorer cannot score.

    Args:
        keep: takes the probabilities of each chunk and the place of its first text, such as `Summing.add`. They are
            then not returned, so that no (u, k) matrix is built.
        score: returns the same as `scorer.score`, by which the texts are scored if it is not given.

    Returns:
        (u, k) probabilities, and the reason for each text that cannot be scored, by its row. These rows are zero.
        laud_ray.models.faults decides whether the text or the engine is at fault.

    Raises:
        EngineError: if the engine is at fault. The worker's process must then end.
    """
    labels = scorer.labels
    before = _scored.get(id(scorer))
    known = labels[:3] if before is None else (before, before)
    probe = getattr(scorer, "probe", None)
    sums = sums_to_one(scorer)
    scoring = Scoring(score or scorer.score, texts, len(labels), known=known, probe=probe, keep=keep, sums=sums)
    scoring.run()
    if scoring.scored is not None:
        _scored[id(scorer)] = scoring.scored
    return scoring.proba, scoring.failures


def distinct(texts: pa.Array | pa.ChunkedArray) -> tuple[list[str], Indices]:
    """Return the u distinct texts in order of first appearance, and for each of the n rows the index of its text.

    The index is -1 where the text is null.
    """
    encoded = _one_chunk(texts).dictionary_encode()
    inverse = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return encoded.dictionary.to_pylist(), inverse


def with_failures(
    errors: pa.Array | pa.ChunkedArray, failures: Mapping[int, str], inverse: Indices
) -> tuple[pa.Array, Bools]:
    """Merge the scorer's failures into the rows' errors.

    Args:
        errors: (n,) errors from reading; null where there is none. They take precedence.
        failures: reasons by index of the distinct text.
        inverse: (n,) index of each row's distinct text.

    Returns:
        (n,) errors, and (n,) whether a row is usable, which means that it has no error.
    """
    errors = _one_chunk(errors)
    if failures:
        places = np.fromiter(failures, np.int64, len(failures))
        at = pc.index_in(pa.array(inverse), value_set=pa.array(places))
        errors = pc.coalesce(errors, pa.array(list(failures.values()), pa.string()).take(at))
    return errors, ~np.asarray(errors.is_valid())


def score_table(
    ids: pa.Array | pa.ChunkedArray | Sequence[str],
    found: Summary,
    inverse: Indices,
    usable: Bools,
    errors: pa.Array | pa.ChunkedArray | Sequence[str | None],
    labels: Sequence[str],
    model: str,
) -> pa.Table:
    """Build the n output rows from the summary of u texts; usable row i is that of text inverse[i], others are null."""
    decided = found.decided
    listed_labels = TOP if decided is None else found.order.shape[1]
    order, best = found.order[:, :listed_labels], found.best[:, :listed_labels]
    top = order.shape[1]
    rows, null = np.where(usable, inverse, 0), ~usable
    listed = rows[usable]
    names = pa.array(labels, pa.string())

    def floats(values: Floats) -> pa.Array:
        return pa.array(values[rows], pa.float32(), mask=null)

    label = coded(order[rows, 0], names, null)
    offsets = pa.array(np.concatenate([[0], np.cumsum(usable * top)]).astype(np.int32))
    top_labels = coded(order[listed].ravel(), names)
    one_model = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(rows), np.int32)), pa.array([model]))
    table = pa.Table.from_arrays(
        [
            _one_chunk(ids),
            label,
            floats(best[:, 0] if decided is None else decided.whole),
            floats(best[:, 0] - best[:, 1] if decided is None else decided.margin),
            floats(found.entropy),
            pa.ListArray.from_arrays(offsets, top_labels),
            pa.ListArray.from_arrays(offsets, pa.array(best[listed].ravel(), pa.float32())),
            one_model,
            _one_chunk(errors),
        ],
        schema=SCORES_SCHEMA,
    )
    if decided is not None:
        table = table.append_column(LABELS, _sets(decided, names, pa.array(rows, mask=null)))
    if found.confidences is None:
        return table
    return table.append_column(CONFIDENCES, _lists(found.confidences[rows], null))


def _sets(decided: Decided, names: pa.Array, rows: pa.Array) -> pa.Array:
    """Return the sets of labels of rows, of the texts with these places; null where the place is."""
    offsets = pa.array(np.concatenate([[0], np.cumsum(decided.counts)]).astype(np.int32))
    labels = pa.DictionaryArray.from_arrays(pa.array(decided.columns), names)
    return pa.ListArray.from_arrays(offsets, labels).take(rows)


def _lists(values: Floats, null: Bools) -> pa.Array:
    """Return the (n, D) values as lists without their NaNs; null where told."""
    there = ~np.isnan(values) & ~null[:, None]
    return pa.ListArray.from_arrays(offsets_of(there), pa.array(values[there], pa.float32()), mask=pa.array(null))


def offsets_of(listed: Bools) -> pa.Array:
    """Return the n + 1 offsets of lists, the i-th of which has the values that are marked in row i of (n, D)."""
    return pa.array(np.concatenate([[0], np.cumsum(listed.sum(axis=1))]).astype(np.int32))


def _one_chunk(column: pa.Array | pa.ChunkedArray | Sequence[str | None]) -> pa.Array:
    """Return a column of strings as one array."""
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks()
    return column if isinstance(column, pa.Array) else pa.array(column, pa.string())
