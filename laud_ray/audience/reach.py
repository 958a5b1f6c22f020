"""How many labelled names, and how many distinct users, an audience reaches at each threshold, in bounded memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.audience.cells import optional_names
from laud_ray.compare.outputs import Output, open_output
from laud_ray.errors import CorpusError
from laud_ray.printable import quoted
from laud_ray.storage.local import scratch
from laud_ray.storage.local.spilling import spilling
from laud_ray.taxonomy import Taxonomy
from laud_ray.types import Floats, Indices

MEMORY, THREADS, BATCH_ROWS = "512MB", 4, 65_536
# Audiences that are looked at: these shares of the names with the label.
STEPS = 20
_SCHEMA = pa.schema([("score", pa.float32()), ("user", pa.large_binary())])


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """How far an audience reaches at m thresholds.

    Attributes:
        rows: all names.
        labelled: names with the label.
        thresholds: (m,) float32, falling.
        names: (m,) how many names have the label with at least that confidence.
        users: (m,) how many distinct users have such a name; None without users.
        all_users: distinct users of all names; None without users.
        expected: (m,) the mean confidence of the names, which is the precision that the model expects.
        without_user: names with the label that have no user.
    """

    rows: int
    labelled: int
    thresholds: Floats
    names: Indices
    users: Indices | None
    all_users: int | None
    expected: Floats
    without_user: int


def measure_reach(labels: str, label: str, taxonomy: Taxonomy | None, user: str | None) -> Reach:
    """Count the names of a labelled output.

    Args:
        labels: an output of `laud relabel`.
        label: the label; in a taxonomy the path of any node.
        taxonomy: of the model.
        user: the column that says whose a name is.

    Raises:
        CorpusError: if a file cannot be read, or lacks the column.
        LaudError: if memory or disk space is too small.
    """
    output = open_output(labels)
    if user is not None and user not in output.columns:
        raise CorpusError(f"{labels}: no column {quoted(user)}; expected a column of users, which --keep keeps")
    counted = {"rows": 0}
    with scratch.temporary("audience") as place, spilling(str(place), "counting", MEMORY, THREADS) as connection:
        rows = _rows(output, labels, label, taxonomy, user, counted)
        connection.register("given", pa.RecordBatchReader.from_batches(_SCHEMA, rows))
        if user is None:
            connection.execute("CREATE TABLE names AS SELECT score FROM given WHERE score >= 0")
            return _counted(connection, counted["rows"], users=False)
        # A name without the label has the score -1: its user counts among all users.
        connection.execute("CREATE TABLE names AS SELECT score, user FROM given")
        connection.execute(
            "CREATE TABLE users AS SELECT max(score) AS score FROM names WHERE user IS NOT NULL GROUP BY user"
        )
        return _counted(connection, counted["rows"], users=True)


def _rows(
    output: Output, path: str, label: str, taxonomy: Taxonomy | None, user: str | None, counted: dict[str, int]
) -> Iterator[pa.RecordBatch]:
    """Yield the score of each name, -1 for one without the label, and its user."""
    sets = output.lists is not None
    columns = ["labels", "confidences"] if sets else ["label", "confidence"]
    columns = columns if taxonomy is None else ["top_labels", "confidences"]
    scanner = output.dataset.scanner(columns=[*columns, *([user] if user else [])], batch_size=BATCH_ROWS)
    belongs = pa.array([label] if taxonomy is None else _leaves(taxonomy, label), pa.string())
    depth = None if taxonomy is None else int(taxonomy.depths[_node(taxonomy, label)])
    for batch in scanner.to_batches():
        counted["rows"] += batch.num_rows
        given, confidence = batch.column(0), batch.column(1)
        if depth is not None:
            given, confidence = _at(given, 1), _at(confidence, depth)
        if sets:
            given, confidence = _in_sets(label, given, confidence)
        given = given.dictionary_decode() if pa.types.is_dictionary(given.type) else given
        inside = pc.is_in(given.cast(pa.string()), value_set=belongs)
        score = pc.fill_null(pc.if_else(inside, confidence.cast(pa.float32()), np.float32(-1)), np.float32(-1))
        if user is None:
            yield pa.record_batch([score, pa.nulls(batch.num_rows, pa.large_binary())], schema=_SCHEMA)
            continue
        yield pa.record_batch([score, optional_names(path, user, batch.column(2))], schema=_SCHEMA)


def _counted(connection: duckdb.DuckDBPyConnection, rows: int, *, users: bool) -> Reach:
    labelled = _row(connection, "SELECT count(*) FROM names WHERE score >= 0")[0]
    thresholds = _thresholds(connection)
    sums = ", ".join(f"count(*) FILTER (score >= {_sql(one)})" for one in thresholds)
    means = ", ".join(f"coalesce(avg(score::DOUBLE) FILTER (score >= {_sql(one)}), 0)" for one in thresholds)
    names = _row(connection, f"SELECT {sums} FROM names WHERE score >= 0")
    expected = _row(connection, f"SELECT {means} FROM names WHERE score >= 0")
    reached, everyone, nobody = None, None, 0
    if users:
        reached = np.array(_row(connection, f"SELECT {sums} FROM users"), np.int64)
        everyone = int(_row(connection, "SELECT count(*) FROM users")[0])
        nobody = int(_row(connection, "SELECT count(*) FROM names WHERE score >= 0 AND user IS NULL")[0])
    return Reach(
        rows,
        int(labelled),
        np.array(thresholds, np.float32),
        np.array(names, np.int64),
        reached,
        everyone,
        np.array(expected, np.float64),
        nobody,
    )


def _thresholds(connection: duckdb.DuckDBPyConnection) -> list[float]:
    """Return confidences at equal steps of the names with the label, falling, and at last 0: all of them.

    They are read off a histogram, so that memory does not grow with the names.
    """
    bins = connection.execute(
        "SELECT floor(score * 10000)::INTEGER AS bin, count(*) FROM names WHERE score >= 0 "
        "GROUP BY bin ORDER BY bin DESC"
    ).fetchall()
    whole, seen, found, step = sum(count for _, count in bins), 0, list[float](), 1
    for bin, count in bins:
        seen += count
        if seen * STEPS >= step * whole and seen < whole:
            found.append(float(np.float32(bin / 10000)))
            step = seen * STEPS // whole + 1
    return [*found, 0.0]


def _sql(threshold: float) -> str:
    """Write a threshold so that DuckDB compares in single precision, as a rule does."""
    return f"{float(np.float32(threshold))!r}::FLOAT"


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> Sequence[float]:
    row = connection.execute(query).fetchone()
    assert row is not None, query
    return tuple(row)


def _node(taxonomy: Taxonomy, label: str) -> int:
    node = taxonomy.find(label)
    assert node is not None, "required before"
    return node


def _leaves(taxonomy: Taxonomy, label: str) -> list[str]:
    node = _node(taxonomy, label)
    leaves = taxonomy.leaves[taxonomy.leaf_starts[node] : taxonomy.leaf_stops[node]]
    return [taxonomy.label(one) for one in leaves.tolist()]


def _in_sets(label: str, labels: pa.Array, confidences: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return (n,) the label where a list of labels has it, and its confidence; null elsewhere."""
    names = labels.flatten()
    names = names.dictionary_decode() if pa.types.is_dictionary(names.type) else names
    here = pc.equal(names, label)
    rows = np.asarray(pc.list_parent_indices(labels).filter(here))
    found, score = np.zeros(len(labels), np.bool_), np.zeros(len(labels), np.float32)
    found[rows], score[rows] = True, np.asarray(confidences.flatten().filter(here))
    return pa.array([label if one else None for one in found], pa.string()), pa.array(score, mask=~found)


def _at(lists: pa.Array, depth: int) -> pa.Array:
    """Return (n,) the value number `depth` of each list, from 1; null for a shorter one."""
    starts = lists.offsets.to_numpy()[:-1] + depth - 1
    short = np.asarray(pc.fill_null(pc.list_value_length(lists), 0)) < depth
    return lists.values.take(pa.array(starts, mask=short))
