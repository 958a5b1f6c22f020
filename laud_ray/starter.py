"""Write a commented task.yaml for somebody's data."""

from collections import Counter
from pathlib import PurePosixPath

import yaml

from laud_ray import config, sources
from laud_ray.errors import CorpusError

LIKELY = ("label", "labels", "category", "class", "target", "intent")
MAX_LABELS = 1000
LOOK_AT = 200_000

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

# Who answers. replay: a column of the data that only the oracle sees, for trying things out.
oracle: {{kind: replay, label: {label}}}

# The first annotations: walk down each class's zero-shot ranking until per_class of it are confirmed.
init: {{per_class: 1, max_queries: 300}}

# What to ask next: margin, entropy, least_confidence, random, rare_class, high_confidence, or mix.
query: {{strategy: margin, batch: 50}}

# A random sample that is annotated, never trains, and says honestly how good each model is.
evaluation: {{size: {evaluation}}}

# Annotations that may be bought for seed and queries; those for evaluation are counted apart.
budget: {{annotations: 500}}

# When to stop, whichever comes first: budget, rounds, kappa, plateau, pool_exhausted.
stop: [{{kind: budget}}]

# Training processes (0: in this one) and their GPUs.
resources: {{workers: 0, gpus_per_worker: 0}}
"""


def starter(data: str, *, text: str, label: str | None = None, id: str | None = None, name: str | None = None) -> str:
    """Return the YAML: valid as it stands, with the labels of the data where a column has them.

    Raises:
        CorpusError: if the data or a column is missing, or the label column cannot be one.
    """
    present = sources.column_names(data)
    column = label or next((c for c in present if c.lower() in LIKELY and c != text), None)
    wanted = [text, *filter(None, (column, id))]
    counts: Counter[str] = Counter()
    rows = 0
    for batch in sources.read(data, wanted):
        rows += len(batch.columns[0])
        if column:
            counts.update(cell.decode(errors="replace") for cell in batch.columns[1] if cell)
        if rows >= LOOK_AT:
            break
    if column and not 2 <= len(counts) <= MAX_LABELS:
        if label:
            raise CorpusError(f"{data}: the column {column!r} has {len(counts)} labels; expected 2 to {MAX_LABELS}")
        column = None
    path = PurePosixPath(data)
    name = name or (path.parent.name if path.stem in ("train", "data") else path.stem.strip("*")) or "task"
    found = sorted(counts) if column else ["first label", "second label"]
    written = TEMPLATE.format(
        name=_inline(name),
        note="" if column else "                      # write your own labels here",
        labels="\n".join(f"    - {{name: {_inline(one)}}}" for one in found),
        path=_inline(data),
        text=_inline(text),
        id=_inline(id),
        storage=_inline(f"runs/{name}"),
        label=_inline(column or "label"),
        evaluation=max(20, min(300, rows // 4)),
    )
    config.parse(written, "task.yaml")
    return written


def _inline(value: str | None) -> str:
    """A value as YAML within braces."""
    return yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=10_000).strip()[1:-1]
