"""The data that is relabelled: its files, their columns, and the ranges that they are cut into."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import takewhile

import pyarrow as pa

from laud_ray.relabel.inputs import kept
from laud_ray.storage.folder import Entry


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that are read. Without `id`, a document is named by its file and row."""

    text: str
    id: str | None
    keep: tuple[str, ...] = ()

    @property
    def all(self) -> list[str]:
        return list(dict.fromkeys([self.text, *([self.id] if self.id else []), *self.keep]))


@dataclass(frozen=True, slots=True)
class Range:
    """Some consecutive rows of a file, labelled and committed as one.

    Attributes:
        path: the Parquet file to read: the input, or a part of its copy.
        offset: rows of that file before these.
        input: the place of the input among the catalog's.
        first: the number of the first row in the input, from 1.
    """

    name: str
    path: str
    offset: int
    rows: int
    input: int
    first: int


@dataclass(frozen=True, slots=True)
class Catalog:
    """The inputs in the order of their paths, and their ranges.

    Attributes:
        kept: the types of those kept columns that have several.
        notes: what a person should know of how the inputs were read.
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
        """The inputs' paths below the folder that they share: they stay when the folder is moved."""
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
