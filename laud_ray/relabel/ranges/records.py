"""What is written down of a range and its files; to read it again needs no scorer."""

import hashlib
from dataclasses import asdict, dataclass, field

import pyarrow as pa

from laud_ray.storage.checksums import dump_json, parse_json
from laud_ray.storage.folder import Folder

RANGES = "_laud/ranges"
# What a table writes of its own; a kept column must not have one of these names.
COLUMNS = (
    "id",
    "label",
    "confidence",
    "margin",
    "top_labels",
    "top_probabilities",
    "abstained",
    "model",
    "source",
    "source_row",
    "error",
    "text_hash",
    "previous_label",
)


@dataclass(frozen=True, slots=True)
class Written:
    """A file of the output."""

    name: str
    bytes: int
    rows: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Record:
    """What came of a range; its file is the commit.

    Attributes:
        scored: texts that this range's worker scored itself.
        looked_up: rows whose answer came from the repeated texts.
        changed: rows with another label than the previous one, of `compared`.
        by_student: texts of `scored` that a cascade's student answered.
        health: what the scorer measured of itself, if it does.
    """

    name: str
    rows: int
    errors: int
    abstained: int
    scored: int
    by_student: int
    looked_up: int
    compared: int
    changed: int
    labels: dict[str, int]
    files: tuple[Written, ...]
    health: dict[str, float] = field(default_factory=dict)


def record_name(part: str) -> str:
    """The name of a range's record, which marks it as committed."""
    return f"{part}.json"


def read_record(out: Folder, name: str) -> Record:
    """Read what is written down of a range.

    Raises:
        FileNotFoundError: if nothing is.
        DamageError: if it is not what was written.
    """
    place = out / RANGES
    return parse_json(
        place.read(record_name(name)),
        f"{place.uri}/{record_name(name)}",
        lambda found: Record(**{**found, "files": tuple(Written(**one) for one in found["files"])}),
    )


def write_record(out: Folder, record: Record) -> None:
    """Write a range's record, and so commit it."""
    (out / RANGES).write(record_name(record.name), dump_json(asdict(record)))


def checksum(data: bytes | pa.Buffer) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
