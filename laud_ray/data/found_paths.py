"""The taxonomy of the paths in a column of a corpus."""

import tempfile
from collections import Counter

import pyarrow.compute as pc

from laud_ray.config import CorpusConfig
from laud_ray.data import sources
from laud_ray.data.sql import as_file
from laud_ray.errors import CorpusError
from laud_ray.printable import quoted
from laud_ray.storage.folder import Folder
from laud_ray.taxonomy import Taxonomy, read_found

# Different paths that are held at once. The largest public catalogs have some 30,000 nodes.
MOST_PATHS = 1_000_000


def read_paths(config: CorpusConfig, column: str, separator: str) -> Taxonomy:
    """Read a column of a corpus once, and return the taxonomy of its paths. Memory grows with the different paths.

    Raises:
        CorpusError: if the column cannot be read, or has more than MOST_PATHS different values.
        ConfigError: if a path is not valid, or there are no paths of several levels.
    """
    with (
        tempfile.TemporaryDirectory(prefix="laud-paths-") as scratch,
        as_file(config, [column], Folder(scratch)) as source,
    ):
        counts = _counted(source, column)
    return read_found(counts.items(), f"{config.path}: the column {quoted(column)}", separator=separator)


def _counted(config: CorpusConfig, column: str) -> Counter[str]:
    """Return the number of rows of each value."""
    counts: Counter[str] = Counter()
    for part in sources.parts(config.path, [column], config.reading):
        for one in pc.value_counts(part.batch.column(0)).to_pylist():
            cell = one["values"]
            try:
                text = (cell or b"").decode()
            except UnicodeDecodeError:
                raise CorpusError(
                    f"{part.file}: the label {quoted(cell)} is not valid; expected text in UTF-8"
                ) from None
            counts[text] += one["counts"]
        if len(counts) > MOST_PATHS:
            raise CorpusError(
                f"{config.path}: the column {quoted(column)} has more than {MOST_PATHS:,} different values; expected "
                "the paths of a taxonomy"
            )
    return counts
