"""Stream exposures, and counts from before the test, out of files in bounded memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.parquet as pq

from laud_ray.audience.cells import Codes, counts, names, optional_names
from laud_ray.audience.columns import Names
from laud_ray.data import sources
from laud_ray.data.formats import files
from laud_ray.data.formats.jsonl import require
from laud_ray.data.formats.text_files import is_empty
from laud_ray.data.seen import Seen
from laud_ray.errors import CorpusError
from laud_ray.printable import first_line, quoted
from laud_ray.storage.folder import filesystem
from laud_ray.storage.text_reading import AS_FOUND, Reading

BATCH_ROWS = 131_072
MOST_ARMS, MOST_SEGMENTS = 20, 10_000
_COUNTS = [("n", pa.int64()), ("c", pa.int64()), ("pre_n", pa.int64()), ("pre_c", pa.int64())]
SCHEMA = pa.schema([("user", pa.large_binary()), ("arm", pa.int32()), ("segment", pa.int32()), *_COUNTS])
PRE_SCHEMA = pa.schema([("user", pa.large_binary()), *_COUNTS[2:]])
_NOT_RANDOM = (
    "without the arm that each user was assigned to at random, this compares different people, and a difference is one "
    "of selection, not an effect; expected the column of the arms (--arm names it)"
)


@dataclass(frozen=True, slots=True, eq=False)
class Exposures:
    """Files of exposures whose columns exist.

    Attributes:
        path: as the user gave it.
        names: the columns. `segment` is None if there are none.
        before: whether each row has counts from before the test.
        arms, segments: numbers for the names of arms and segments; complete when all rows have been streamed.
        seen: remarks on the files.
        bytes: of all files.
    """

    path: str
    names: Names
    before: bool
    arms: Codes
    segments: Codes
    seen: Seen
    reading: Reading
    bytes: int

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows with SCHEMA.

        Raises:
            CorpusError: if a file cannot be read, or a cell is not valid.
        """
        named = self.names
        columns = [named.user, named.arm, named.impressions, named.clicks]
        columns += [named.segment] if named.segment is not None else []
        columns += [named.pre_impressions, named.pre_clicks] if self.before else []
        for file, first, cells in _rows(self.path, columns, self.reading, self.seen):
            arm = self.arms.of(file, named.arm, names(file, named.arm, cells[named.arm], first))
            nothing = pa.repeat(pa.scalar(0, pa.int64()), len(arm))
            segment = pa.repeat(pa.scalar(0, pa.int32()), len(arm))
            if named.segment is not None:
                texts = optional_names(file, named.segment, cells[named.segment], first)
                segment = self.segments.of(file, named.segment, texts)
            pre = [nothing, nothing]
            if self.before:
                both = (named.pre_impressions, named.pre_clicks)
                pre = [counts(file, one, cells[one], first, missing=True) for one in both]
            made = [counts(file, one, cells[one], first) for one in (named.impressions, named.clicks)]
            user = names(file, named.user, cells[named.user], first)
            yield pa.record_batch([user, arm, segment, *made, *pre], schema=SCHEMA)


def open_exposures(path: str, named: Names, reading: Reading = AS_FOUND) -> Exposures:
    """Look at the columns of exposures.

    Args:
        path: a file, folder, glob or URI of Parquet, CSV or JSON lines.
        named: the columns' names.
        reading: settings that the user stated for text files.

    Raises:
        CorpusError: if there are no files, or the first one lacks a column.
    """
    there = sources.column_names(path, reading)
    if not there:
        raise CorpusError(f"{path}: has no rows; expected a row for each user of two arms")
    if named.arm not in there:
        raise CorpusError(f"{path}: no column {quoted(named.arm)}; {_NOT_RANDOM}")
    require(path, [named.user, named.arm, named.impressions, named.clicks], there)
    if named.segment is not None:
        require(path, [named.segment], there)
    segment = named.segment or ("segment" if "segment" in there else None)
    before = {named.pre_impressions, named.pre_clicks} & set(there)
    if len(before) == 1:
        require(path, [named.pre_impressions, named.pre_clicks], there)
    found = replace(named, segment=segment)
    size = sum(entry.size or 0 for entry in sources.inputs(path, Seen()))
    return Exposures(path, found, bool(before), Codes(MOST_ARMS), Codes(MOST_SEGMENTS), Seen(), reading, size)


def before_batches(path: str, named: Names, reading: Reading, seen: Seen) -> Iterator[pa.RecordBatch]:
    """Yield the rows of counts from before the test with PRE_SCHEMA.

    The columns are those of exposures, impressions and clicks, or pre_impressions and pre_clicks.

    Raises:
        CorpusError: if a file cannot be read, lacks a column, or a cell is not valid.
    """
    there = sources.column_names(path, reading)
    both = (named.impressions, named.clicks)
    if not set(both) & set(there) and {named.pre_impressions, named.pre_clicks} <= set(there):
        both = (named.pre_impressions, named.pre_clicks)
    require(path, [named.user, *both], there)
    for file, first, cells in _rows(path, [named.user, *both], reading, seen):
        user = names(file, named.user, cells[named.user], first)
        yield pa.record_batch([user, *(counts(file, one, cells[one], first) for one in both)], schema=PRE_SCHEMA)


def _rows(
    path: str, columns: Sequence[str], reading: Reading, seen: Seen
) -> Iterator[tuple[str, int, dict[str, pa.Array]]]:
    """Yield the file, the number of the first row, and the columns of some rows."""
    wanted = list(dict.fromkeys(columns))
    for entry in sources.inputs(path, seen):
        if sources.format_of(entry.path) == "parquet" and not is_empty(entry.path):
            batches = _parquet(entry.path, wanted, seen)
        else:
            batches = files.batches(entry.path, wanted, reading, seen)
        first = 1
        for batch in batches:
            yield entry.path, first, {name: batch.column(name) for name in wanted}
            first += batch.num_rows
    seen.finish(path)


def _parquet(file: str, columns: Sequence[str], seen: Seen) -> Iterator[pa.RecordBatch]:
    """Yield columns with their own types, some of which may come from folder names such as arm=control/."""
    fs, inner = filesystem(file)
    named = files.partitions(file)
    try:
        with fs.open_input_file(inner) as opened:
            table = pq.ParquetFile(opened)
            own = [str(name) for name in table.schema_arrow.names]
            require(file, columns, [*own, *(name for name in named if name not in own)])
            held = [name for name in columns if name in own]
            if not table.metadata.num_rows:
                seen.empty.append(file)
            for batch in table.iter_batches(batch_size=BATCH_ROWS, columns=held, use_threads=False):
                yield pa.record_batch(
                    [
                        batch.column(name) if name in held else _constant(named[name], batch.num_rows)
                        for name in columns
                    ],
                    names=list(columns),
                )
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(f"{file}: cannot be read: {first_line(error)}") from None


def _constant(value: str | None, rows: int) -> pa.Array:
    return pa.nulls(rows, pa.string()) if value is None else pa.repeat(pa.scalar(value), rows)
