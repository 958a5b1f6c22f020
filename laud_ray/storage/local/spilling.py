"""A DuckDB database for one computation in bounded memory: what does not fit is spilled to disk."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from laud_ray.errors import LaudError
from laud_ray.printable import first_line


@contextmanager
def spilling(place: str, work: str, memory: str, threads: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty database, and close it at the end.

    Args:
        place: an empty folder, for the database and what it spills.
        work: what is done in it, for errors, such as "the comparison".
        memory: the memory limit, such as "2GB".
        threads: the most threads.

    Raises:
        LaudError: if memory or disk space is too small.
    """
    connection = duckdb.connect(
        f"{place}/rows.duckdb",
        config={
            "memory_limit": memory,
            "temp_directory": f"{place}/spilled",
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
        },
    )
    try:
        connection.execute(f"SET threads = least({threads}, current_setting('threads'))")
        yield connection
    except (RuntimeError, duckdb.InterruptException) as error:
        if "interrupt" not in str(error).lower():
            raise
        raise KeyboardInterrupt from None  # Ctrl-C in the middle of a query
    except duckdb.Error as error:
        raise LaudError(f"{work} failed under {place} with {memory} of memory: {first_line(error)}") from None
    finally:
        connection.close()
