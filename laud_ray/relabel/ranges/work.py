"""The work of a worker on one range: label its rows, write them, commit."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.data.cleaning import clean
from laud_ray.passes.scoring import load_scorer, load_taxonomy
from laud_ray.relabel.inputs.reading import read
from laud_ray.relabel.ranges import repeats
from laud_ray.relabel.ranges.answers import counts
from laud_ray.relabel.ranges.records import Record, write_record
from laud_ray.relabel.ranges.rows import Job, label
from laud_ray.relabel.ranges.scored import score_rows
from laud_ray.relabel.ranges.writing import write


def label_range(name: str, job: Job) -> Record:
    """Label one range and commit it. Its files are written first, and its record last."""
    part = job.range(name)
    rows = label(read(job.catalog.columns, part), part, job)
    files = tuple(write(job, name, rows.table))
    record = Record(
        name,
        rows.table.num_rows,
        int(pc.sum(rows.table["error"].is_valid()).as_py()),
        int(pc.sum(rows.table["abstained"]).as_py() or 0),
        rows.answered.scored,
        rows.by_student,
        rows.looked_up,
        *_compare(rows.table),
        _count(rows.table["label"]),
        files,
        rows.health,
        counts(rows.table["depth"], rows.table["backed_off"]) if rows.answered.confidences is not None else {},
        rows.carried,
    )
    write_record(job.out, record)
    return record


def score_repeats(name: str, job: Job) -> int:
    """Score a file of repeated texts, and commit their answers; return the number of texts in it."""
    assert job.repeats is not None
    scorer = load_scorer(job.model, job.load)
    before = getattr(scorer, "answered", 0)
    answers, to = job.repeats / repeats.ANSWERS, repeats.answer_name(name)
    cells = job.repeats.read_table(name)["text"].combine_chunks().cast(pa.large_binary())
    cleaned = clean(cells, job.max_chars)
    texts, errors = cleaned.texts, cleaned.errors
    tree = load_taxonomy(job.model)
    answered = score_rows(scorer, texts, errors, np.ones(len(texts), np.bool_), tree)
    rows = np.flatnonzero(answered.usable)
    found = repeats.keys(cells.to_pylist())[rows]
    # The counts are written first, because the answers mark the file as done.
    repeats.write_count(job.repeats, name, answered.scored, getattr(scorer, "answered", 0) - before)
    confidences = None if answered.confidences is None else answered.confidences[rows]
    repeats.write_answers(answers, to, found, answered.top[rows], answered.probability[rows], confidences)
    return len(texts)


def _compare(table: pa.Table) -> tuple[int, int]:
    """Return the number of rows with a previous label, and of those whose label differs from it."""
    if "previous_label" not in table.column_names:
        return 0, 0
    old, new = table["previous_label"].cast(pa.string()), table["label"].cast(pa.string())
    had = pc.is_valid(old)
    same = pc.fill_null(pc.equal(old, new), False)
    return int(pc.sum(had).as_py()), int(pc.sum(pc.and_(had, pc.invert(same))).as_py())


def _count(labels: pa.ChunkedArray) -> dict[str, int]:
    counted = Counter[str]()
    for row in pc.value_counts(labels.cast(pa.string())).to_pylist():
        if row["values"] is not None:
            counted[row["values"]] += row["counts"]
    return dict(counted)
