"""Write a commented task.yaml for the user's data (`laud init`)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from laud_ray import config
from laud_ray.config import TaskTree
from laud_ray.data import sources
from laud_ray.data.formats.cells import SetColumn
from laud_ray.data.seen import Seen
from laud_ray.errors import ConfigError, CorpusError
from laud_ray.labels import remarks
from laud_ray.planning.filling import Findings, filled, inline
from laud_ray.planning.found_labels import FoundLabels
from laud_ray.planning.text_sample import TextSample
from laud_ray.printable import printable, quoted
from laud_ray.stats.legibility import of_bundled
from laud_ray.storage.text_reading import AS_FOUND, Reading
from laud_ray.taxonomy import Taxonomy
from laud_ray.texts import normalise_text
from laud_ray.types import Task

LIKELY = ("label", "labels", "category", "class", "target", "intent")
# Names of columns that are taken as labels if their values are paths of a taxonomy.
LIKELY_PATHS = (
    "taxonomy",
    "path",
    "category_path",
    "taxonomy_path",
    "breadcrumb",
    "breadcrumbs",
    "hierarchy",
    "product_type",
    "google_product_category",
)
# Names of columns that are taken as labels if they hold sets of them.
LIKELY_SETS = ("tags", "topics", "categories", "classes", "genres", "keywords")
# The most rows that are read if there is no column of labels.
LOOK_AT = 200_000
# The smallest evaluation sample, and as many texts to train on.
ENOUGH_TEXTS = 40
FILL_IN = (
    "fill in task.labels and oracle before you run this; no column of labels was found, which kind: replay needs "
    "(kind: llm needs a model and an endpoint)"
)


@dataclass(frozen=True, slots=True)
class Starter:
    """A generated task.yaml.

    Attributes:
        text: the YAML, which is a valid configuration.
        fill_in: a message on what the user must fill in, or None.
        task: the task in it.
        notes: notes on the data.
    """

    text: str
    fill_in: str | None
    task: Task
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Look:
    """Findings on the data.

    Attributes:
        rows: rows that were read.
        texts: rows with a text.
        distinct: different texts, counted up to ENOUGH_TEXTS.
        labels: the labels in the label column; None if there is no such column.
        sample: a sample of the texts.
    """

    rows: int
    texts: int
    distinct: int
    labels: FoundLabels | None
    sample: Sequence[str]


def starter(
    data: str,
    *,
    text: str,
    label: str | None = None,
    id: str | None = None,
    name: str | None = None,
    reading: Reading = AS_FOUND,
) -> Starter:
    """Write the YAML, with the labels in a column of the data if there is one, else with placeholders.

    Args:
        text: the column of texts.
        label: the column of labels. None: a column with a name such as label or category, if there is one; if its
            values cannot be labels, it is ignored with a note. Labels that are paths make the task a taxonomy, and
            lists or texts of several labels make it a multilabel one.
        id: the column of ids.
        name: the name of the task; by default derived from `data`.
        reading: the stated format of text files; what is not stated is detected and written into the YAML.

    Raises:
        CorpusError: if the data or a column is missing or empty, a column has two roles, or the values of the stated
            label column cannot be labels.
    """
    _require_roles(text=text, label=label, id=id)
    present = sources.column_names(data, reading, [text])
    column = label or _likely(one for one in present if one not in (text, id))
    look, seen, passed_over = _look_or_pass_over(data, text, column, id, reading, guessed=label is None)
    if not look.rows:
        raise CorpusError(f"{data}: holds no documents; expected at least one row")
    if not look.texts:
        raise CorpusError(f"{data}: the column {quoted(text)} is empty in all {look.rows:,} rows; expected texts")
    if look.distinct == 1 < look.rows:
        raise CorpusError(f"{data}: all {look.texts:,} texts in {quoted(text)} are the same; expected different ones")
    labels = look.labels
    tree, not_paths = (None, None) if labels is None else _paths(data, labels)
    if labels is not None and tree is None and (sets := labels.as_sets()) is not None:
        labels, not_paths = sets, None
    if labels is not None and (wrong := _wrong(labels, tree, guessed=label is None)) is not None:
        if label:
            raise CorpusError(f"{data}: {not_paths or wrong}")
        passed_over, labels, tree, not_paths = f"{not_paths or wrong}; the column is ignored", None, None, None
    if not_paths is not None:
        not_paths = f"{not_paths}; the labels are taken as labels of one level"
    column = None if labels is None else labels.column
    path = PurePosixPath(data)
    name = name or (path.parent.name if path.stem in ("train", "data") else path.stem.strip("*")) or "task"
    oddities = [] if labels is None else labels.notes() if tree is None else labels.path_notes(tree)
    notes = [*seen.notes, *filter(None, [passed_over, not_paths]), *oddities]
    if look.distinct < ENOUGH_TEXTS:
        notes.append(
            f"{data}: has {_texts(look.distinct)}; a run needs at least {ENOUGH_TEXTS}, since up to half of them are "
            "used for evaluation"
        )
    found = Findings(
        name,
        data,
        text,
        id,
        column,
        [] if labels is None or tree is not None else labels.classes(),
        tree,
        None if labels is None else labels.sets,
        None if labels is None else labels.between,
        look.rows,
        _reading(seen, reading),
        notes,
    )
    written = filled(found)
    parsed = config.parse(written, "task.yaml")
    task = (parsed if tree is None else parsed.with_tree(TaskTree.of(tree, column))).task.to_task()
    notes += [*remarks(task), *filter(None, [of_bundled(look.sample).remark("the bundled encoder")])]
    return Starter(written, None if column else FILL_IN, task, tuple(map(printable, notes)))


def _likely(columns: Iterable[str]) -> str | None:
    """Return the column that probably has the labels: one with the name of labels, or else of paths, or of sets."""
    present = list(columns)
    for names in (LIKELY, LIKELY_PATHS, LIKELY_SETS):
        found = next((one for one in present if one.lower() in names), None)
        if found is not None:
            return found
    return None


def _paths(data: str, labels: FoundLabels) -> tuple[Taxonomy | None, str | None]:
    """Return the taxonomy if the labels look like paths, or why they form none; both are None for other labels."""
    separator = labels.separator()
    if separator is None:
        return None, None
    try:
        return labels.taxonomy(data, separator), None
    except ConfigError as error:
        return None, f"the column {quoted(labels.column)} looks like paths of a taxonomy, but {error}"


def _wrong(labels: FoundLabels, tree: Taxonomy | None, *, guessed: bool) -> str | None:
    """Return why a column cannot have the labels; a guessed one with the name of paths or sets needs these."""
    fault, name = labels.fault(paths=tree is not None), labels.column.lower()
    if fault is None and guessed and tree is None and labels.sets is None:
        if name in LIKELY_PATHS:
            return f"the column {quoted(labels.column)} holds no paths of a taxonomy"
        if name in LIKELY_SETS:
            return f"the column {quoted(labels.column)} holds no sets of labels"
    return fault


def _require_roles(*, text: str, label: str | None, id: str | None) -> None:
    """Refuse a column that has two roles."""
    roles: dict[str, str] = {}
    for role, column in (("text", text), ("id", id), ("label", label)):
        if column is not None and column in roles:
            raise CorpusError(
                f"--{role}: {column!r} is also the column of --{roles[column]}; expected two different columns"
            )
        if column is not None:
            roles[column] = role


def _look_or_pass_over(
    data: str, text: str, column: str | None, id: str | None, reading: Reading, *, guessed: bool
) -> tuple[_Look, Seen, str | None]:
    """Read the data with a column of labels; if it was guessed and cannot be read, without it and with a note."""
    if column is None:
        return *_look(data, text, None, id, reading), None
    try:
        return *_look(data, text, column, id, reading), None
    except CorpusError as error:
        if not guessed:
            raise
        found = _look(data, text, None, id, reading)
        return *found, f"the column {quoted(column)} is ignored: {error}"


def _reading(seen: Seen, stated: Reading) -> str:
    """Return the keys of the text format, if all files have the same one or it is stated; else an empty text."""
    found = {one for one in seen.readings.values() if one.delimiter is not None}
    if len(found) == 1:
        one = found.pop()
    elif stated.stated:
        one = stated
    else:
        return ""
    keys = (("delimiter", one.delimiter), ("quote", one.quote), ("encoding", one.encoding))
    return "".join(f", {key}: {inline(value)}" for key, value in keys if value is not None)


def _look(data: str, text: str, column: str | None, id: str | None, reading: Reading) -> tuple[_Look, Seen]:
    """Read all rows if there is a column of labels, else the first LOOK_AT ones."""
    labels = None if column is None else FoundLabels(column)
    columns = [text, *([] if column is None else [SetColumn(column)]), *([] if id is None else [id])]
    rows = texts = 0
    seen, distinct, sample = Seen(), set[str](), TextSample()
    for batch in sources.read(data, columns, reading, seen):
        cells = batch.columns[0]
        rows += len(cells)
        sample.add(cells)
        texts += sum(1 for cell in cells if cell is not None and cell.strip())
        if len(distinct) < ENOUGH_TEXTS:
            distinct |= {normalise_text((cell or b"").decode(errors="replace")) for cell in cells} - {""}
        if labels is not None:
            labels.add(batch.file, batch.first, cells, batch.columns[1])
        if texts and (rows >= LOOK_AT if labels is None else labels.too_many):
            break
    return _Look(rows, texts, min(len(distinct), ENOUGH_TEXTS), labels, sample.texts), seen


def _texts(n: int) -> str:
    return "1 different text" if n == 1 else f"{n} different texts"
