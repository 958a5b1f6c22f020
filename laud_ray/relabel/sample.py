"""Label a random sample of the catalog with the full model before anything else, for a canary or a cascade."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from laud_ray.compare.canary import LIKELIEST
from laud_ray.compare.label_lists import texts_of
from laud_ray.data.sampling import chosen
from laud_ray.errors import RunError
from laud_ray.models.student.threshold import Verification
from laud_ray.relabel.inputs.reading import read
from laud_ray.relabel.ranges.records import PREVIOUS
from laud_ray.relabel.ranges.rows import Job, label
from laud_ray.storage.folder import Folder
from laud_ray.storage.local import scratch
from laud_ray.types import Floats

SEED = 0
# The most probabilities in the sample of a cascade: 1 GB.
MOST_TAUGHT = 1 << 28
STUDENT = "student"
_KEPT = ("id", "label", "confidence", "previous_label")


@dataclass(frozen=True, slots=True)
class SampleJob:
    """What a worker needs to label the sampled rows of a range.

    Attributes:
        job: the settings of labelling.
        share: share of the rows in the sample, in [0, 1].
        to: folder of the labelled sample.
        with_probabilities: whether to write texts and probabilities, which a cascade's student is trained on.
    """

    job: Job
    share: float
    to: Folder
    with_probabilities: bool


def label_sample(name: str, sample: SampleJob) -> int:
    """Label the sampled rows of a range; return their number."""
    job = sample.job
    part = job.range(name)
    whole = read(job.catalog.columns, part)
    numbers = np.arange(part.first, part.first + part.rows)
    # Row numbers repeat in each input, so the seed differs by input to make the draws independent.
    drawn = chosen(numbers, sample.share, seed=SEED + part.input)
    rows = label(whole, part, job, only=drawn, with_probabilities=sample.with_probabilities)
    columns = {key: rows.table[key] for key in _KEPT if key in rows.table.column_names}
    if rows.answered.sets is not None:
        sets = {"label": "labels", "previous_label": PREVIOUS}
        columns |= {key: texts_of(rows.table[one]) for key, one in sets.items() if one in rows.table.column_names}
        columns[LIKELIEST] = pa.array([one[0] if one else None for one in rows.table["top_labels"].to_pylist()])
    if sample.with_probabilities:
        probabilities = pa.array(list(rows.probabilities), pa.list_(pa.float32()))
        columns |= {"text": rows.texts, "probabilities": probabilities}
    sample.to.write_table(f"{name}.parquet", pa.table(columns))
    return int(rows.table.num_rows)


def read_sample(to: Folder) -> pa.Table:
    """Return all sampled rows; dictionary columns become strings."""
    parts = [to.read_table(name) for name in sorted(to.names())]
    plain = [part.cast(pa.schema([_plain(field) for field in part.schema])) for part in parts]
    return pa.concat_tables(plain)


def _plain(field: pa.Field) -> pa.Field:
    return pa.field(field.name, pa.string()) if pa.types.is_dictionary(field.type) else field


def require_room(rows: int, labels: int) -> None:
    """Raise RunError if the probabilities of a cascade's sample are too many to hold in memory."""
    if rows * labels > MOST_TAUGHT:
        raise RunError(
            f"--cascade: a sample of {rows:,} rows with {labels:,} labels is too large for a student; expected at most "
            f"{MOST_TAUGHT // rows:,} labels, or no --cascade"
        )


def make_student(sample: pa.Table, labels: tuple[str, ...], agreement: float, to: Folder) -> Verification:
    """Distil a student from a sample, verify it, and store it in `to`, unless that is done already.

    Args:
        sample: rows with text, label and probabilities.
        labels: the model's k labels.
        agreement: the required agreement with the model, e.g. 0.99.
        to: folder of intermediate files.

    Raises:
        ModelError: if the sample is too small, or no threshold reaches the agreement.
    """
    from laud_ray.models.student import cascade  # with PyTorch, which takes seconds and is not needed without a student

    if not (to / STUDENT).exists("model.json"):
        sample = sample.filter(sample["label"].is_valid())
        listed = sample["probabilities"].combine_chunks()
        taught: Floats = listed.flatten().to_numpy(zero_copy_only=False).reshape(len(listed), len(labels))
        made = cascade.prepare(labels, sample["text"].to_pylist(), taught, agreement=agreement, seed=SEED)
        with scratch.temporary("student") as place:
            made.save(f"{place}/{STUDENT}")
            to.publish(place / STUDENT, STUDENT, "model.json")
    return cascade.Cascade.open(str((to / STUDENT).fetch("models"))).verification
