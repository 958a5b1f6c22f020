"""The record of a range, which lists its files and counts, and whose existence commits the range."""

import hashlib
from dataclasses import asdict, dataclass, field

import pyarrow as pa

from laud_ray.storage.checksums import dump_json, parse_json
from laud_ray.storage.folder import Folder

RANGES = "_laud/ranges"
# Columns that relabel itself writes; a kept column must not have one of these names.
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
# Further ones, of a taxonomy, and of a multilabel task, in which `label` is kept free so that readers cannot take the
# likeliest label for the answer.
TAXONOMY_COLUMNS = ("code", "path", "confidences", "depth", "backed_off")
PREVIOUS = "previous_labels"
MULTILABEL_COLUMNS = ("labels", "confidences", PREVIOUS)
# What a record calls the rows whose answer is a leaf, and those without an answer; else it is the level.
AT_LEAF, UNANSWERED = "leaf", "none"


@dataclass(frozen=True, slots=True)
class Written:
    """A file of the output."""

    name: str
    bytes: int
    rows: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Record:
    """The result of a range.

    Attributes:
        name: the range.
        rows: all rows.
        errors: rows without a label.
        abstained: rows whose confidence is below the threshold.
        scored: texts that this range's worker scored itself.
        by_student: texts of `scored` that the cascade's student answered.
        looked_up: rows whose scores come from the repeated texts.
        compared: rows with a previous label.
        changed: rows of `compared` whose label differs from the previous one.
        labels: label -> rows. A row counts for each of its labels.
        files: the files that were written.
        health: figures that the scorer measured of itself; empty if it measures none.
        answered: of a taxonomy, the rows by the place of their answer: "leaf", a level such as "2" that answers back
            off to, and "none". Empty for other tasks.
        carried: rows whose scores were carried over from an earlier output.
        sizes: of a multilabel task, the rows by their number of labels, such as {"0": 12}. Empty for other tasks.
        in_audience: rows in the audience of a rule.
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
    answered: dict[str, int] = field(default_factory=dict)
    carried: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    in_audience: int = 0


def record_name(part: str) -> str:
    """Return the file name of a range's record, which marks the range as committed."""
    return f"{part}.json"


def read_record(out: Folder, name: str) -> Record:
    """Read the record of a range.

    Raises:
        FileNotFoundError: if the range is not committed.
        DamageError: if the record is damaged.
    """
    place = out / RANGES
    return parse_json(
        place.read(record_name(name)),
        f"{place.uri}/{record_name(name)}",
        lambda found: Record(**{**found, "files": tuple(Written(**one) for one in found["files"])}),
    )


def write_record(out: Folder, record: Record) -> None:
    """Write the record of a range, which commits it."""
    (out / RANGES).write(record_name(record.name), dump_json(asdict(record)))


def checksum(data: bytes | pa.Buffer) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
