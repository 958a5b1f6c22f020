"""Write a commented task.yaml for somebody's data."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import yaml

from laud_ray import config, sources
from laud_ray.errors import CorpusError

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
corpus: {{path: {path}, text: {text}, id: {id}}}

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
    """The YAML, valid as it stands. `fill_in` says what a person must still write into it, or is None."""

    text: str
    fill_in: str | None


def starter(
    data: str, *, text: str, label: str | None = None, id: str | None = None, name: str | None = None
) -> Starter:
    """Make the YAML, with the labels of the data where a column has them, else with labels to be replaced.

    Raises:
        CorpusError: if the data or a column is missing or empty, or the label column cannot be one.
    """
    present = sources.column_names(data)
    column = label or next((c for c in present if c.lower() in LIKELY and c != text), None)
    rows, counts = _look(data, [text, *filter(None, (column, id))], labelled=column is not None)
    if not rows:
        raise CorpusError(f"{data}: holds no documents; expected at least one row")
    if column and not 2 <= len(counts) <= MAX_LABELS:
        if label:
            raise CorpusError(f"{data}: the column {column!r} has {len(counts)} labels; expected 2 to {MAX_LABELS}")
        column = None
    path = PurePosixPath(data)
    name = name or (path.parent.name if path.stem in ("train", "data") else path.stem.strip("*")) or "task"
    written = TEMPLATE.format(
        name=_inline(name),
        note="" if column else "                      # write your own labels here",
        labels="\n".join(f"    - {{name: {_inline(one)}}}" for one in (sorted(counts) if column else PLACEHOLDERS)),
        path=_inline(data),
        text=_inline(text),
        id=_inline(id),
        storage=_inline(f"runs/{name}"),
        oracle=f"{{kind: replay, label: {_inline(column)}}}" if column else NO_ORACLE,
        evaluation=max(20, min(300, rows // 4)),
    )
    config.parse(written, "task.yaml")
    return Starter(written, None if column else FILL_IN)


def _look(data: str, columns: list[str], *, labelled: bool) -> tuple[int, Mapping[str, int]]:
    """Count the first rows, and the labels in the second column if it holds any."""
    counts: Counter[str] = Counter()
    rows = 0
    for batch in sources.read(data, columns):
        rows += len(batch.columns[0])
        if labelled:
            counts.update(_labels(batch))
        if rows >= LOOK_AT:
            break
    return rows, counts


def _labels(batch: sources.Rows) -> Iterator[str]:
    for row, cell in enumerate(batch.columns[1], batch.first):
        try:
            label = (cell or b"").decode()
        except UnicodeDecodeError:
            raise CorpusError(f"{batch.file} row {row}: the label is {cell!r}; expected text in UTF-8") from None
        if label:
            yield label


def _inline(value: str | None) -> str:
    """A value as YAML within braces."""
    return yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=10_000).strip()[1:-1]
