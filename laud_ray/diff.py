"""What a relabel changed: two labelled outputs compared by id. Memory is bounded, the rest is on the disk.

A document is compared where both outputs have its id once, with a label.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace

import duckdb
import pyarrow as pa

from laud_ray.changes import ClassChange, Confidence, Diff, Example, Flow, Side, Turned
from laud_ray.errors import CorpusError, LaudError
from laud_ray.outputs import SCHEMA, Codes, Counts, Output, open_output, require_two

MEMORY = "2GB"
THREADS = 8
FLOWS = 1000
_BINS = 1000  # of confidence: the median is exact to a thousandth, and the same each time

# One aggregation in place of a join: repeated ids cannot multiply, and numbers are states that spill.
_DOCUMENTS = """
CREATE TABLE documents AS
SELECT id, count(old_label) > 1 OR count(new_label) > 1 AS repeated,
       max(old_label) AS old_label, max(new_label) AS new_label,
       max(old_confidence) AS old_confidence, max(new_confidence) AS new_confidence,
       max(old_abstained) AS old_abstained, max(new_abstained) AS new_abstained
FROM (SELECT id, label AS old_label, confidence AS old_confidence, abstained AS old_abstained,
             NULL::INTEGER AS new_label, NULL::FLOAT AS new_confidence, NULL::TINYINT AS new_abstained FROM old_rows
      UNION ALL
      SELECT id, NULL, NULL, NULL, label, confidence, abstained FROM new_rows)
GROUP BY id
"""
# A label of -1 is none; NULL is a document that is not in that output.
_VIEWS = """
CREATE VIEW paired AS
SELECT * FROM documents WHERE NOT repeated AND old_label IS NOT NULL AND new_label IS NOT NULL;
CREATE VIEW compared AS SELECT * FROM paired WHERE old_label >= 0 AND new_label >= 0;
CREATE VIEW changed AS SELECT * FROM compared WHERE old_label <> new_label;
"""
_PRESENCE = """
SELECT count(*) FILTER (NOT repeated AND old_label IS NOT NULL AND new_label IS NOT NULL),
       count(*) FILTER (NOT repeated AND new_label IS NULL),
       count(*) FILTER (NOT repeated AND old_label IS NULL),
       count(*) FILTER (repeated)
FROM documents
"""
_TURNED = """
SELECT count(*) FILTER (new_abstained > old_abstained), count(*) FILTER (new_abstained < old_abstained),
       count(*) FILTER (old_label >= 0 AND new_label < 0), count(*) FILTER (old_label < 0 AND new_label >= 0)
FROM paired
"""
_FLOWS = """
SELECT old.name, new.name, documents, round(old_confidence, 6), round(new_confidence, 6)
FROM (SELECT old_label, new_label, count(*) AS documents, avg(old_confidence) AS old_confidence,
             avg(new_confidence) AS new_confidence FROM changed GROUP BY ALL)
JOIN labels AS old ON old.code = old_label JOIN labels AS new ON new.code = new_label
ORDER BY documents DESC, old.name, new.name LIMIT ?
"""
_CLASSES = """
SELECT label, sum(old)::BIGINT, sum(new)::BIGINT, sum(gained)::BIGINT, sum(lost)::BIGINT
FROM (SELECT old_label AS label, 1 AS old, 0 AS new, 0 AS gained, (old_label <> new_label)::INTEGER AS lost
      FROM compared
      UNION ALL
      SELECT new_label, 0, 1, (old_label <> new_label)::INTEGER, 0 FROM compared)
GROUP BY label
"""
_CONFIDENCES = f"""
SELECT old_label <> new_label, least(floor({{0}}_confidence * {_BINS}), {_BINS - 1})::INTEGER, count(*),
       sum({{0}}_confidence::DOUBLE)
FROM compared WHERE old_confidence IS NOT NULL AND new_confidence IS NOT NULL GROUP BY ALL ORDER BY 2
"""
_EXAMPLES = """
SELECT id, old_label, new_label, round(old_confidence::DOUBLE, 6), round(new_confidence::DOUBLE, 6)
FROM changed ORDER BY new_confidence DESC NULLS LAST, old_confidence DESC NULLS LAST, id LIMIT ?
"""


def compare(old: str, new: str, *, examples: int = 10, text: str | None = None, memory: str = MEMORY) -> Diff:
    """Compare two labelled outputs.

    Args:
        old: what `laud relabel` wrote, or any Parquet file, folder, glob or URI with the columns id and label.
        new: the same.
        examples: how many changed documents to show, at least 0.
        text: the column that examples are shown with; by default `text` where an output has it.
        memory: what the comparison may use before it goes on on the disk, under TMPDIR.

    Raises:
        CorpusError: if an output is missing, unfinished, broken, or lacks a column.
        LaudError: if the memory or the disk is too small.
    """
    require_two(old, new)
    sides = open_output(old), open_output(new)
    column = _text_column(sides, text)
    with tempfile.TemporaryDirectory(prefix="laud-diff-") as place:
        connection = duckdb.connect(
            f"{place}/documents.duckdb",
            config={
                "memory_limit": memory,
                "temp_directory": f"{place}/spilled",
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
            },
        )
        try:
            connection.execute(f"SET threads = least({THREADS}, current_setting('threads'))")
            counts, names = _read(connection, sides)
            found = _compared(connection, sides, counts, names, examples)
        except (RuntimeError, duckdb.InterruptException) as error:
            if "interrupt" not in str(error).lower():
                raise
            raise KeyboardInterrupt from None  # Ctrl-C in the middle of a query
        except duckdb.Error as error:
            first = str(error).partition("\n")[0]
            raise LaudError(f"the comparison failed under {place} with {memory} of memory: {first}") from None
        finally:
            connection.close()
    return found if column is None else _with_texts(found, column[0], column[1])


def _text_column(sides: Sequence[Output], name: str | None) -> tuple[Output, str] | None:
    """Find the column that examples are shown with, first in the new output."""
    wanted = name or "text"
    holder = next((side for side in reversed(sides) if wanted in side.columns), None)
    if holder is not None:
        return holder, wanted
    if name is not None:
        raise CorpusError(f"{sides[1].uri}: no column {name!r}; expected one of {', '.join(sorted(sides[1].columns))}")
    return None


def _with_texts(found: Diff, holder: Output, column: str) -> Diff:
    if not found.examples:
        return found
    texts = holder.texts(column, [one.id for one in found.examples])
    return replace(found, examples=tuple(replace(one, text=texts.get(one.id)) for one in found.examples))


def _read(
    connection: duckdb.DuckDBPyConnection, sides: tuple[Output, Output]
) -> tuple[tuple[Counts, Counts], list[str]]:
    """Bring both outputs together by id; return what was counted on the way, and the names of the labels."""
    codes, counts, failures = Codes(), (Counts(), Counts()), list[BaseException]()

    def rows(side: Output, count: Counts) -> Iterator[pa.RecordBatch]:
        try:
            yield from side.batches(codes, count)
        except (CorpusError, KeyboardInterrupt) as error:  # DuckDB would make a text with a traceback of it
            failures.append(error)
            raise

    for name, side, count in zip(("old_rows", "new_rows"), sides, counts, strict=True):
        connection.register(name, pa.RecordBatchReader.from_batches(SCHEMA, rows(side, count)))
    try:
        connection.execute(_DOCUMENTS)
    except duckdb.Error:
        if failures:
            raise failures[0] from None
        raise
    connection.execute(_VIEWS)
    named = {"code": pa.array(range(len(codes.names)), pa.int32()), "name": pa.array(codes.names, pa.string())}
    connection.register("labels", pa.table(named))
    return counts, codes.names


def _compared(
    connection: duckdb.DuckDBPyConnection,
    sides: tuple[Output, Output],
    counts: tuple[Counts, Counts],
    names: list[str],
    examples: int,
) -> Diff:
    both, only_old, only_new, repeated = _row(connection, _PRESENCE)
    abstained, answered, failed, mended = _row(connection, _TURNED)
    flows = connection.execute(_FLOWS, [FLOWS]).fetchall()
    classes = [ClassChange(names[row[0]], *row[1:]) for row in connection.execute(_CLASSES).fetchall()]
    same, moved = _confidences(connection)
    shown = connection.execute(_EXAMPLES, [examples]).fetchall()
    old, new = (
        Side(
            side.uri,
            tuple(sorted(count.models)),
            count.rows,
            count.without_label,
            count.without_id,
            count.abstained,
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
    )


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None, query
    return tuple(int(value) for value in row)


def _confidences(connection: duckdb.DuckDBPyConnection) -> tuple[Confidence, Confidence]:
    """Return the confidences of the documents that kept their label, and of those that did not."""
    old, new = (connection.execute(_CONFIDENCES.format(name)).fetchall() for name in ("old", "new"))
    made = []
    for moved in (False, True):
        (n, old_mean, old_median), (_, new_mean, new_median) = (
            _middle([(bin, count, total) for is_moved, bin, count, total in rows if is_moved == moved])
            for rows in (old, new)
        )
        made.append(Confidence(n, old_mean, new_mean, old_median, new_median))
    return made[0], made[1]


def _middle(bins: Sequence[tuple[int, int, float]]) -> tuple[int, float | None, float | None]:
    """Return n, the mean and the median of (bin, count, sum of confidences), in the order of the bins."""
    n = sum(count for _, count, _ in bins)
    seen = 0
    for bin, count, _ in bins:
        seen += count
        if 2 * seen >= n:
            return n, round(sum(total for _, _, total in bins) / n, 6), (bin + 0.5) / _BINS
    return 0, None, None
