"""The catalog to relabel: its files, their columns, and the ranges into which they are divided."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import takewhile

import pyarrow as pa

from laud_ray.relabel.inputs import kept
from laud_ray.storage.folder import Entry


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that are read.

    Attributes:
        text: the column to classify.
        id: the column of ids; None: an id consists of the file's name and the row number.
        keep: columns that are copied to the output.
    """

    text: str
    id: str | None
    keep: tuple[str, ...] = ()

    @property
    def all(self) -> list[str]:
        return list(dict.fromkeys([self.text, *([self.id] if self.id else []), *self.keep]))


@dataclass(frozen=True, slots=True)
class Range:
    """Some consecutive rows of a file that are labelled and committed together.

    Attributes:
        name: such as "part-00000".
        path: the Parquet file to read, which is the input or a part of its copy.
        offset: number of rows in that file before the range.
        rows: number of rows in the range.
        input: index of the input in the catalog.
        first: number of the first row in the input, from 1.
    """

    name: str
    path: str
    offset: int
    rows: int
    input: int
    first: int


@dataclass(frozen=True, slots=True)
class Catalog:
    """A catalog.

    Attributes:
        inputs: the files, in the order of their paths.
        columns: the columns that are read.
        ranges: the ranges of all inputs.
        kept: output types of kept columns whose type differs between files.
        notes: remarks for people on how the inputs were read.
    """

    inputs: tuple[Entry, ...]
    columns: Columns
    ranges: tuple[Range, ...]
    kept: Mapping[str, pa.DataType] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.ranges)

    @property
    def names(self) -> list[str]:
        """The inputs' paths relative to their common folder, which do not change if that folder is moved."""
        paths = [entry.path for entry in self.inputs]
        folders = [path.split("/")[:-1] for path in (min(paths), max(paths))]
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*folders, strict=False)))
        return ["/".join(path.split("/")[shared:]) for path in paths]

    @property
    def files(self) -> list[str]:
        """The Parquet files that hold the rows."""
        return list(dict.fromkeys(part.path for part in self.ranges))


def to_json(catalog: Catalog) -> dict[str, object]:
    return {
        "inputs": [asdict(entry) for entry in catalog.inputs],
        "columns": asdict(catalog.columns),
        "ranges": [asdict(part) for part in catalog.ranges],
        "kept": kept.to_json(catalog.kept),
        "notes": list(catalog.notes),
    }


def from_json(data: dict[str, object]) -> Catalog:
    inputs, columns, ranges = data["inputs"], data["columns"], data["ranges"]
    assert isinstance(inputs, list)
    assert isinstance(ranges, list)
    assert isinstance(columns, dict)
    notes = data.get("notes", [])
    assert isinstance(notes, list)
    return Catalog(
        tuple(Entry(**one) for one in inputs),
        Columns(columns["text"], columns["id"], tuple(columns["keep"])),
        tuple(Range(**one) for one in ranges),
        kept.from_json(data.get("kept")),
        tuple(notes),
    )
