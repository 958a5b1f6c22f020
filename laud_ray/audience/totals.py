"""Add exposures up by user and then by arm, in bounded memory: DuckDB spills to disk, and Python holds no user."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from laud_ray.audience.cells import MOST
from laud_ray.audience.columns import control_of
from laud_ray.audience.exposures import PRE_SCHEMA, SCHEMA, Exposures
from laud_ray.errors import CorpusError, LaudError
from laud_ray.printable import quoted
from laud_ray.stats.uplift import Moments
from laud_ray.stats.uplift.moments import NOBODY
from laud_ray.storage.local import scratch
from laud_ray.storage.local.spilling import spilling

T = TypeVar("T")

MEMORY, THREADS = "512MB", 4
# Users are added up in parts of about this many bytes of input, up to MOST_PARTS. Alone, DuckDB holds pages of ever
# more parts of its own, and fails with 100 million rows in half a gigabyte.
PART_BYTES, MOST_PARTS = 4_000_000, 64
_SPLIT = """
COPY (SELECT *, (hash(user) % {parts})::UTINYINT AS part FROM {rows})
TO '{place}' (FORMAT parquet, COMPRESSION snappy, PARTITION_BY (part))
"""
_CREATE = """
CREATE TABLE users (user BLOB, arm INTEGER, other INTEGER, segment INTEGER, other_segment INTEGER, n BIGINT, c BIGINT,
                    pre_n BIGINT, pre_c BIGINT, differ BOOLEAN)
"""
_USERS = """
INSERT INTO users
SELECT user, min(arm) AS arm, max(arm) AS other, min(segment) AS segment, max(segment) AS other_segment,
       least(coalesce(sum(n), 0), {most})::BIGINT AS n, least(coalesce(sum(c), 0), {most})::BIGINT AS c,
       least({pre}(pre_n), {most})::BIGINT AS pre_n, least({pre}(pre_c), {most})::BIGINT AS pre_c,
       {differ} AS differ
FROM read_parquet('{place}/part={part}/*.parquet') GROUP BY user
"""
_WITH_PRE = """(SELECT user, arm, segment, n, c, 0::BIGINT AS pre_n, 0::BIGINT AS pre_c FROM exposures
UNION ALL SELECT user, NULL, NULL, NULL, NULL, pre_n, pre_c FROM before_test)"""
_DIFFER = "min(pre_n) <> max(pre_n) OR min(pre_c) <> max(pre_c)"
_VALUES = ("c", "n", "pre_c", "pre_n")
_PRODUCTS = [(i, j) for i in range(4) for j in range(i, 4)]
_SUMS = f"""
SELECT arm, segment, count(*), {", ".join(f"sum({one})" for one in _VALUES)},
       {", ".join(f"sum({_VALUES[i]}::HUGEINT * {_VALUES[j]})" for i, j in _PRODUCTS)}
FROM users WHERE arm IS NOT NULL GROUP BY arm, segment ORDER BY arm, segment
"""


@dataclass(frozen=True, slots=True, eq=False)
class Totals:
    """Exposures, added up.

    Attributes:
        control, treatment: the names of the arms.
        arms: the sums of each arm, by its name.
        segments: the sums of each segment by arm; a segment's name is None where the column is empty. Without segments
            it is empty.
        before: whether there are counts from before the test.
        rows: rows of exposures.
        heaviest: for each arm, the share of its impressions that one user has.
        without_test: users of the period before the test who are not in it.
        notes: remarks on how the files were read.
    """

    control: str
    treatment: str
    arms: Mapping[str, Moments]
    segments: Mapping[str | None, Mapping[str, Moments]]
    before: bool
    rows: int
    heaviest: Mapping[str, float]
    without_test: int
    notes: tuple[str, ...]


def add_up(
    exposures: Exposures,
    before: Callable[[], Iterator[pa.RecordBatch]] | None,
    *,
    control: str | None,
    memory: str = MEMORY,
) -> Totals:
    """Add up exposures by user, check each user, and add up the users of each arm.

    Args:
        exposures: the rows of the test.
        before: yields rows with PRE_SCHEMA from before the test, which are added up by user; None for none.
        control: the control's name; see `control_of`.
        memory: of the database, beyond which it spills to disk under TMPDIR.

    Raises:
        CorpusError: if a cell is not valid, a user is in two arms or segments, has more clicks than impressions, or
            there are not two arms.
        LaudError: if memory or disk space is too small.
    """
    with scratch.temporary("audience") as place, spilling(str(place), "adding up", memory, THREADS) as connection:
        rows = _read(connection, exposures, before, f"{place}/parts")
        if not rows:
            raise CorpusError(f"{exposures.path}: has no rows; expected a row for each user of two arms")
        names = [str(name) for name in exposures.arms.names]
        control, treatment = control_of(exposures.path, names, control)
        _check_users(connection, exposures, names)
        return _totals(connection, exposures, (control, treatment), rows, before=before is not None)


def _read(
    connection: duckdb.DuckDBPyConnection,
    exposures: Exposures,
    before: Callable[[], Iterator[pa.RecordBatch]] | None,
    place: str,
) -> int:
    """Fill the table `users`; return the number of rows of the test."""
    failures, rows = list[BaseException](), 0

    def kept(batches: Iterator[pa.RecordBatch], *, counted: bool) -> Iterator[pa.RecordBatch]:
        nonlocal rows
        try:
            for batch in batches:
                rows += batch.num_rows if counted else 0
                yield batch
        except (LaudError, OSError, KeyboardInterrupt) as error:  # DuckDB would turn it into a text with a traceback
            failures.append(error)
            raise

    def stream(schema: pa.Schema, batches: Iterator[pa.RecordBatch], *, counted: bool) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(schema, kept(batches, counted=counted))

    connection.register("exposures", stream(SCHEMA, exposures.batches(), counted=True))
    if before is not None:
        connection.register("before_test", stream(PRE_SCHEMA, before(), counted=False))
    # Counts of the test's own rows are a property of the user, the same in each; those of another file are added up.
    pre, differ, given = ("sum", "false", _WITH_PRE) if before is not None else ("max", _DIFFER, "exposures")
    try:
        parts = min(1 + exposures.bytes // PART_BYTES, MOST_PARTS)
        connection.execute(_SPLIT.format(parts=parts, rows=given, place=place))
    except (duckdb.Error, RuntimeError):
        if failures:
            raise failures[0] from None
        raise
    connection.execute("BEGIN")
    connection.execute(_CREATE)
    for part in sorted(one.name.removeprefix("part=") for one in Path(place).glob("part=*")):
        connection.execute(_USERS.format(most=MOST + 1, pre=pre, differ=differ, place=place, part=part))
        shutil.rmtree(f"{place}/part={part}")
    connection.execute("COMMIT")
    return rows


def _check_users(connection: duckdb.DuckDBPyConnection, exposures: Exposures, arms: list[str]) -> None:
    """Raise CorpusError for the first user that is not valid, and say how many there are."""
    named, path = exposures.names, exposures.path
    segments = exposures.segments.names

    def refuse(where: str, say: Callable[[dict[str, Any]], str], expected: str) -> None:
        cursor = connection.execute(f"SELECT * FROM users WHERE {where} ORDER BY user LIMIT 1")
        found = cursor.fetchone()
        if found is None:
            return
        user = dict(zip([one[0] for one in cursor.description], found, strict=True))
        (count,) = connection.execute(f"SELECT count(*) FROM users WHERE {where}").fetchone() or (1,)
        more = f" (and {count - 1:,} more users like it)" if count > 1 else ""
        raise CorpusError(f"{path}: the user {quoted(bytes(user['user']))} {say(user)}{more}; expected {expected}")

    def pair(values: list[Any], one: int, other: int) -> str:
        return f"{quoted(values[one])} and {quoted(values[other])}"

    refuse(
        "arm <> other",
        lambda user: f"is in the arms {pair(arms, user['arm'], user['other'])}",
        "each user in one arm, to which all of the user's rows belong",
    )
    refuse(
        "segment <> other_segment",
        lambda user: f"is in the segments {pair(segments, user['segment'], user['other_segment'])}",
        "one segment for each user, a property from before the test",
    )
    refuse(
        f"n > {MOST} OR c > {MOST} OR pre_n > {MOST} OR pre_c > {MOST}",
        lambda _: "has sums that are too large",
        f"at most {MOST:,}",
    )
    refuse(
        "c > n",
        lambda user: f"has {user['c']:,} {named.clicks} and {user['n']:,} {named.impressions}",
        "at most one click for each impression",
    )
    refuse(
        "differ",
        lambda _: f"has several values of {named.pre_impressions} or {named.pre_clicks}",
        "the same in each of a user's rows, or --pre FILE, whose rows are added up",
    )
    refuse(
        "pre_c > pre_n AND arm IS NOT NULL",
        lambda user: f"has {user['pre_c']:,} clicks and {user['pre_n']:,} impressions before the test",
        "at most one click for each impression",
    )


def _totals(
    connection: duckdb.DuckDBPyConnection, exposures: Exposures, arms: tuple[str, str], rows: int, *, before: bool
) -> Totals:
    names, segments = exposures.arms.names, exposures.segments.names
    summed: dict[str | None, dict[str, Moments]] = {}
    for arm, segment, users, *sums in connection.execute(_SUMS).fetchall():
        part = summed.setdefault(segments[segment] if segments else None, {})
        part[str(names[arm])] = _moments(users, sums)
    whole = {arm: sum((part[arm] for part in summed.values() if arm in part), NOBODY) for arm in arms}
    most = connection.execute("SELECT arm, max(n) FROM users WHERE arm IS NOT NULL GROUP BY arm").fetchall()
    heaviest = {str(names[arm]): n / max(whole[str(names[arm])].sums[1], 1) for arm, n in most}
    (left,) = connection.execute("SELECT count(*) FROM users WHERE arm IS NULL").fetchone() or (0,)
    return Totals(
        *arms,
        whole,
        summed if exposures.names.segment is not None else {},
        before or exposures.before,
        rows,
        heaviest,
        int(left),
        tuple(exposures.seen.notes),
    )


def _moments(users: int, sums: list[int]) -> Moments:
    square = [[0] * 4 for _ in range(4)]
    for (i, j), value in zip(_PRODUCTS, sums[4:], strict=True):
        square[i][j] = square[j][i] = int(value)
    return Moments(int(users), tuple(map(int, sums[:4])), tuple(map(tuple, square)))
