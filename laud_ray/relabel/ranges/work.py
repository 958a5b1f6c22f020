"""The work of a worker on one range: label its rows, write them, commit."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.compare.label_lists import texts_of
from laud_ray.data.cleaning import clean
from laud_ray.passes.scoring import load_rules, load_scorer, load_taxonomy
from laud_ray.relabel.inputs.reading import read
from laud_ray.relabel.ranges import repeats
from laud_ray.relabel.ranges.answers import counts
from laud_ray.relabel.ranges.records import PREVIOUS, Record, write_record
from laud_ray.relabel.ranges.rows import Job, label
from laud_ray.relabel.ranges.scored import score_rows
from laud_ray.relabel.ranges.writing import write
from laud_ray.relabel.rule import COLUMN


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
        _count(rows.table),
        files,
        rows.health,
        counts(rows.table["depth"], rows.table["backed_off"]) if rows.answered.confidences is not None else {},
        rows.carried,
        _sizes(rows.table),
        int(pc.sum(rows.table[COLUMN]).as_py() or 0) if job.rule is not None else 0,
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
    tree, rules = load_taxonomy(job.model), load_rules(job.model, scorer)
    answered = score_rows(scorer, texts, errors, np.ones(len(texts), np.bool_), tree, rules)
    rows = np.flatnonzero(answered.usable)
    found = repeats.keys(cells.to_pylist())[rows]
    # The counts are written first, because the answers mark the file as done.
    repeats.write_count(job.repeats, name, answered.scored, getattr(scorer, "answered", 0) - before)
    confidences = None if answered.confidences is None else answered.confidences[rows]
    sets = None if answered.sets is None else answered.sets.take(rows)
    repeats.write_answers(answers, to, found, answered.top[rows], answered.probability[rows], confidences, sets)
    return len(texts)


def _compare(table: pa.Table) -> tuple[int, int]:
    """Return the number of rows with a previous label or set of labels, and of those that have another one now."""
    if PREVIOUS in table.column_names:
        old, new = (texts_of(table[name]).cast(pa.string()) for name in (PREVIOUS, "labels"))
    elif "previous_label" in table.column_names:
        old, new = (table[name].cast(pa.string()) for name in ("previous_label", "label"))
    else:
        return 0, 0
    had = pc.is_valid(old)
    same = pc.fill_null(pc.equal(old, new), False)
    return int(pc.sum(had).as_py()), int(pc.sum(pc.and_(had, pc.invert(same))).as_py())


def _count(table: pa.Table) -> dict[str, int]:
    labels = pc.list_flatten(table["labels"]) if _is_of_sets(table) else table["label"]
    counted = Counter[str]()
    for row in pc.value_counts(labels.cast(pa.string())).to_pylist():
        if row["values"] is not None:
            counted[row["values"]] += row["counts"]
    return dict(counted)


def _sizes(table: pa.Table) -> dict[str, int]:
    """Count the rows of a multilabel task by their number of labels."""
    if not _is_of_sets(table):
        return {}
    counted = Counter(pc.list_value_length(table["labels"].drop_null()).to_pylist())
    return {str(size): counted[size] for size in sorted(counted)}


def _is_of_sets(table: pa.Table) -> bool:
    """Whether rows have sets of labels; a column `labels` beside `label` is one that the user keeps."""
    return "label" not in table.column_names
