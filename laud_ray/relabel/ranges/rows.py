"""Turn input rows into output rows: clean the texts, look up known answers, score the others."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from laud_ray.compare.label_lists import lists_of
from laud_ray.data import text_hashes
from laud_ray.data.cleaning import clean
from laud_ray.data.formats.cells import as_texts
from laud_ray.passes.scoring import load_rules, load_scorer, load_taxonomy
from laud_ray.passes.summary import TOP
from laud_ray.relabel.inputs import carried
from laud_ray.relabel.inputs.catalog import Catalog, Range
from laud_ray.relabel.inputs.reading import ids_of
from laud_ray.relabel.ranges import repeats
from laud_ray.relabel.ranges.answers import coded, columns, set_columns
from laud_ray.relabel.ranges.audience import inside
from laud_ray.relabel.ranges.records import PREVIOUS
from laud_ray.relabel.ranges.scored import Answered, score_rows
from laud_ray.relabel.rule import COLUMN, Rule
from laud_ray.relabel.sets import Sets, size_of
from laud_ray.stats.hierarchy import LEAF, Depth
from laud_ray.stats.legibility import ENOUGH, LegibleScorer
from laud_ray.storage.folder import Folder
from laud_ray.taxonomy import Taxonomy
from laud_ray.types import Bools, Floats, Indices, Scorer


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker needs besides the name of a range.

    Attributes:
        catalog: the catalog.
        model: the model's folder.
        name: the model's name, written into every row.
        out: the folder of the output.
        max_chars: longer texts are truncated to this length.
        threshold: rows with a lower confidence are marked as abstained.
        partition: the column whose values name the output's folders; None for one file per range.
        repeats: folder of the repeated texts and their answers; None: each range scores all its texts itself.
        previous: folder of the earlier labels of each range's rows; None if there are none.
        load: opens the model, once per process.
        hashed: whether to write a hash of each text, because the ids alone do not identify it.
        depth: how deep a taxonomy's rows are answered.
        carried: folder of the scores that are carried over from an earlier output; None if there are none.
        rule: of an audience; None for none.
    """

    catalog: Catalog
    model: Folder
    name: str
    out: Folder
    max_chars: int
    threshold: float
    partition: str | None
    repeats: Folder | None
    previous: Folder | None
    load: Callable[[str], Scorer]
    hashed: bool = False
    depth: Depth = LEAF
    carried: Folder | None = None
    rule: Rule | None = None

    def range(self, name: str) -> Range:
        return self.catalog.ranges[int(name.removeprefix("part-"))]


@dataclass(frozen=True, slots=True)
class Labelled:
    """The output rows of n input rows.

    Attributes:
        table: the output rows.
        texts: (n,) normalised texts; null where there is none.
        answered: the scores.
        by_student: number of texts that the cascade's student answered.
        looked_up: number of rows whose answer was looked up.
        health: figures that the scorer measured of itself.
        carried: number of rows whose scores were carried over from an earlier output.
    """

    table: pa.Table
    texts: pa.Array
    answered: Answered
    by_student: int
    looked_up: int
    health: dict[str, float]
    carried: int = 0

    @property
    def probabilities(self) -> Floats:
        """(n, k) probabilities, if they were asked for; rows that were not scored hold arbitrary values."""
        assert self.answered.proba is not None, "only the sample of a cascade keeps them"
        return self.answered.proba[self.answered.inverse]


def label(
    table: pa.Table, part: Range, job: Job, *, only: Bools | None = None, with_probabilities: bool = False
) -> Labelled:
    """Return the output rows of a range.

    Args:
        table: the n input rows.
        part: the range.
        job: the settings.
        only: (n,) which rows to label; None labels all.
        with_probabilities: whether to keep the probabilities of all labels.
    """
    columns = job.catalog.columns
    rows = np.arange(table.num_rows) if only is None else np.flatnonzero(only)
    ids = ids_of(job.catalog, part, table)
    if only is not None:
        ids, table = ids.take(pa.array(rows)), table.take(pa.array(rows))
    cells = as_texts(part.path, columns.text, table[columns.text].combine_chunks())
    cleaned = clean(cells, job.max_chars)
    texts, errors = cleaned.texts, cleaned.errors
    scorer, tree = load_scorer(job.model, job.load), load_taxonomy(job.model)
    rules = load_rules(job.model, scorer)
    top, levels = min(TOP, len(scorer.labels)), 0 if tree is None else tree.levels
    size = 0 if rules is None else size_of(rules)
    kept = carried.take(None if with_probabilities else job.carried, part.name, rows, top, levels, size)
    wanted, known = np.ones(len(cells), np.bool_), np.zeros(len(cells), np.bool_)
    wanted[kept.rows] = False
    if job.repeats is not None:
        answers = repeats.open_answers(job.repeats / repeats.ANSWERS)
        file, row = answers.look_up(repeats.keys([cell or b"" for cell in cells.to_pylist()]))
        known = wanted & (row >= 0) & np.asarray(texts.is_valid())
    before = getattr(scorer, "answered", 0)
    answered = score_rows(scorer, texts, errors, wanted & ~known, tree, rules, with_probabilities=with_probabilities)
    by_student = getattr(scorer, "answered", 0) - before
    if known.any():
        path = None if tree is None else answers.take_confidences(file[known], row[known], levels)
        chosen = None if rules is None else answers.take_sets(file[known], row[known], size)
        _fill(answered, np.flatnonzero(known), *answers.take(file[known], row[known], top), path, chosen)
    _fill(answered, kept.rows, kept.top, kept.probability, kept.confidences, kept.sets)
    made = _table(ids, rows, answered, scorer.labels, job, part, tree)
    if job.rule is not None:
        made = made.append_column(COLUMN, pa.array(inside(job.rule, answered, scorer.labels, tree)))
    if job.hashed:
        made = made.append_column(text_hashes.COLUMN, text_hashes.text_hashes(texts))
    copied = part.path != job.catalog.inputs[part.input].path
    for name in dict.fromkeys(columns.keep):
        values = table[name].combine_chunks()
        values = _as_text(values) if copied else values
        made = made.append_column(name, values.cast(job.catalog.kept[name]) if name in job.catalog.kept else values)
    if job.previous is not None:
        old = job.previous.read_table(f"{part.name}.parquet")["label"].cast(pa.string()).combine_chunks()
        old = old.take(pa.array(rows)).dictionary_encode()
        made = made.append_column(*(("previous_label", old) if rules is None else (PREVIOUS, lists_of(old))))
    health = {key: float(value) for key, value in dict(getattr(scorer, "health", {})).items()}
    if isinstance(scorer, LegibleScorer):
        health |= asdict(scorer.legibility(texts.drop_null()[:ENOUGH].to_pylist()))
    return Labelled(made, texts, answered, by_student, int(known.sum()), health, len(kept.rows))


def _fill(
    answered: Answered,
    rows: Indices,
    top: repeats.Places,
    probability: Floats,
    path: Floats | None,
    sets: Sets | None,
) -> None:
    """Enter the scores of m rows that were scored elsewhere.

    Args:
        answered: the scores of all rows, which are changed.
        rows: (m,) which rows.
        top: (m, t) their likeliest labels, as indices.
        probability: (m, t) the probabilities of these labels.
        path: (m, D) of a taxonomy, the probabilities on the path of the likeliest leaf; not read for other tasks.
        sets: of a multilabel task, the sets of labels; not read for other tasks.
    """
    answered.top[rows], answered.probability[rows] = top, probability
    if answered.sets is not None and sets is not None:
        answered.sets.put(rows, sets)
    if answered.confidences is not None:
        answered.confidences[rows] = path
    answered.usable[rows] = True


def _as_text(values: pa.Array) -> pa.Array:
    """Convert a column of the copy of a CSV or JSONL file, which is bytes, to strings."""
    return pa.array(
        [None if value is None else value.decode(errors="replace") for value in values.to_pylist()], pa.string()
    )


def _table(
    ids: pa.Array,
    rows: Indices,
    answered: Answered,
    labels: tuple[str, ...],
    job: Job,
    part: Range,
    taxonomy: Taxonomy | None,
) -> pa.Table:
    n, top = answered.top.shape
    usable = answered.usable
    first = answered.probability[:, 0]
    second = answered.probability[:, 1] if top > 1 else np.zeros(n, np.float32)
    offsets = pa.array(np.concatenate([[0], np.cumsum(usable * top)]).astype(np.int32))
    listed = coded(answered.top[usable].ravel().astype(np.int64), labels.__getitem__)
    given = {
        "label": coded(np.where(usable, answered.top[:, 0], -1).astype(np.int64), labels.__getitem__),
        "confidence": pa.array(first, pa.float32(), mask=~usable),
    }
    margin, confidences = pa.array(first - second, pa.float32(), mask=~usable), answered.confidences
    if taxonomy is not None and confidences is not None:
        given = columns(taxonomy, answered.top[:, 0].astype(np.int64), confidences, usable, job.depth)
    if answered.sets is not None:
        given = set_columns(answered.sets, usable, labels)
    sure = np.nan_to_num(given["confidence"].to_numpy(zero_copy_only=False), nan=-1) >= np.float32(job.threshold)

    def one(value: str) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([value]))

    return pa.table(
        {
            "id": ids,
            **given,
            "margin": given.get("margin", margin),
            "top_labels": pa.ListArray.from_arrays(offsets, listed),
            "top_probabilities": pa.ListArray.from_arrays(offsets, pa.array(answered.probability[usable].ravel())),
            "abstained": pa.array(~sure & usable),
            "model": one(job.name),
            "source": one(job.catalog.names[part.input]),
            "source_row": pa.array(part.first + rows),
            "error": answered.errors,
        }
    )
