"""Write a commented task.yaml for somebody's data."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import yaml

from laud_ray import config, sources
from laud_ray.data.reading import AS_FOUND, Reading
from laud_ray.data.seen import Seen
from laud_ray.errors import CorpusError
from laud_ray.printable import printable, quoted

LIKELY = ("label", "labels", "category", "class", "target", "intent")
MAX_LABELS = 1000
LOOK_AT = 200_000
PLACEHOLDERS = ("first label", "second label")
NO_ORACLE = "{kind: llm, engine: openai, model: MODEL_NAME}      # write your own here"
FILL_IN = (
    "fill in task.labels and oracle before you run this: no column was found that holds labels, which kind: replay "
    "needs; kind: llm needs a model and an endpoint"
)

TEMPLATE = """\
# What to learn. Labels are the classes; a description, where a name says too little, makes the start better:
#   - {{name: Yogurt, description: plain and flavoured yogurt}}
# They can also stand in a file of their own (YAML, CSV with name and description, or text):  labels: labels.csv
task:
  name: {name}
  kind: multiclass             # or binary: the label marked `positive: true` against all the others
  labels:{note}
{labels}

# The documents: a file, folder, glob or URI; Parquet, CSV or JSONL. Without an id column, the text's hash is the id.
# delimiter, quote and encoding say how text files are written; without them it is found out from each file. quote is
# none, '"' (a quote within a quoted cell is doubled) or '\\"' (it is written so).{notes}
corpus: {{path: {path}, text: {text}, id: {id}{reading}}}

# Where the run keeps everything: annotations, scores, models, report. `laud run` on it again continues it.
storage: {storage}
seed: 0

# Before any annotation: the encoder compares each text with the names of the labels.
zero_shot: {{engine: encoder, model: bundled}}

# What learns. encoder: LoRA on a sentence encoder; linear: frozen embeddings, fast and weaker.
learner: {{kind: encoder, model: bundled}}

# Who answers:
#   {{kind: replay, label: COLUMN}}                    a column of the data that only the oracle sees, to try things out
#   {{kind: llm, engine: openai, model: MODEL_NAME}}   a language model; base_url names an endpoint that speaks OpenAI's
#                                                    protocol, key_variable where its key is; engine: vllm runs it here
#   {{kind: cascade, oracles: [...]}}                  the first one answers; where it abstains, as an llm does under
#                                                    its threshold, the next one does
oracle: {oracle}

# The first annotations: walk down each class's zero-shot ranking until per_class of it are confirmed.
init: {{per_class: 1, max_queries: 300}}

# What to ask next. auto: after each round what suits, by what the evaluation sample and the last answers show.
#   the model's doubt: margin, entropy, least_confidence;   of several rounds' models: disagreement
#   where documents lie: kmeans, core_set, typiclust, prob_cover, badge, contrastive
#   classes with few annotations: rare_class, anchors;   others: random, high_confidence
#   several of them: strategy: mix, with shares such as  mix: {{margin: 0.7, typiclust: 0.3}}
# diversity: kmeans, core_set or badge spreads each batch of a strategy of doubt; shortlist: 50000 is the most documents
# that are embedded for this; answerable: false does not avoid the like of what the oracle abstained from.
query: {{strategy: auto, batch: 50}}

# A random sample that is annotated, never trains, and says honestly how good each model is.
evaluation: {{size: {evaluation}}}

# Against an oracle that errs: leave_out: true trains the model that learns when the budget is spent without what is
# probably wrong; share 0.1 spends up to a tenth of each batch on asking that again.
audit: {{share: 0.0, leave_out: false}}

# Annotations that may be bought for seed, queries and audits; those for evaluation are counted apart.
budget: {{annotations: 500}}

# When to stop, whichever comes first; the budget always holds:
#   {{kind: target, metric: macro_f1, value: 0.9}}     the 95 % interval of the metric begins at or above the value
#   {{kind: gain, metric: macro_f1, per: 100, below: 0.005}}   100 more annotations are expected to add less than that;
#                 with cost_per_annotation and value_per_point, in dollars: a point costs more than it is worth
#   {{kind: plateau, gain: 0.005, patience: 3}}        so many rounds added no more than that to macro-F1
#   {{kind: kappa}}, {{kind: delta_f}}                   consecutive models say the same; these need no labels
#   {{kind: rounds, maximum: 10}}, {{kind: pool_exhausted}}
stop: [{{kind: budget}}]

# Training processes (0: in this one) and their GPUs.
resources: {{workers: 0, gpus_per_worker: 0}}

# A service to tell when a model becomes current, such as http://127.0.0.1:8000; token_env names the environment
# variable that holds its token. Without a url it finds out by itself, a little later.
serving: {{url: null, token_env: null}}
"""


@dataclass(frozen=True, slots=True)
class Starter:
    """The YAML, valid as it stands.

    Attributes:
        fill_in: what a person must still write into it, or None.
        notes: what a person should know of the data.
    """

    text: str
    fill_in: str | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Look:
    """What was seen of the data: rows, those with a text, and rows of each label."""

    rows: int
    texts: int
    labels: Mapping[str, int]


def starter(
    data: str,
    *,
    text: str,
    label: str | None = None,
    id: str | None = None,
    name: str | None = None,
    reading: Reading = AS_FOUND,
) -> Starter:
    """Make the YAML, with the labels of the data where a column has them, else with labels to be replaced.

    Args:
        reading: what is stated of how text files are written; the rest is found out, and written into the YAML.

    Raises:
        CorpusError: if the data or a column is missing or empty, a column has two roles, or the label column that was
            asked for cannot be one. A column that is only guessed is passed over with a note.
    """
    _require_roles(text=text, label=label, id=id)
    present = sources.column_names(data, reading, [text])
    column = label or next((one for one in present if one.lower() in LIKELY and one not in (text, id)), None)
    look, seen, passed_over = _look_or_pass_over(data, text, column, id, reading, guessed=label is None)
    if not look.rows:
        raise CorpusError(f"{data}: holds no documents; expected at least one row")
    if not look.texts:
        raise CorpusError(f"{data}: the column {quoted(text)} is empty in all {look.rows:,} rows; expected texts")
    counts = look.labels
    if passed_over is not None:
        column = None
    if column and not 2 <= len(counts) <= MAX_LABELS:
        number = "1 label" if len(counts) == 1 else f"{len(counts):,} labels"
        wrong = f"{data}: the column {quoted(column)} has {number}; expected 2 to {MAX_LABELS}"
        if label:
            raise CorpusError(wrong)
        passed_over, column = f"{wrong}: it is passed over", None
    notes = tuple(printable(note) for note in (*seen.notes, *filter(None, [passed_over])))
    path = PurePosixPath(data)
    name = name or (path.parent.name if path.stem in ("train", "data") else path.stem.strip("*")) or "task"
    written = TEMPLATE.format(
        name=_inline(name),
        note="" if column else "                      # write your own labels here",
        labels="\n".join(f"    - {{name: {_inline(one)}}}" for one in (sorted(counts) if column else PLACEHOLDERS)),
        path=_inline(data),
        text=_inline(text),
        id=_inline(id),
        reading=_reading(seen, reading),
        notes="".join(f"\n# {note}" for note in notes),
        storage=_inline(f"runs/{name}"),
        oracle=f"{{kind: replay, label: {_inline(column)}}}" if column else NO_ORACLE,
        evaluation=max(20, min(300, look.rows // 4)),
    )
    config.parse(written, "task.yaml")
    return Starter(written, None if column else FILL_IN, notes)


def _require_roles(*, text: str, label: str | None, id: str | None) -> None:
    """Refuse one column in two roles."""
    roles: dict[str, str] = {}
    for role, column in (("text", text), ("id", id), ("label", label)):
        if column is not None and column in roles:
            raise CorpusError(f"--{role} {column}: is the column of --{roles[column]} too; expected a column for each")
        if column is not None:
            roles[column] = role


def _look_or_pass_over(
    data: str, text: str, column: str | None, id: str | None, reading: Reading, *, guessed: bool
) -> tuple[_Look, Seen, str | None]:
    """Look at the data with a column of labels, or without if it is only guessed and does not fit; say why."""
    others = [text, *filter(None, [id])]
    if column is None:
        return *_look(data, others, reading, labelled=False), None
    try:
        return *_look(data, [text, column, *filter(None, [id])], reading, labelled=True), None
    except CorpusError as error:
        if not guessed:
            raise
        found = _look(data, others, reading, labelled=False)
        return *found, f"the column {quoted(column)} is passed over: {error}"


def _reading(seen: Seen, stated: Reading) -> str:
    """The keys that say how the text files are read, where they are all read alike."""
    found = {one for one in seen.readings.values() if one.delimiter is not None}
    if len(found) == 1:
        one = found.pop()
    elif stated.stated:
        one = stated
    else:
        return ""
    keys = (("delimiter", one.delimiter), ("quote", one.quote), ("encoding", one.encoding))
    return "".join(f", {key}: {_inline(value)}" for key, value in keys if value is not None)


def _look(data: str, columns: list[str], reading: Reading, *, labelled: bool) -> tuple[_Look, Seen]:
    """Count the first rows, and the labels in the second column if it holds any."""
    counts: Counter[str] = Counter()
    rows = texts = 0
    seen = Seen()
    for batch in sources.read(data, columns, reading, seen):
        rows += len(batch.columns[0])
        texts += sum(1 for cell in batch.columns[0] if cell is not None and cell.strip())
        if labelled:
            counts.update(_labels(batch))
        if rows >= LOOK_AT:
            break
    return _Look(rows, texts, counts), seen


def _labels(batch: sources.Rows) -> Iterator[str]:
    for row, cell in enumerate(batch.columns[1], batch.first):
        try:
            label = (cell or b"").decode()
        except UnicodeDecodeError:
            raise CorpusError(f"{batch.file} row {row}: the label is {quoted(cell)}; expected text in UTF-8") from None
        if label:
            yield label


def _inline(value: str | None) -> str:
    """A value as YAML within braces."""
    return yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=10_000).strip()[1:-1]
