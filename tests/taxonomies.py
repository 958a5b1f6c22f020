"""A run of a taxonomy with a model, its scores and an answered evaluation sample: made in seconds, without a loop."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from laud_ray import config
from laud_ray.data.sharding.normalise import normalise
from laud_ray.evaluation.draw import to_queries
from laud_ray.models.kinds import LinearLearner, load
from laud_ray.passes.scoring import distinct, score_table, score_texts, with_failures
from laud_ray.passes.summary import Summing
from laud_ray.steps.training.model import train
from laud_ray.store.run import claim
from laud_ray.store.store import Sampled
from laud_ray.taxonomy import SEPARATOR
from laud_ray.types import Annotation, Estimate, Example, Figures, RoundResult
from tests.tiny import LABELS, products

FIGURE = Estimate(0.8, 0.7, 0.9, 40)
# Every third label stands under each of three nodes; the last one is a leaf at the top.
PLACES = {label: SEPARATOR.join([f"Group {i % 3}", label]) for i, label in enumerate(LABELS[:-1])} | {
    LABELS[-1]: LABELS[-1]
}


def taxonomy_run(place: Path, *, documents: int = 600, **more: object) -> Path:
    """Make a run in `place`/run whose whole corpus is its evaluation sample, each document with its right label."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "labels.txt").write_text("\n".join(PLACES.values()))
    made = products(documents, seed=5)
    truth = {one.text: PLACES[one.label] for one in made}
    pq.write_table(pa.table({"text": list(truth), "label": list(truth.values())}), place / "corpus.parquet")
    settings = {
        "task": {"name": "food", "kind": "taxonomy", "labels": str(place / "labels.txt")},
        "corpus": {"path": str(place / "corpus.parquet"), "text": "text"},
        "storage": str(place / "run"),
        "learner": {"kind": "linear"},
        "oracle": {"kind": "replay", "label": "label"},
        "evaluation": {"size": documents},
        **more,
    }
    with claim(config.parse(json.dumps(settings))) as run:
        corpus = normalise(run.config.corpus, run.corpus, sealed="label")
        task, name = run.config.task.to_task(), run.model_name(1)
        train(
            LinearLearner(), task, [Example(one.text, PLACES[one.label]) for one in products(150)], run.models, name, 0
        )
        scorer, drawn = load(f"{place}/run/models/{name}"), []
        for part in corpus.ranges:
            table = corpus.read(part.name)
            texts, inverse = distinct(table.column("text"))
            summing = Summing(len(texts), len(scorer.labels), taxonomy=task.taxonomy)
            _, failures = score_texts(scorer, texts, summing.add)
            errors, usable = with_failures(table.column("error"), failures, inverse)
            scores = score_table(table["id"], summing.summary, inverse, usable, errors, scorer.labels, name)
            run.scores(1).write_table(part.name, scores)
            drawn += [Sampled(part.name, i, one, 0, documents) for i, one in enumerate(table["id"].to_pylist())]
        queries = to_queries(corpus, drawn)
        run.store.set_samples({"evaluation": drawn, "stop": drawn[:5]})
        run.store.add_queries("evaluation", 0, queries)
        run.store.add_annotations([Annotation(q.document.id, truth[q.document.text], "replay") for q in queries])
        run.store.close_round(
            RoundResult(1, name, 150, 500, documents, Figures(40, FIGURE, FIGURE, 0.1, ()), None, True, {}),
            "linear",
            None,
        )
    return place / "run"
