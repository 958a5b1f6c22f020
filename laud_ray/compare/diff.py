"""Compare two labelled outputs by id, in bounded memory: DuckDB spills to disk.

A document is compared if each output has its id exactly once, with a label.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace

import duckdb
import pyarrow as pa

from laud_ray.compare import queries
from laud_ray.compare.changes import ClassChange, Confidence, Diff, Example, Flow, Side, Texts, Turned
from laud_ray.compare.codes import Codes
from laud_ray.compare.outputs import SCHEMA, Counts, Output, open_output, require_alike, require_two
from laud_ray.data.text_hashes import COLUMN
from laud_ray.errors import CorpusError
from laud_ray.label_sets import LabelSet
from laud_ray.storage.local.spilling import spilling

MEMORY = "2GB"
THREADS = 8
FLOWS = 1000  # changes from label to label that a Diff holds at most


def compare(old: str, new: str, *, examples: int = 10, text: str | None = None, memory: str = MEMORY) -> Diff:
    """Compare two labelled outputs.

    Args:
        old: an output of `laud relabel`, or any Parquet file, folder, glob or URI with the columns id and label.
        new: the same.
        examples: how many changed documents to return, at least 0.
        text: the column of texts, for comparing them and for the examples; None is `text` if an output has it.
        memory: the memory limit, such as "2GB", beyond which the comparison spills to disk, under TMPDIR.

    Example:
        diff = compare("labels/2024-01", "labels/2024-02")
        share = diff.changed / diff.compared  # of the documents in both outputs

    Raises:
        CorpusError: if an output is missing, unfinished, broken, or lacks a column.
        LaudError: if memory or disk space is too small.
    """
    require_two(old, new)
    sides = open_output(old), open_output(new)
    require_alike(*sides)
    column = _text_column(sides, text)
    with (
        tempfile.TemporaryDirectory(prefix="laud-diff-") as place,
        spilling(place, "the comparison", memory, THREADS) as connection,
    ):
        by = _compared_by(sides, text or "text")
        counts, names = _read(connection, sides, by)
        found = _compared(connection, sides, counts, names, examples, texts=by is not None)
    return found if column is None else _with_texts(found, column[0], column[1])


def _text_column(sides: Sequence[Output], name: str | None) -> tuple[Output, str] | None:
    """Return the output and the column that give the texts of examples; prefer the new output. None if neither does.

    Raises:
        CorpusError: if the user named a column that neither output has.
    """
    wanted = name or "text"
    holder = next((side for side in reversed(sides) if wanted in side.columns), None)
    if holder is not None:
        return holder, wanted
    if name is not None:
        raise CorpusError(f"{sides[1].uri}: no column {name!r}; expected one of {', '.join(sorted(sides[1].columns))}")
    return None


def _compared_by(sides: Sequence[Output], text: str) -> str | None:
    """Return the column, of texts or of their hashes, that both outputs have; None if there is none."""
    if all(side.has_texts(text) for side in sides):
        return text
    return COLUMN if all(COLUMN in side.columns for side in sides) else None


def _with_texts(found: Diff, holder: Output, column: str) -> Diff:
    if not found.examples:
        return found
    texts = holder.texts(column, [one.id for one in found.examples])
    return replace(found, examples=tuple(replace(one, text=texts.get(one.id)) for one in found.examples))


def _read(
    connection: duckdb.DuckDBPyConnection, sides: tuple[Output, Output], text: str | None
) -> tuple[tuple[Counts, Counts], list[str]]:
    """Join both outputs by id in the table `documents`; return their counts, and the label names by code."""
    codes, counts, failures = Codes(), (Counts(), Counts()), list[BaseException]()

    def rows(side: Output, count: Counts) -> Iterator[pa.RecordBatch]:
        try:
            yield from side.batches(codes, count, text)
        except (CorpusError, KeyboardInterrupt) as error:  # DuckDB would turn it into a text with a traceback
            failures.append(error)
            raise

    for name, side, count in zip(("old_rows", "new_rows"), sides, counts, strict=True):
        connection.register(name, pa.RecordBatchReader.from_batches(SCHEMA, rows(side, count)))
    try:
        connection.execute(queries.DOCUMENTS)
    except duckdb.Error:
        if failures:
            raise failures[0] from None
        raise
    connection.execute(queries.VIEWS)
    named = {"code": pa.array(range(len(codes.names)), pa.int32()), "name": pa.array(codes.names, pa.string())}
    connection.register("labels", pa.table(named))
    if sides[0].lists is not None:
        connection.register("members", _members(codes.names))
    return counts, codes.names


def _members(sets: Sequence[str]) -> pa.Table:
    """Return the labels of each set: the code of a set, and a label."""
    pairs = [(code, name) for code, text in enumerate(sets) for name in LabelSet.parse(text).yes]
    codes = pa.array([code for code, _ in pairs], pa.int32())
    return pa.table({"code": codes, "label": pa.array([name for _, name in pairs], pa.string())})


def _compared(
    connection: duckdb.DuckDBPyConnection,
    sides: tuple[Output, Output],
    counts: tuple[Counts, Counts],
    names: list[str],
    examples: int,
    *,
    texts: bool,
) -> Diff:
    both, only_old, only_new, repeated = _row(connection, queries.PRESENCE)
    abstained, answered, failed, mended = _row(connection, queries.TURNED)
    flows = connection.execute(queries.FLOWS, [FLOWS]).fetchall()
    sets = sides[0].lists is not None
    counted = connection.execute(queries.SET_CLASSES if sets else queries.CLASSES).fetchall()
    classes = [ClassChange(label if sets else names[label], *row) for label, *row in counted]
    same, moved = _confidences(connection)
    shown = connection.execute(queries.EXAMPLES, [examples]).fetchall()
    old, new = (
        Side(
            side.uri,
            tuple(sorted(count.models)),
            count.rows,
            count.without_label,
            count.without_id,
            count.abstained,
            side.row_ids,
        )
        for side, count in zip(sides, counts, strict=True)
    )
    return Diff(
        old=old,
        new=new,
        both=both,
        only_old=only_old,
        only_new=only_new,
        repeated=repeated,
        compared=_row(connection, "SELECT count(*) FROM compared")[0],
        changed=_row(connection, "SELECT count(*) FROM changed")[0],
        flows=tuple(Flow(*row) for row in flows),
        flow_count=_row(connection, "SELECT count(*) FROM (SELECT DISTINCT old_label, new_label FROM changed)")[0],
        classes=tuple(sorted(classes, key=lambda one: (-one.gained - one.lost, one.label))),
        confidence_changed=moved,
        confidence_same=same,
        abstained=Turned(abstained, answered),
        without_label=Turned(failed, mended),
        examples=tuple(Example(key, None, names[a], names[b], *row) for key, a, b, *row in shown),
        texts=Texts(*_row(connection, queries.TEXTS)) if texts else None,
        sets=sets,
    )


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None, query
    return tuple(int(value) for value in row)


def _confidences(connection: duckdb.DuckDBPyConnection) -> tuple[Confidence, Confidence]:
    """Return the confidences of documents that kept their label, and of those whose label changed."""
    old, new = (connection.execute(queries.CONFIDENCES.format(name)).fetchall() for name in ("old", "new"))
    made = []
    for moved in (False, True):
        (n, old_mean, old_median), (_, new_mean, new_median) = (
            _middle([(bin, count, total) for is_moved, bin, count, total in rows if is_moved == moved])
            for rows in (old, new)
        )
        made.append(Confidence(n, old_mean, new_mean, old_median, new_median))
    return made[0], made[1]


def _middle(bins: Sequence[tuple[int, int, float]]) -> tuple[int, float | None, float | None]:
    """Return n, the mean and the median of a histogram: (bin, count, sum of confidences), in the order of bins."""
    n = sum(count for _, count, _ in bins)
    seen = 0
    for bin, count, _ in bins:
        seen += count
        if 2 * seen >= n:
            return n, round(sum(total for _, _, total in bins) / n, 6), (bin + 0.5) / queries.BINS
    return 0, None, None
